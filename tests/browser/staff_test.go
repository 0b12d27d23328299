package browser

import (
	"strings"
	"testing"
)

// bootstrap makes the first of the platform's own people.
func (s *site) bootstrap(username string) *account {
	s.t.Helper()
	return &account{username: username, password: run[struct {
		InitialPassword string `json:"initial_password"`
	}](s, "bootstrap", "--username", username).InitialPassword}
}

// staff opens a window on the console. A name below localhost is this machine's own
// (RFC 6761 section 6.3), which browsers know without asking.
func (c *chromium) staff(t *testing.T, scripts bool) *person {
	t.Helper()
	p := c.person(t, scripts)
	p.origin = "https://console.localhost:" + c.site.console
	return p
}

// firstStaffSignIn goes through what stands between staff and the console: a password
// of their own, and a second factor. look is shown each page.
func (p *person) firstStaffSignIn(a *account, look func(scene string)) {
	p.t.Helper()
	p.signIn(a)
	p.expect("/password", "From then on, only you know it.")
	p.fill("current", a.password)
	p.fill("new", passphrase)
	p.fill("repeat", passphrase)
	p.press("Change password")
	a.password = passphrase
	p.expect("/account/2fa", "Everyone on the platform team needs it")
	look("console-2fa-off")
	p.press("Set up")
	p.expect("/account/2fa/begin", "Scan this with the app.")
	a.app = newAuthenticator(p.t, p.code(0))
	p.fill("code", a.app.code())
	p.press("Turn on")
	p.expect("/account/2fa/finish", "Each signs you in once.")
	a.codes = strings.Fields(p.code(0))
	p.press("I have kept them")
}

// signInWithACode goes through both factors.
func (p *person) signInWithACode(a *account) {
	p.t.Helper()
	p.signIn(a)
	p.fill("code", a.app.code())
	p.press("Continue")
}
