package store

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// SQLitePath returns the one absolute path, without symbolic links, by which a
// database is known. It changes nothing on disk, and the file need not exist.
func SQLitePath(path string) (string, error) {
	if path == "" || strings.ContainsRune(path, 0) {
		return "", controlplane.InvalidField("path", "the path of the database is %q; give the path of a file", path)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("path of the database: %w", err)
	}
	return resolve(abs)
}

// resolve follows the links of as much of path as exists.
func resolve(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return real, err
	}
	dir, err := resolve(filepath.Dir(path))
	return filepath.Join(dir, filepath.Base(path)), err
}
