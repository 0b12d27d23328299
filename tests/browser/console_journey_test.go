package browser

import (
	"testing"

	"github.com/chromedp/chromedp"
)

// TestFromTheBootstrapToASuspension walks the life of a merchant as the platform's
// people see it: what two of them have to agree on, and what a request meets meanwhile.
func TestFromTheBootstrapToASuspension(t *testing.T) {
	t.Parallel()
	for name, scripts := range map[string]bool{"with JavaScript": true, "without JavaScript": false} {
		t.Run(name, func(t *testing.T) { // each on a platform that has nobody yet
			c := newSite(t).chromium()
			ann, a := c.staff(t, scripts), c.site.bootstrap("ann")
			ann.firstStaffSignIn(a, ann.inspectNothing)
			merchant := ann.createsMerchant("Chiang Mai Coffee")
			owner := ann.handsOver(merchant+"/users/new", "olga", "owner", a)
			colleague := ann.handsOver("/staff/new", "bob", "platform_admin", a)

			olga := c.person(t, scripts)
			olga.firstSignIn(owner)
			key := olga.issue(owner)
			olga.goesLive(owner)
			key.answersWithinASecond(t, c.site.gateway, "IP_NOT_ALLOWED")
			olga.asksFor("127.0.0.1")
			bob := c.staff(t, scripts)
			bob.firstStaffSignIn(colleague, bob.inspectNothing)
			ann.agrees("127.0.0.1/32", a)
			key.answersWithinASecond(t, c.site.gateway, "IP_NOT_ALLOWED")
			bob.approves(colleague)
			key.answersWithinASecond(t, c.site.gateway, "")

			ann.suspends(merchant, a)
			key.answersWithinASecond(t, c.site.gateway, "KEY_INVALID")
		})
	}
}

func (p *person) inspectNothing(string) {}

func (p *person) createsMerchant(name string) string {
	p.t.Helper()
	p.open("/merchants")
	p.press("New merchant")
	p.fill("name", name)
	p.press("Create the merchant")
	page := p.path()
	p.expect(page, "Add an owner next.")
	return page
}

// handsOver adds somebody and returns what they are told to sign in with.
func (p *person) handsOver(at, username, role string, a *account) *account {
	p.t.Helper()
	p.open(at)
	p.confirm(a)
	p.fill("username", username)
	p.choose("role", role)
	p.load(chromedp.Click(chromedp.CSS(`main form button[type="submit"]`)))
	p.expect(at, "It is not shown again.")
	made := &account{username: p.code(0), password: p.code(1)}
	p.press("I have handed it over")
	return made
}

// goesLive issues a live key: from then on the allowlist takes two to change.
func (p *person) goesLive(a *account) {
	p.t.Helper()
	p.open("/live/key/issue")
	p.confirm(a)
	p.press("Issue a live key")
	p.expect("/live/key/issue", "It is not shown again.")
}

func (p *person) asksFor(cidr string) {
	p.t.Helper()
	p.open("/allowlist/requests/new")
	p.fill("cidr", cidr)
	p.fill("reason", "new server")
	p.press("Send the request")
	p.expect("/allowlist/requests", "Your request is with the platform team.")
}

// agrees answers the merchant's request, which takes a second pair of eyes.
func (p *person) agrees(cidr string, a *account) {
	p.t.Helper()
	p.open("/queue")
	p.press("Approve " + cidr)
	p.confirm(a)
	p.press("Approve the request")
	p.expect("/approvals", "another platform admin has to approve it")
	p.load(chromedp.Click(chromedp.CSS(`[aria-labelledby="waiting"] table a`)))
	p.expect(p.path(), "You asked for this, so somebody else has to approve it.")
	if p.offers("Approve and carry out") {
		p.t.Error("who asked may approve")
	}
}

func (p *person) approves(a *account) {
	p.t.Helper()
	p.open("/approvals")
	p.load(chromedp.Click(chromedp.CSS(`[aria-labelledby="waiting"] table a`)))
	p.press("Approve and carry out")
	p.confirm(a)
	p.press("Approve and carry out")
	p.expect("/approvals", "Approved and carried out.")
}

func (p *person) suspends(merchant string, a *account) {
	p.t.Helper()
	p.open(merchant)
	p.press("Suspend the merchant")
	p.confirm(a)
	p.press("Suspend the merchant")
	p.expect(merchant, "The merchant is suspended. Its requests are refused.")
}
