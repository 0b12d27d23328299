package portal

import (
	"context"
	"net/http"
	"net/netip"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/account"
)

// exchange is one request with what the middleware found out about it, and its
// answer. Handlers are functions of it.
type exchange struct {
	*portal
	w *answer
	r *http.Request

	route     *Route
	session   Session
	standing  account.Standing
	prefs     preferences
	lang      *language
	clientIP  netip.Addr
	requestID string
	// cause is the error behind an error page, for the log.
	cause error
}

func (x *exchange) ctx() context.Context { return x.r.Context() }

// env is the environment in the URL; the middleware has checked it.
func (x *exchange) env() controlplane.Environment {
	return controlplane.Environment(x.r.PathValue("env"))
}

// actor is who the control plane is told is asking.
func (x *exchange) actor() controlplane.Actor {
	a := x.standing.Actor(x.origin())
	if x.staff && x.route.Method == post {
		a.BreakGlass = x.value("break_glass")
	}
	return a
}

// text is a text of the catalogue in the reader's language; args are pairs of a
// placeholder's name and its value.
func (x *exchange) text(key string, args ...any) (string, error) { return x.lang.text(key, args...) }

// redirect leads to a page by its name after a POST was done.
func (x *exchange) redirect(name string, env controlplane.Environment) error {
	http.Redirect(x.w, x.r, x.table.byName[name].path(env), http.StatusSeeOther)
	return nil
}

// done is redirect with a notice on the page it leads to.
func (x *exchange) done(notice, name string, env controlplane.Environment) error {
	x.setNotice(notice)
	return x.redirect(name, env)
}

// answer is the ResponseWriter, which remembers for the log what was answered.
type answer struct {
	http.ResponseWriter
	status int
	bytes  int
}

func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	n, err := a.ResponseWriter.Write(b)
	a.bytes += n
	return n, err
}
