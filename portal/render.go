package portal

import (
	"bytes"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

// views are the parsed templates by language and view.
type views map[string]map[string]*template.Template

// loadViews parses every page once for each language: the language is then a
// property of the template and no page can forget to pass it on.
func loadViews(files fs.FS, texts *catalogue, a *assets) (views, error) {
	pages, err := fs.Glob(files, "html/pages/*.html")
	if err != nil {
		return nil, fmt.Errorf("templates: %w", err)
	}
	v := views{}
	for _, l := range texts.languages {
		base, err := template.New("base").Funcs(viewFuncs(l, a)).ParseFS(files, "html/*.html")
		if err != nil {
			return nil, fmt.Errorf("templates: %w", err)
		}
		v[l.tag] = map[string]*template.Template{}
		for _, page := range pages {
			t, err := template.Must(base.Clone()).ParseFS(files, page)
			if err != nil {
				return nil, fmt.Errorf("template %s: %w", page, err)
			}
			v[l.tag][strings.TrimSuffix(path.Base(page), ".html")] = t
		}
	}
	return v, nil
}

// viewFuncs is all that templates can call.
func viewFuncs(l *language, a *assets) template.FuncMap {
	return template.FuncMap{
		"t":     l.text,
		"asset": a.url,
		"ask":   ask,
		"iso":   func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"utc":   func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") + " UTC" },
	}
}

// document is what the layout gets: the frame around every page, and the page.
type document struct {
	Frame frame
	Page  any
}

// render draws a page into memory and then sends it, so that a failure half-way
// through becomes an error page and not half a page.
func (x *exchange) render(status int, view string, page any) error {
	t := x.views[x.lang.tag][view]
	if t == nil {
		return fmt.Errorf("no template for the view %q", view)
	}
	f, err := x.frame(view, page)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, "layout", document{f, page}); err != nil {
		return fmt.Errorf("draw %s: %w", view, err)
	}
	h := x.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", x.lang.tag)
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	x.w.WriteHeader(status)
	if x.r.Method == http.MethodHead {
		return nil
	}
	if _, err := x.w.Write(b.Bytes()); err != nil {
		x.cause = err // the reader went away; there is nobody to tell
	}
	return nil
}
