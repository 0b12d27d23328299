package browser

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestEveryPage opens every page, empty, filled and with an error on it, and holds
// it to the rules in every look. The scenes of a journey stand in its order.
func TestEveryPage(t *testing.T) {
	covers(t, "3.4.3", "3.4.7")
	t.Parallel()
	c := newSite(t).chromium()
	t.Run("before signing in", c.inspectAnonymous)
	t.Run("signing in", c.inspectSignIn)
	t.Run("nothing there yet", c.inspectEmpty)
	t.Run("filled", c.inspectFilled)
	t.Run("onlooker", c.inspectOnlooker)
	t.Run("webhooks", c.inspectWebhooks)
	t.Run("requests", c.inspectExplorer)
}

func (c *chromium) inspectAnonymous(t *testing.T) {
	p := c.person(t, true)
	p.open("/login")
	p.inspect("login")
	p.fill("username", "nobody")
	p.fill("password", "not the password of anybody")
	p.press("Sign in")
	p.inspect("login-wrong")
	p.open("/login?")
	for range 10 {
		p.fill("username", "nobody")
		p.fill("password", "not the password of anybody")
		p.press("Sign in")
	}
	p.expect("/login", "Too many attempts.")
	p.inspect("login-paused")
	p.open("/nowhere")
	p.inspect("error-404")
	p.open("/logout")
	p.inspect("error-405")
}

func (c *chromium) inspectSignIn(t *testing.T) {
	p := c.person(t, true)
	merchant := c.site.merchant("Krung Thep Coffee")
	a := c.site.invite(merchant, "malee", "owner")
	p.signIn(a)
	p.inspect("password-first")
	p.fill("current", a.password)
	p.fill("new", "too short")
	p.fill("repeat", "too short")
	p.press("Change password")
	p.inspect("password-first-wrong")
	p.fill("current", a.password)
	p.fill("new", passphrase)
	p.fill("repeat", passphrase)
	p.press("Change password")
	a.password = passphrase
	p.inspect("overview-empty")
	p.inspectEnrolment(a)
	p.press("Sign out")
	p.inspect("login-signed-out")
	p.signIn(a)
	p.inspect("login-code")
	p.fill("code", "123 456")
	p.press("Continue")
	p.inspect("login-code-wrong")
	p.press("Use a recovery code")
	p.inspect("login-recovery")
	p.fill("code", "ABCD")
	p.press("Continue")
	p.inspect("login-recovery-wrong")
	p.fill("code", a.codes[0])
	p.press("Continue")
	p.inspect("overview-recovery-used")
	p.open("/test/key/issue")
	p.inspect("sudo")
	p.fill("password", "wrong")
	p.fill("code", "123456")
	p.press("Confirm")
	p.inspect("sudo-wrong")
	p.confirm(a)
	p.inspect("keys-issue")
}

// inspectEnrolment enrols a second factor.
func (p *person) inspectEnrolment(a *account) {
	p.open("/account/2fa")
	p.inspect("2fa-off")
	p.press("Set up")
	if p.path() == "/sudo" {
		p.confirm(a)
		p.press("Set up")
	}
	p.inspect("2fa-enrol")
	a.app = newAuthenticator(p.t, p.code(0))
	p.fill("code", "123456")
	p.press("Turn on")
	p.inspect("2fa-enrol-wrong")
	p.fill("code", a.app.code())
	p.press("Turn on")
	a.codes = strings.Fields(p.code(0))
	p.inspect("2fa-codes")
	p.press("I have kept them")
	p.inspect("2fa-on")
}

func (c *chromium) inspectEmpty(t *testing.T) {
	p, _ := c.newcomer(t, true, c.site.merchant("Empty Shelf"), "emma", "owner")
	for scene, at := range map[string]string{
		"keys-empty": "/test/keys", "keys-retire-empty": "/test/key/retire", "allowlist-empty": "/allowlist", "allowlist-requests-empty": "/allowlist/requests",
		"allowlist-check-empty": "/allowlist/check?ip=198.51.100.7", "audit-no-match": "/audit?operation=key.retire", "quickstart-empty": "/docs/quickstart",
		"account-signins": "/account/sign-ins", "account-sessions": "/account/sessions",
	} {
		p.open(at)
		p.inspect(scene)
	}
}

