package browser

import "testing"

// TestFromTheAllowlistToPreferences walks what an owner does beside keys.
func TestFromTheAllowlistToPreferences(t *testing.T) {
	t.Parallel()
	withAndWithoutScripts(t, func(t *testing.T, c *chromium, scripts bool) {
		merchant := c.site.merchant("Blue Bottle Books")
		c.site.allow(merchant, "198.51.100.0/28", "their office")
		p, a := c.newcomer(t, scripts, merchant, unique("bea", scripts), "owner")
		p.checksAddresses()
		p.requestsAChange()
		other := c.person(t, scripts)
		other.signIn(a)
		other.expect("/", "Overview")
		p.endsOtherDevices(other)
		p.readsTeamAndTrail(a)
		p.choosesThaiAndDark()
	})
}

func (p *person) checksAddresses() {
	p.t.Helper()
	p.open("/")
	p.press("Look at the allowlist")
	p.expect("/allowlist", "their office")
	p.press("Check an address")
	for ip, answer := range map[string]string{"198.51.100.9": "198.51.100.0/28", "203.0.113.9": "203.0.113.9", "shop.example": "Please check this"} {
		p.fill("ip", ip)
		p.press("Check")
		p.expect("/allowlist/check", answer)
	}
}

func (p *person) requestsAChange() {
	p.t.Helper()
	p.open("/allowlist")
	for _, cidr := range []string{"203.0.113.7", "203.0.113.8"} {
		p.press("Request a change")
		p.fill("cidr", cidr)
		p.fill("reason", "new server")
		p.press("Send the request")
		p.expect("/allowlist/requests", "Your request is with the platform team.")
	}
	p.press("Withdraw 203.0.113.8/32")
	p.expect("/allowlist/requests", "The request is withdrawn.")
}

// endsOtherDevices signs the other one out.
func (p *person) endsOtherDevices(other *person) {
	p.t.Helper()
	p.open("/account")
	p.press("Devices")
	p.expect("/account/sessions", "This device")
	p.pressAndConfirm("Sign out all other devices")
	p.expect("/account/sessions", "All other devices are signed out.")
	other.open("/account")
	other.expect("/login", "Your session has ended.")
}

func (p *person) readsTeamAndTrail(a *account) {
	p.t.Helper()
	p.open("/team")
	p.expect("/team", a.username)
	p.open("/audit")
	p.choose("operation", "allowlist.withdraw")
	p.press("Filter")
	p.expect("/audit", "Withdraw an allowlist request")
	p.press("Show everything")
	p.expect("/audit", "Sign in")
}

func (p *person) choosesThaiAndDark() {
	p.t.Helper()
	p.open("/account/preferences")
	p.choose("theme", "dark")
	p.choose("language", "th")
	p.press("Save")
	if got := eval[string](p, `document.documentElement.lang + " " + document.documentElement.dataset.theme + " " + getComputedStyle(document.body).colorScheme`); got != "th dark dark" {
		p.t.Errorf("the page is %q, want Thai and dark", got)
	}
	p.open("/login") // leads home, in the same dress
	p.expect("/", "ภาพรวม")
	p.press("English")
	p.expect("/", "Overview")
}
