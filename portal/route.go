package portal

import (
	"strings"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// State is how far a browser has come in signing in. Values are bits, so that a
// route can name several.
type State uint8

const (
	// StateAnonymous: nobody has shown a password.
	StateAnonymous State = 1 << iota
	// StateCode: the password was right, the second factor is due.
	StateCode
	// StatePassword: a new password must be chosen before anything else.
	StatePassword
	// StateEnrol: the merchant's policy demands a second factor that is not there.
	StateEnrol
	// StateActive: signed in.
	StateActive

	stateAny = StateAnonymous | StateCode | StatePassword | StateEnrol | StateActive
)

// States lists the single states, for the tests' matrix.
func States() []State {
	return []State{StateAnonymous, StateCode, StatePassword, StateEnrol, StateActive}
}

// Route is one row of the route table. The table is the mux, the middleware's
// rules, the "Roles" page and the tests' matrix, so none of them can disagree.
type Route struct {
	// Name is how links and return_to call it.
	Name string
	// Method is GET (which serves HEAD too) or POST.
	Method string
	// Path is a [http.ServeMux] pattern without method; {env} is live or test.
	Path string
	// States in which it answers; in every other one the browser is led to where
	// its state belongs.
	States State
	// Operation whose row of the permission table says who may; empty: everyone
	// in the right state, on what is their own.
	Operation controlplane.Operation
	// Sudo demands a fresh confirmation beyond what Operation demands.
	Sudo bool
	// Form is, on a POST, the name of the page that holds the form: where a
	// browser goes back to after it was asked to confirm.
	Form string
	// Nav is the icon of a page in the navigation; empty: not there.
	Nav string

	handle handler
	// permission is filled in from Operation.
	permission controlplane.Permission
}

// handler answers one request. An error becomes an error page, so a handler
// writes nothing before it knows that it succeeds.
type handler func(x *exchange) error

// perEnvironment reports whether the path names an environment.
func (r *Route) perEnvironment() bool { return strings.HasPrefix(r.Path, "/{env}/") }

// allows reports whether a role may use the route.
func (r *Route) allows(role controlplane.Role) bool {
	return r.Operation == "" || r.permission.Allows(role)
}

// NeedsSudo reports whether a fresh confirmation is demanded: the route's own
// wish or the permission table's.
func (r *Route) NeedsSudo() bool { return r.Sudo || r.permission.Sudo }

// environments the route is registered for; {""} if its path names none.
func (r *Route) environments() []controlplane.Environment {
	if !r.perEnvironment() {
		return []controlplane.Environment{""}
	}
	return []controlplane.Environment{controlplane.Live, controlplane.Test}
}

// pattern is the path as the mux takes it, for one environment.
func (r *Route) pattern(env controlplane.Environment) string {
	return strings.Replace(r.Path, "{env}", string(env), 1)
}

// path is the address, for one environment, of a route without an id in it.
func (r *Route) path(env controlplane.Environment) string {
	return strings.TrimSuffix(r.pattern(env), "{$}")
}

// addressable reports whether the address can be made without knowing an id.
func (r *Route) addressable() bool { return !strings.Contains(r.path(controlplane.Live), "{") }
