package portal

import (
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// maxBody bounds what a form may send: our largest has a few hundred bytes.
const maxBody = 64 << 10

// serve answers one request of a route. Everything that holds for all requests is
// here, in the order in which it holds. A nil route is an address that nobody has;
// allow lists the methods of one that has others.
func (p *portal) serve(w http.ResponseWriter, r *http.Request, route *Route, allow string) {
	x := &exchange{
		portal: p, w: &answer{ResponseWriter: w}, r: r, route: route,
		clientIP: p.clientIP(r), requestID: p.requestID(r), session: Session{State: StateAnonymous},
	}
	started := p.clock()
	defer func() { x.log(p.clock().Sub(started)) }()
	defer x.recoverPanic()

	setSecurityHeaders(w.Header())
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	x.prefs = parsePreferences(x.cookie(preferencesCookie).Reveal())
	x.lang = p.texts.choose(x.prefs.Language, r.Header.Get("Accept-Language"))
	if err := x.dispatch(allow); err != nil {
		x.fail(err)
	}
}

// dispatch lets the rules of the route decide, and then its handler.
func (x *exchange) dispatch(allow string) error {
	switch {
	case allow != "":
		x.w.Header().Set("Allow", allow)
		return httpError{status: http.StatusMethodNotAllowed}
	case x.route == nil:
		return httpError{status: http.StatusNotFound}
	case x.route.Name == "static": // the same for everyone: no session is looked up
		return x.route.handle(x)
	}
	if err := x.sameOrigin(); err != nil {
		return err
	}
	if err := x.loadSession(); err != nil {
		return err
	}
	if x.route.States&x.session.State == 0 {
		x.lead()
		return nil
	}
	if !x.route.allows(x.session.Role) {
		return x.deny()
	}
	// Whoever must enrol has signed in this moment, and has nothing else to show.
	if x.route.NeedsSudo() && !x.session.Sudo && x.session.State == StateActive {
		x.askSudo()
		return nil
	}
	if x.route.Method == post {
		if err := x.parseForm(); err != nil {
			return err
		}
	}
	return x.route.handle(x)
}

// deny refuses what the role does not hold. An attempt to change something is
// written to the audit trail by the control plane; looking leaves no rows.
func (x *exchange) deny() error {
	if x.route.Method == post {
		if err := x.service.Permit(x.ctx(), x.actor(), x.route.Operation, x.r.PathValue("id")); err != nil {
			return err
		}
	}
	return controlplane.Errorf(controlplane.CodeDenied, "the role %q may not %s", x.session.Role, x.route.Operation)
}

// errCrossOrigin is said when a form was sent from somewhere else.
var errCrossOrigin = errors.New("the request does not come from a page of the portal")

// sameOrigin refuses unsafe requests that other sites make a browser send. What
// CrossOriginProtection lets through for want of both headers is refused too:
// every browser that can show these pages sends at least one of them.
func (x *exchange) sameOrigin() error {
	if x.r.Method == get || x.r.Method == http.MethodHead {
		return nil
	}
	if x.r.Header.Get("Sec-Fetch-Site") == "" && x.r.Header.Get("Origin") == "" {
		return httpError{status: http.StatusForbidden, cause: errCrossOrigin}
	}
	if err := x.crossOrigin.Check(x.r); err != nil {
		return httpError{status: http.StatusForbidden, cause: err}
	}
	return nil
}

// recoverPanic turns a panic into the 500 page. The panic's value may hold what a
// log must not: only its type and the stack are kept.
func (x *exchange) recoverPanic() {
	v := recover()
	if v == nil {
		return
	}
	if v == http.ErrAbortHandler { //nolint:errorlint // net/http compares the very value, too
		panic(v)
	}
	err := fmt.Errorf("panic of type %T\n%s", v, debug.Stack())
	if x.w.status != 0 {
		x.cause = err
		return
	}
	x.fail(err)
}
