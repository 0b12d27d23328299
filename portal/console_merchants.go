package portal

import (
	"net/http"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// merchantsPerPage keeps a full page under its weight.
const merchantsPerPage = 50

// merchantsPage lists the platform's customers.
type merchantsPage struct {
	form
	Merchants []merchantRow
	MayCreate bool
	Filtered  bool
	Empty     empty
	More      string
}

type merchantRow struct {
	controlplane.Merchant
	Badge badge
	Href  string
}

func (x *exchange) merchantRow(m controlplane.Merchant) merchantRow {
	tone := map[controlplane.MerchantState]string{controlplane.MerchantActive: "good", controlplane.MerchantSuspended: "bad"}[m.State]
	return merchantRow{m, badge{tone, "merchant.state." + string(m.State)}, x.at("merchants.merchant", m.ID)}
}

func showMerchants(x *exchange) error {
	state := controlplane.MerchantState(x.query("state"))
	page := merchantsPage{
		form: form{Fields: []field{
			{Name: "search", Label: "field.search", Hint: "field.search.hint", Value: x.query("search"), Autocomplete: "off", MaxLength: maxMerchantName},
			{Name: "state", Label: "column.state", Options: []option{
				{"", "audit.any", state == ""},
				{string(controlplane.MerchantActive), "merchant.state.active", state == controlplane.MerchantActive},
				{string(controlplane.MerchantSuspended), "merchant.state.suspended", state == controlplane.MerchantSuspended},
			}},
		}},
		MayCreate: x.offers("merchants.new.submit"), Filtered: x.query("search") != "" || state != "",
		Empty: empty{"people", "merchants.none", "merchants.none.next"},
	}
	if page.Filtered {
		page.Empty = empty{"people", "audit.no_match", "merchants.no_match.next"}
	}
	found, err := x.service.ListMerchants(x.ctx(), x.actor(), controlplane.MerchantFilter{
		Search: x.query("search"), State: state, Page: controlplane.Page{After: x.query("after"), Limit: merchantsPerPage + 1},
	})
	if err != nil {
		return err
	}
	if len(found) > merchantsPerPage {
		found = found[:merchantsPerPage]
		page.More = x.here("after", found[merchantsPerPage-1].ID)
	}
	for _, m := range found {
		page.Merchants = append(page.Merchants, x.merchantRow(m))
	}
	return x.render(http.StatusOK, "merchants", page)
}

// merchantPage is one merchant with its users.
type merchantPage struct {
	merchantRow
	Tabs    []link
	Users   []memberRow
	MayAdd  bool
	MayEdit bool
	More    string
}

// memberRow is a user with the page about them.
type memberRow struct {
	userRow
	Href string
}

func showMerchant(x *exchange) error {
	m, err := x.pathMerchant()
	if err != nil {
		return err
	}
	users, err := x.service.ListUsers(x.ctx(), x.actor(), controlplane.UserFilter{
		MerchantID: m.ID, Page: controlplane.Page{After: x.query("after"), Limit: usersPerPage + 1},
	})
	if err != nil {
		return err
	}
	page := merchantPage{merchantRow: x.merchantRow(m), Tabs: x.merchantTabs(m), MayEdit: x.offers("merchants.rename.submit"), MayAdd: x.offers("merchants.users.new.submit")}
	if len(users) > usersPerPage {
		users = users[:usersPerPage]
		page.More = x.here("after", users[usersPerPage-1].ID)
	}
	for _, u := range users {
		page.Users = append(page.Users, memberRow{userRow{u, x.userBadge(u), false}, x.at("merchants.user", m.ID, u.ID)})
	}
	return x.render(http.StatusOK, "merchants.merchant", page)
}

func (p merchantPage) title() (string, []any) {
	return "merchants.merchant.title", []any{"name", p.Name}
}

// pathMerchant is the merchant that the address names.
func (x *exchange) pathMerchant() (controlplane.Merchant, error) {
	return x.service.Merchant(x.ctx(), x.actor(), x.r.PathValue("id"))
}

// merchantTabs are the pages about one merchant.
func (x *exchange) merchantTabs(m controlplane.Merchant) (tabs []link) {
	for _, name := range []string{"merchants.merchant", "merchants.allowlist", "merchants.wishes", "merchants.requests", "merchants.webhooks", "merchants.deliveries"} {
		if r := x.table.byName[name]; r.allows(x.session.Role) {
			tabs = append(tabs, link{Href: x.at(name, m.ID), Name: name, Current: x.route == r})
		}
	}
	return tabs
}

const maxMerchantName = 100

func merchantActs() []act {
	return []act{
		{name: "merchants.new", path: "/merchants/new", operation: controlplane.OpMerchantCreate, find: findNothing("merchants"), ask: askMerchantName, run: createMerchant},
		{name: "merchants.rename", path: "/merchants/{id}/rename", operation: controlplane.OpMerchantRename, find: findMerchant, ask: askMerchantName, run: renameMerchant},
		{name: "merchants.suspend", path: "/merchants/{id}/suspend", operation: controlplane.OpMerchantSuspend, find: findMerchant, run: suspendMerchant, stops: true},
		{name: "merchants.resume", path: "/merchants/{id}/resume", operation: controlplane.OpMerchantResume, find: findMerchant, run: resumeMerchant},
	}
}

// findNothing is for acts that make something.
func findNothing(back string) func(*exchange) (subject, error) {
	return func(x *exchange) (subject, error) { return subject{Back: x.at(back)}, nil }
}

func findMerchant(x *exchange) (subject, error) {
	m, err := x.pathMerchant()
	return subject{Name: m.Name, Back: x.at("merchants.merchant", m.ID), merchant: m}, err
}

func askMerchantName(x *exchange, s subject) []field {
	return []field{{
		Name: "name", Label: "field.merchant_name", Value: x.typed("name", s.Name), Autocomplete: "off", Required: true, MaxLength: maxMerchantName, Focus: true,
	}}
}

func createMerchant(x *exchange, _ subject) error {
	m, err := x.service.CreateMerchant(x.ctx(), x.actor(), controlplane.CreateMerchant{Name: x.value("name")})
	if err != nil {
		return err
	}
	return x.doneTo("merchant_created", x.at("merchants.merchant", m.ID))
}

func renameMerchant(x *exchange, s subject) error {
	_, err := x.service.RenameMerchant(x.ctx(), x.actor(), controlplane.RenameMerchant{MerchantID: s.merchant.ID, Name: x.value("name")})
	if err != nil {
		return err
	}
	return x.doneTo("saved", s.Back)
}

func suspendMerchant(x *exchange, s subject) error {
	if _, err := x.service.SuspendMerchant(x.ctx(), x.actor(), s.merchant.ID); err != nil {
		return err
	}
	return x.doneTo("merchant_suspended", s.Back)
}

func resumeMerchant(x *exchange, s subject) error {
	if _, err := x.service.ResumeMerchant(x.ctx(), x.actor(), s.merchant.ID); err != nil {
		return err
	}
	return x.doneTo("merchant_resumed", s.Back)
}
