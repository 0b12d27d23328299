package browser

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestEveryConsolePage holds the pages of the platform's own people to the rules.
func TestEveryConsolePage(t *testing.T) {
	covers(t, "3.4.3", "3.4.7")
	t.Parallel()
	c := newSite(t).chromium()
	p, a := c.staff(t, true), c.site.bootstrap("araya")
	p.open("/login")
	p.inspect("console-login")
	p.firstStaffSignIn(a, p.inspect)
	p.open("/merchants")
	p.inspect("console-merchants-empty")
	merchant := p.inspectNewMerchant(a)
	p.inspectAll(map[string]string{
		"console": "/", "console-merchants": "/merchants", "console-merchants-no-match": "/merchants?search=bangkok", "console-roles": "/roles", "console-account": "/account",
		"console-merchant": merchant, "console-allowlist": merchant + "/allowlist", "console-suspend": merchant + "/suspend", "console-rename": merchant + "/rename",
		"console-404": "/merchants/mer_00000000000000000000000000",
	})
	p.inspectTraffic(merchant)
	c.inspectPeople(p, a, merchant)
	p.open("/")
	p.press("ไทย")
	p.inspectAll(map[string]string{"console-thai": "/", "console-merchant-thai": merchant, "console-suspend-thai": merchant + "/suspend"})
}

// inspectNewMerchant makes one with addresses, and returns its page.
func (p *person) inspectNewMerchant(a *account) string {
	p.t.Helper()
	p.open("/merchants/new")
	p.inspect("console-merchant-new")
	p.fill("name", "x")
	p.press("Create the merchant")
	p.inspect("console-merchant-new-wrong")
	p.fill("name", "Chiang Mai Coffee Roasters and Company of Nimmanhaemin Road")
	p.press("Create the merchant")
	p.inspect("console-merchant-created")
	merchant := p.path()
	p.open(merchant + "/allowlist")
	p.inspect("console-allowlist-empty")
	p.press("Add to the allowlist")
	p.inspect("console-sudo")
	p.confirm(a)
	p.inspect("console-allowlist-new")
	p.fill("cidr", "203.0.113.1/24")
	p.fill("note", "office")
	p.press("Add to the allowlist")
	p.inspect("console-allowlist-new-wrong")
	p.fill("cidr", "203.0.113.0/24")
	p.press("Add to the allowlist")
	p.expect(merchant+"/allowlist", "203.0.113.0/24")
	return merchant
}

// inspectTraffic looks at what gateways saw of a merchant, and of nobody.
func (p *person) inspectTraffic(merchant string) {
	p.t.Helper()
	p.inspectAll(map[string]string{"console-requests-empty": merchant + "/requests", "console-unknown-empty": "/requests"})
	s, id := p.site, strings.TrimPrefix(merchant, "/merchants/")
	s.allow(id, "127.0.0.1", "this machine")
	key := s.key(id)
	key.answersWithinASecond(p.t, s.gateway, "")
	wrong := "unks_test_000000000000000000000000000000000000"
	pair{key.id, wrong}.answersWithinASecond(p.t, s.gateway, "SIGNATURE_MISMATCH")
	pair{"unk_test_0000000000000000000000", wrong}.answersWithinASecond(p.t, s.gateway, "KEY_INVALID")
	p.inspectRequestAt(merchant+"/requests?env=test&code=SIGNATURE_MISMATCH", "console-request")
	p.inspectRequestAt("/requests", "console-unknown-request")
	p.inspectAll(map[string]string{
		"console-requests": merchant + "/requests?env=test", "console-requests-wrong": merchant + "/requests?env=test&ip=shop.example", "console-unknown": "/requests",
		"console-simulate": merchant + "/allowlist/simulate", "console-simulate-wrong": merchant + "/allowlist/simulate?cidr=shop.example",
	})
	p.open(merchant + "/allowlist/simulate")
	p.do(chromedp.Click(chromedp.JSPath(`[...document.querySelectorAll("main label")].filter((e) => e.textContent.includes("this machine"))[0]`)))
	p.press("Try a change")
	p.inspect("console-simulate-refused")
}

// inspectDeliveries looks at what the console shows of an endpoint that answers.
func (p *person) inspectDeliveries(owner *person, a *account, merchant string) {
	p.t.Helper()
	_, endpoint := owner.addEndpoint(a, "/shop-of-olga")
	p.site.event(strings.TrimPrefix(merchant, "/merchants/"), "deposit.success")
	owner.open(endpoint)
	owner.becomes("deposit.success")
	p.inspectAll(map[string]string{"console-webhooks": merchant + "/webhooks", "console-deliveries": merchant + "/deliveries"})
}

// inspectPeople looks at users, staff and what takes two of them.
func (c *chromium) inspectPeople(p *person, a *account, merchant string) {
	p.t.Helper()
	p.inspectAll(map[string]string{
		"console-user-new": merchant + "/users/new", "console-staff-new": "/staff/new", "console-token-new": "/tokens/new", "console-import": merchant + "/allowlist/import",
		"console-queue-empty": "/queue", "console-approvals-empty": "/approvals", "console-webhooks-empty": merchant + "/webhooks", "console-deliveries-empty": merchant + "/deliveries",
	})
	owner := p.handsOver(merchant+"/users/new", "olga", "owner", a)
	colleague := p.handsOver("/staff/new", "bob", "platform_admin", a)
	olga, bob := c.person(p.t, true), c.staff(p.t, true)
	olga.firstSignIn(owner)
	olga.goesLive(owner)
	p.inspectDeliveries(olga, owner, merchant)
	olga.asksFor("198.51.100.9")
	olga.asksFor("198.51.100.10")
	bob.firstStaffSignIn(colleague, p.inspectNothing)
	p.open("/queue")
	p.inspect("console-queue")
	p.agrees("198.51.100.9/32", a)
	p.inspect("console-approval-own")
	bob.open(p.path())
	bob.inspect("console-approval")
	p.inspectAll(map[string]string{
		"console-approvals": "/approvals", "console-waiting": "/", "console-wishes": merchant + "/allowlist/requests", "console-merchant-users": merchant,
		"console-staff": "/staff", "console-tokens": "/tokens", "console-audit": "/audit", "console-audit-verify": "/audit/verify", "console-system": "/system",
	})
	p.open(merchant)
	p.press("olga")
	p.inspect("console-user")
	p.open("/staff")
	p.press("bob")
	p.inspect("console-staff-member")
}
