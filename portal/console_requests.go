package portal

import (
	"net/http"
	"net/url"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// merchantRequestsPage is the request log of one merchant, for staff: to answer the
// merchant's question, and to see what would be refused while a site only reports.
type merchantRequestsPage struct {
	form
	merchantRow
	Tabs    []link
	Env     controlplane.Environment
	Codes   []codeChoice
	Rows    []loggedRow
	Empty   empty
	Older   string
	Traffic traffic
}

func (p merchantRequestsPage) title() (string, []any) {
	return "merchants.requests.title", []any{"name", p.Name}
}

func showMerchantRequests(x *exchange) error {
	m, err := x.pathMerchant()
	if err != nil {
		return err
	}
	page := merchantRequestsPage{
		form: x.loggedForm(), merchantRow: x.merchantRow(m), Tabs: x.merchantTabs(m), Env: controlplane.Live,
		Empty: empty{"pulse", "requests.none", "merchants.requests.none.next"},
	}
	if x.query("env") == string(controlplane.Test) {
		page.Env = controlplane.Test
	}
	page.Fields = append([]field{{Name: "env", Label: "field.environment", Options: []option{
		{string(controlplane.Live), "env.live", page.Env == controlplane.Live}, {string(controlplane.Test), "env.test", page.Env == controlplane.Test},
	}}}, page.Fields...)
	for _, code := range refusalCodes() {
		page.Codes = append(page.Codes, codeChoice{code, code == x.query("code")})
	}
	filter, err := x.loggedFilter(&page.form, m.ID, page.Env)
	if err != nil {
		return err
	}
	if page.Traffic, err = x.traffic(m.ID, page.Env, &url.URL{Path: x.r.URL.Path, RawQuery: "env=" + string(page.Env)}); err != nil {
		return err
	}
	if page.Failed() {
		return x.render(http.StatusUnprocessableEntity, "merchants.requests", page)
	}
	found, err := x.service.ListRequests(x.ctx(), x.actor(), filter)
	if err != nil {
		return err
	}
	page.Rows, page.Older = x.loggedRows(found)
	return x.render(http.StatusOK, "merchants.requests", page)
}

// loggedRows are those of a page, and the address of the next one.
func (x *exchange) loggedRows(found []controlplane.LoggedRequest) (rows []loggedRow, older string) {
	if len(found) > loggedPerPage {
		found = found[:loggedPerPage]
		older = x.here("before", found[loggedPerPage-1].ID)
	}
	for _, q := range found {
		rows = append(rows, newLoggedRow(q, x.r.URL.Path))
	}
	return rows, older
}

func showMerchantRequest(x *exchange) error {
	m, err := x.pathMerchant()
	if err != nil {
		return err
	}
	q, err := x.service.Request(x.ctx(), x.actor(), controlplane.RequestRef{MerchantID: m.ID, RequestID: x.r.PathValue("rid")})
	if err != nil {
		return err
	}
	page, err := x.loggedPage(q, x.at("merchants.requests", m.ID))
	if err != nil {
		return err
	}
	return x.render(http.StatusOK, "requests.request", page)
}

// unknownPage lists requests without a key that is known.
type unknownPage struct {
	Rows  []loggedRow
	Empty empty
	Older string
}

func showUnknownRequests(x *exchange) error {
	found, err := x.service.ListUnknownRequests(x.ctx(), x.actor(), controlplane.UnknownRequests{Before: x.query("before"), Limit: loggedPerPage + 1})
	if err != nil {
		return err
	}
	page := unknownPage{Empty: empty{"pulse", "requests.none", "unknown.none.next"}}
	page.Rows, page.Older = x.loggedRows(found)
	return x.render(http.StatusOK, "unknown", page)
}

func showUnknownRequest(x *exchange) error {
	q, err := x.service.UnknownRequest(x.ctx(), x.actor(), x.r.PathValue("rid"))
	if err != nil {
		return err
	}
	page, err := x.loggedPage(q, x.at("unknown"))
	if err != nil {
		return err
	}
	return x.render(http.StatusOK, "requests.request", page)
}
