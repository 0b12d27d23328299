package browser

import "testing"

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
