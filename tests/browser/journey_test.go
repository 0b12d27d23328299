package browser

import (
	"testing"

	"github.com/chromedp/chromedp"
)

// withAndWithoutScripts runs a journey twice: no page may need its script.
func withAndWithoutScripts(t *testing.T, journey func(*testing.T, *chromium, bool)) {
	c := newSite(t).chromium()
	t.Run("with JavaScript", func(t *testing.T) { journey(t, c, true) })
	t.Run("without JavaScript", func(t *testing.T) { journey(t, c, false) })
}

func unique(name string, scripts bool) string {
	if scripts {
		return name
	}
	return name + ".plain"
}

func TestFromTheFirstSignInToARetiredKey(t *testing.T) {
	covers(t, "6.2.2", "6.2.7", "8.3.1")
	t.Parallel()
	withAndWithoutScripts(t, func(t *testing.T, c *chromium, scripts bool) {
		s := c.site
		merchant := s.merchant("Blue Bottle Books")
		s.allow(merchant, "127.0.0.1", "this machine")
		p, a := c.newcomer(t, scripts, merchant, unique("bea", scripts), "owner")
		p.enrol(a)
		p.signOutAndInWithACode(a)
		p.signOutAndInWithARecoveryCode(a)

		first := p.issue(a)
		first.passes(t, s.gateway)
		second := p.rotate()
		first.passes(t, s.gateway)
		second.passes(t, s.gateway)
		p.stopOldKey(first)
		first.refusedWithinASecond(t, s.gateway)
		second.passes(t, s.gateway)

		for _, role := range []string{"viewer", "operator"} {
			onlooker, _ := c.newcomer(t, scripts, merchant, unique(role, scripts), role)
			onlooker.mayOnlyLook(second)
		}
		second.passes(t, s.gateway)
	})
}

func (p *person) signOutAndInWithACode(a *account) {
	p.t.Helper()
	p.press("Sign out")
	p.expect("/login", "You are signed out.")
	p.signIn(a)
	p.expect("/login/code", "Code from your authenticator app")
	p.fill("code", a.app.code())
	p.press("Continue")
	p.expect("/", "Overview")
}

func (p *person) signOutAndInWithARecoveryCode(a *account) {
	p.t.Helper()
	p.press("Sign out")
	p.signIn(a)
	p.press("Use a recovery code")
	p.fill("code", a.codes[0])
	p.press("Continue")
	p.expect("/", "You used a recovery code.")
	p.press("Sign out")
	p.signIn(a)
	p.press("Use a recovery code")
	p.fill("code", a.codes[0])
	p.press("Continue")
	p.expect("/login/recovery", "That recovery code does not work.")
	p.fill("code", a.codes[1])
	p.press("Continue")
	a.codes = a.codes[2:]
	p.open("/account/2fa")
	p.expect("/account/2fa", "8 of 10 not used")
}

// issue issues a test key and sees its secret once.
func (p *person) issue(a *account) pair {
	p.t.Helper()
	p.open("/test/keys")
	p.press("Issue a test key")
	p.confirm(a)
	p.press("Issue a test key")
	p.expect("/test/key/issue", "It is not shown again.")
	issued := pair{p.code(0), p.code(1)}
	p.load(chromedp.Reload())
	p.expect("/test/key/issue", "This was done already")
	p.press("Back")
	p.expect("/test/keys", issued.id)
	return issued
}

func (p *person) rotate() pair {
	p.t.Helper()
	p.press("Rotate the key")
	p.choose("overlap", "24")
	p.press("Rotate and show the new secret")
	p.expect("/test/key/rotate", "The old key works until")
	rotated := pair{p.code(0), p.code(1)}
	p.press("I have kept the secret")
	return rotated
}

func (p *person) stopOldKey(k pair) {
	p.t.Helper()
	p.open("/test/keys")
	p.expect("/test/keys", k.id)
	p.press("Stop it sooner")
	p.press("Stop the old key now " + k.id)
	p.expect("/test/keys", "The key has stopped.")
}

// mayOnlyLook tries what a viewer and an operator may not do: no page offers it,
// and the server refuses it.
func (p *person) mayOnlyLook(k pair) {
	p.t.Helper()
	for _, at := range []string{"/test/keys", "/live/keys", "/test/keys/" + k.id, "/allowlist", "/allowlist/requests"} {
		p.open(at)
		for _, says := range []string{"Issue a test key", "Issue a live key", "Rotate the key", "Stop a key", "Request a change"} {
			if p.offers(says) {
				p.t.Errorf("%s offers %q", at, says)
			}
		}
	}
	for _, at := range []string{"/test/key/issue", "/live/key/issue", "/test/key/rotate", "/test/key/retire", "/allowlist/requests/new", "/team", "/audit"} {
		p.open(at)
		p.expect(at, "You may not do that")
	}
	for _, at := range []string{"/test/key/issue", "/live/key/issue", "/test/key/rotate", "/test/keys/" + k.id + "/retire", "/allowlist/requests/new"} {
		p.open("/roles")
		p.postFrom(at, "once", "0123456789abcdef0123456789abcdef")
		p.expect(at, "You may not do that")
	}
}
