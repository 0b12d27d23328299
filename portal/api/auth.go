package api

import (
	"strings"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// BreakGlassHeader says why a change must not wait for the approval of another
// platform admin.
const BreakGlassHeader = "Unk-Break-Glass"

// notABrowser refuses requests that pages make. Cookies are not looked at, and no
// CORS header ever allows one, so a page could do no harm; but none has a business
// here, and a token in a page is a token lost.
func (x *exchange) notABrowser() error {
	if x.r.Header.Get("Origin") != "" || x.r.Header.Get("Sec-Fetch-Site") != "" {
		return controlplane.Errorf(controlplane.CodeDenied, "the admin API is for programs, not for pages in a browser")
	}
	return nil
}

// authenticate finds out who acts. After too many wrong tokens from an address it
// does not look any more. The tokens have 190 bits, so this is no lack of strength
// made up for: it keeps strangers from making work and log lines.
func (x *exchange) authenticate() error {
	if wait := x.wrong.wait(x.ip); wait > 0 {
		e := controlplane.Errorf(controlplane.CodeLimit, "too many requests with wrong tokens came from this address; wait")
		e.RetryAfter = wait
		return e
	}
	token, ok := x.bearer()
	if !ok {
		x.wrong.count(x.ip)
		return controlplane.Errorf(controlplane.CodeUnauthenticated, "send one header \"Authorization: Bearer <staff token>\"")
	}
	var err error
	x.actor, err = x.Authenticate(x.r.Context(), token)
	if controlplane.CodeOf(err) == controlplane.CodeUnauthenticated && err != nil {
		x.wrong.count(x.ip)
	}
	if err != nil {
		return err
	}
	if x.ip.IsValid() {
		x.actor.IP = x.ip.String()
	}
	x.actor.BreakGlass = x.r.Header.Get(BreakGlassHeader)
	x.actor.UserAgent, x.actor.RequestID = x.r.UserAgent(), x.id
	return nil
}

// bearer is the token of the one Authorization header.
func (x *exchange) bearer() (controlplane.Secret, bool) {
	values := x.r.Header["Authorization"]
	if len(values) != 1 {
		return controlplane.Secret{}, false
	}
	scheme, token, found := strings.Cut(values[0], " ")
	return controlplane.NewSecret(strings.TrimSpace(token)), found && strings.EqualFold(scheme, "Bearer")
}
