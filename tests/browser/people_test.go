package browser

import (
	"strings"
	"testing"
)

// account is what somebody knows and holds to sign in.
type account struct {
	username, password string
	app                *authenticator // nil without a second factor
	codes              []string       // recovery codes that were not used
}

const passphrase = "seven quiet herons over Nakhon Phanom"

// invite makes a user, who has not signed in yet.
func (s *site) invite(merchant, username, role string) *account {
	s.t.Helper()
	return &account{username: username, password: s.user(merchant, username, role)}
}

// newcomer is a user who has chosen a password and is signed in, in a window of
// their own.
func (c *chromium) newcomer(t *testing.T, scripts bool, merchant, username, role string) (*person, *account) {
	t.Helper()
	p, a := c.person(t, scripts), c.site.invite(merchant, username, role)
	p.firstSignIn(a)
	return p, a
}

// signIn shows the password, and no more.
func (p *person) signIn(a *account) {
	p.t.Helper()
	p.open("/login")
	p.fill("username", a.username)
	p.fill("password", a.password)
	p.press("Sign in")
}

// firstSignIn goes through the forced change.
func (p *person) firstSignIn(a *account) {
	p.t.Helper()
	p.signIn(a)
	p.expect("/password", "From then on, only you know it.")
	p.fill("current", a.password)
	p.fill("new", passphrase)
	p.fill("repeat", passphrase)
	p.press("Change password")
	a.password = passphrase
	p.expect("/", "Overview")
}

func (p *person) has(field string) bool {
	p.t.Helper()
	return eval[bool](p, `Boolean(document.querySelector('main [name="`+field+`"]:not([hidden])'))`)
}

// confirm answers the portal if it asks again who this is.
func (p *person) confirm(a *account) {
	p.t.Helper()
	if p.path() != "/sudo" {
		return
	}
	p.fill("password", a.password)
	if p.has("code") {
		p.fill("code", a.app.code())
	}
	p.press("Confirm")
}

// enrol sets up a second factor.
func (p *person) enrol(a *account) {
	p.t.Helper()
	p.open("/account/2fa")
	p.press("Set up")
	if p.path() == "/sudo" {
		p.confirm(a)
		p.press("Set up")
	}
	p.expect("/account/2fa/begin", "Scan this with the app.")
	a.app = newAuthenticator(p.t, p.code(0))
	p.fill("code", a.app.code())
	p.press("Turn on")
	p.expect("/account/2fa/finish", "Each signs you in once.")
	if a.codes = strings.Fields(p.code(0)); len(a.codes) != 10 {
		p.t.Fatalf("%d recovery codes, want 10", len(a.codes))
	}
}

// postFrom sends a form that the page does not have, as somebody would who does
// not find the button.
func (p *person) postFrom(path, field, value string) {
	p.t.Helper()
	p.load(script(`(() => {
		const form = document.createElement("form");
		form.method = "post";
		form.action = "` + path + `";
		const input = document.createElement("input");
		input.name = "` + field + `";
		input.value = "` + value + `";
		form.append(input);
		document.body.append(form);
		form.submit();
	})()`))
}
