package portal

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
)

// assets are the static files by their published names, which hold a hash of the
// content: a browser may keep one for ever, and a new version has a new name.
type assets struct {
	byName map[string]asset
	urls   map[string]string
}

type asset struct {
	contentType string
	content     []byte
}

func loadAssets(files fs.FS) (*assets, error) {
	a := &assets{byName: map[string]asset{}, urls: map[string]string{}}
	entries, err := fs.ReadDir(files, "static")
	if err != nil {
		return nil, fmt.Errorf("static files: %w", err)
	}
	for _, e := range entries {
		content, err := fs.ReadFile(files, path.Join("static", e.Name()))
		if err != nil {
			return nil, fmt.Errorf("static files: %w", err)
		}
		sum := sha256.Sum256(content)
		ext := path.Ext(e.Name())
		published := strings.TrimSuffix(e.Name(), ext) + "." + hex.EncodeToString(sum[:6]) + ext
		a.byName[published] = asset{contentType(ext), content}
		a.urls[e.Name()] = "/static/" + published
	}
	return a, nil
}

// contentType does not ask package mime, which reads the machine's own tables.
func contentType(ext string) string {
	switch ext {
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml; charset=utf-8"
	}
	return "application/octet-stream"
}

// url returns the address of a file by the name it has in the source.
func (a *assets) url(name string) (string, error) {
	u, found := a.urls[name]
	if !found {
		return "", fmt.Errorf("no static file %q", name)
	}
	return u, nil
}

func serveAsset(x *exchange) error {
	f, found := x.assets.byName[x.r.PathValue("file")]
	if !found {
		return httpError{status: http.StatusNotFound}
	}
	h := x.w.Header()
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Content-Type", f.contentType)
	h.Set("Content-Length", strconv.Itoa(len(f.content)))
	_, err := x.w.Write(f.content)
	return err
}
