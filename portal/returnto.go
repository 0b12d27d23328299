package portal

import (
	"github.com/unknownpay/merchant-gateway/controlplane"
)

// returnTargets maps the names that return_to may hold to paths. return_to is one
// of these names and never a URL: "/\evil.example", "//evil.example" and
// "%5cevil.example" are simply names that nobody has (miniflux issue 4362).
func returnTargets(t *table) map[string]string {
	targets := map[string]string{}
	for _, r := range t.rows {
		switch {
		case r.Method != get || r.States&StateActive == 0 || !r.addressable() || r.Name == "sudo":
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

// returnPath is where a name leads; any other text leads to the overview.
func (p *portal) returnPath(name string) string {
	if path, found := p.targets[name]; found {
		return path
	}
	return p.targets["overview"]
}

// returnName is the name by which the present page, or the page with the form
// that was sent here, can be come back to; empty if it has none.
func (x *exchange) returnName() string {
	page := x.route
	if page.Method == post {
		page = x.table.byName[page.Form]
	}
	if page == nil {
		return ""
	}
	name := page.Name
	if page.perEnvironment() {
		name = returnName(page.Name, x.env())
	}
	if _, found := x.targets[name]; !found {
		return ""
	}
	return name
}
