package portal

import (
	"strings"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// returnTargets maps the names that return_to may begin with to paths. return_to
// is one of these names, and the ids that its path needs, and never a URL:
// "/\evil.example", "//evil.example" and "%5cevil.example" are simply names that
// nobody has (miniflux issue 4362).
func returnTargets(t *table) map[string]string {
	targets := map[string]string{}
	for _, r := range t.rows {
		switch {
		case r.Method != get || r.States&StateActive == 0 || r.Name == "static" || r.Name == "sudo":
		case r.perEnvironment():
			for _, env := range []controlplane.Environment{controlplane.Live, controlplane.Test} {
				targets[returnName(r.Name, env)] = r.path(env)
			}
		default:
			targets[r.Name] = r.path("")
		}
	}
	return targets
}

func returnName(route string, env controlplane.Environment) string {
	if env == "" {
		return route
	}
	return string(env) + "." + route
}

// idMark stands before each id of a return_to; no name and no id has it.
const idMark = "~"

// target is the path that a return_to means; false for any other text.
func (p *portal) target(text string) (string, bool) {
	parts := strings.Split(text, idMark)
	path, found := p.targets[parts[0]]
	if !found {
		return "", false
	}
	for _, id := range parts[1:] {
		if !plainID(id) {
			return "", false
		}
		path, found = fill(path, id)
		if !found {
			return "", false
		}
	}
	return path, !strings.Contains(path, "{")
}

// fill puts an id into the first wildcard of a path; false if there is none.
func fill(path, id string) (string, bool) {
	before, rest, found := strings.Cut(path, "{")
	_, after, _ := strings.Cut(rest, "}")
	return before + id + after, found
}

// plainID reports whether a text could be an id of ours, which cannot lead out of
// the segment of a path that it is put into.
func plainID(s string) bool {
	const most = 64
	return s != "" && len(s) <= most && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == ""
}

// wildcards are the names in braces of a path.
func wildcards(path string) (names []string) {
	for _, part := range strings.Split(path, "{")[1:] {
		name, _, _ := strings.Cut(part, "}")
		names = append(names, name)
	}
	return names
}

// returnPath is where a return_to leads; any other text leads to the start.
func (p *portal) returnPath(text string) string {
	if path, found := p.target(text); found {
		return path
	}
	return p.targets[p.start]
}

// returnName is the return_to of the present page, or of the page with the form
// that was sent here; empty if it has none.
func (x *exchange) returnName() string {
	page := x.route
	if page.Method == post {
		page = x.table.byName[page.Form]
	}
	if page == nil {
		return ""
	}
	name, path := page.Name, page.path("")
	if page.perEnvironment() {
		name, path = returnName(page.Name, x.env()), page.path(x.env())
	}
	for _, wildcard := range wildcards(path) {
		name += idMark + x.r.PathValue(wildcard)
	}
	if _, found := x.target(name); !found {
		return ""
	}
	return name
}
