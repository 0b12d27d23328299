package portal

import (
	"net/http"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// allowlistPage lists who may use the merchant's keys.
type allowlistPage struct {
	Tabs       []link
	Entries    []controlplane.AllowlistEntry
	MayRequest bool
	Empty      empty
}

func showAllowlist(x *exchange) error {
	entries, err := x.service.ListAllowlist(x.ctx(), x.actor(), x.session.MerchantID)
	if err != nil {
		return err
	}
	page := allowlistPage{
		Tabs: x.tabs("allowlist", "allowlist.check", "allowlist.requests"), Entries: entries, MayRequest: x.offers("allowlist.requests.submit"),
		Empty: empty{"list", "allowlist.none", "allowlist.none.ask"},
	}
	if page.MayRequest {
		page.Empty.Next = "allowlist.none.request"
	}
	return x.render(http.StatusOK, "allowlist", page)
}

// tabs are the pages of a section that the reader may see.
func (x *exchange) tabs(names ...string) (tabs []link) {
	for _, name := range names {
		if r := x.table.byName[name]; r.allows(x.session.Role) {
			current := x.route == r || name != names[0] && x.within(r)
			tabs = append(tabs, link{Href: r.path(x.env()), Name: name, Current: current})
		}
	}
	return tabs
}

// addressPage answers "will this address pass?" as the gateway would.
type addressPage struct {
	form
	Tabs []link
	// Answer is nil before anything was asked.
	Answer *controlplane.AllowlistCheck
	// Entries is the number of entries that were looked through.
	Entries int
}

// maxIPInput is the longest text of an address, an IPv4-mapped one with a zone.
const maxIPInput = 64

// showAllowlistCheck takes the address from the query: asking changes nothing, and
// an answer can be linked to.
func showAllowlistCheck(x *exchange) error {
	ip := x.query("ip")
	page := addressPage{
		form: form{Fields: []field{{
			Name: "ip", Label: "field.ip", Hint: "field.ip.hint", Value: ip, Autocomplete: "off", Required: true, MaxLength: maxIPInput, Focus: true,
		}}},
		Tabs: x.tabs("allowlist", "allowlist.check", "allowlist.requests"),
	}
	if ip == "" {
		return x.render(http.StatusOK, "allowlist.check", page)
	}
	answer, err := x.service.CheckIP(x.ctx(), x.actor(), controlplane.CheckIP{MerchantID: x.session.MerchantID, IP: ip})
	if err != nil {
		return x.putRight(&page.form, err, func() error { return x.render(http.StatusUnprocessableEntity, "allowlist.check", page) })
	}
	entries, err := x.service.ListAllowlist(x.ctx(), x.actor(), x.session.MerchantID)
	if err != nil {
		return err
	}
	page.Answer, page.Entries = &answer, len(entries)
	return x.render(http.StatusOK, "allowlist.check", page)
}