func (c *chromium) inspectFilled(t *testing.T) {
	s := c.site
	merchant := s.merchant("Blue Bottle Books and Stationery of Charoen Krung Road")
	s.allow(merchant, "127.0.0.1", "this machine")
	s.allow(merchant, "198.51.100.0/28", "Bangkok data centre, second floor, the rack beside the window that nobody may open")
	s.allow(merchant, "2001:db8:1234:5678::/64", "fallback line")
	p, a := c.newcomer(t, true, merchant, "bea", "owner")
	p.enrol(a)
	key := p.inspectKeys(a)
	key.passes(t, s.gateway)
	p.inspectRequests()
	c.newcomer(t, true, merchant, "somebody.with.a.rather.long.name@blue-bottle-books.example", "viewer")
	for scene, at := range map[string]string{
		"overview": "/", "keys": "/test/keys", "keys-live": "/live/keys", "keys-key": "/test/keys/" + key.id, "keys-rotate": "/test/key/rotate", "keys-retire": "/test/key/retire",
		"allowlist": "/allowlist", "allowlist-check": "/allowlist/check", "allowlist-check-yes": "/allowlist/check?ip=198.51.100.7",
		"allowlist-check-no": "/allowlist/check?ip=203.0.113.7", "allowlist-check-wrong": "/allowlist/check?ip=shop.example",
		"team": "/team", "roles": "/roles", "audit": "/audit", "audit-wrong": "/audit?since=1999-12-31",
		"quickstart": "/docs/quickstart", "account": "/account", "account-preferences": "/account/preferences", "password": "/password",
	} {
		p.open(at)
		p.inspect(scene)
	}
	p.inspectDialogs()
	p.inspectThai()
}

// inspectKeys makes keys of every kind.
func (p *person) inspectKeys(a *account) pair {
	p.open("/test/key/issue")
	p.confirm(a)
	p.press("Issue a test key")
	p.inspect("keys-secret")
	pair{p.code(0), p.code(1)}.passes(p.t, p.site.gateway)
	p.load(chromedp.Reload())
	p.inspect("keys-secret-again")
	var last pair
	for range 2 {
		p.open("/test/key/rotate")
		p.press("Rotate and show the new secret")
		last = pair{p.code(0), p.code(1)}
	}
	p.inspect("keys-secret-rotated")
	return last
}

// inspectRequests asks for changes to the allowlist, rightly and wrongly.
func (p *person) inspectRequests() {
	p.open("/allowlist/requests/new")
	p.inspect("allowlist-request")
	p.fill("cidr", "198.51.100.7/24")
	p.fill("reason", "New server in Chiang Mai")
	p.press("Send the request")
	p.inspect("allowlist-request-wrong")
	for _, cidr := range []string{"203.0.113.7", "203.0.113.64/26"} {
		p.open("/allowlist/requests/new")
		p.fill("cidr", cidr)
		p.fill("reason", "New server in Chiang Mai")
		p.press("Send the request")
	}
	p.press("Withdraw 203.0.113.64/26")
	p.inspect("allowlist-requests")
}

// inspectDialogs opens what is only there with scripts.
func (p *person) inspectDialogs() {
	p.open("/account/2fa")
	p.do(chromedp.Click(control("Make new recovery codes")), chromedp.WaitVisible(chromedp.CSS("dialog[open]")))
	p.inspect("dialog")
	p.open("/")
	p.do(narrow(), chromedp.Click(chromedp.CSS(".menu summary")))
	p.inspect("menu")
}

// inspectThai looks at long pages in the other language.
func (p *person) inspectThai() {
	p.press("ไทย")
	for scene, at := range map[string]string{"overview-thai": "/", "keys-thai": "/test/keys", "roles-thai": "/roles"} {
		p.open(at)
		p.inspect(scene)
	}
}

func (c *chromium) inspectOnlooker(t *testing.T) {
	merchant := c.site.merchant("Suspended Sales")
	run[any](c.site, "key", "issue", "--merchant", merchant, "--env", "live")
	p, _ := c.newcomer(t, true, merchant, "vic", "viewer")
	p.open("/test/key/issue")
	p.inspect("error-403")
	p.open("/live/keys")
	p.inspect("keys-viewer")
	run[any](c.site, "merchant", "suspend", "--merchant", merchant)
	p.open("/")
	p.inspect("overview-suspended")
}
