package portal

import (
	"net/http"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// loggedPage is one logged request, and why it was refused.
type loggedPage struct {
	controlplane.LoggedRequest
	// Back is the list that it is in.
	Back  string
	Badge badge
	// Why is empty for an accepted request.
	Why explanation
	// Matched is the allowlist entry that let the address in; nil if none did, or if
	// it was removed since.
	Matched *controlplane.AllowlistEntry
	// Entries is how many entries the allowlist has now; AllowedNow: one of them
	// lets the address in now.
	Entries    int
	AllowedNow bool
	// Errors is the page of all codes, Quickstart how to sign, Ask where a change of
	// the allowlist is requested; empty if the reader has none.
	Errors, Quickstart, Ask string
}

// Turned says that the request was refused, or would have been.
func (p loggedPage) Turned() bool { return p.Outcome != controlplane.RequestAccepted }

// PastAddress: the check of the address was reached.
func (p loggedPage) PastAddress() bool {
	return p.Matched != nil || p.LoggedRequest.Why.EntryRow != 0 || p.Code == "IP_NOT_ALLOWED"
}

// Clock is the difference of the clocks without its sign.
func (p loggedPage) Clock() int64 {
	if d := p.LoggedRequest.Why.Difference; d < 0 {
		return -d
	}
	return p.LoggedRequest.Why.Difference
}

// ClockText says in which direction the clocks differ, a key of the catalogue.
func (p loggedPage) ClockText() string {
	switch d := p.LoggedRequest.Why.Difference; {
	case d > 0:
		return "requests.clock.ahead"
	case d < 0:
		return "requests.clock.behind"
	}
	return "requests.clock.same"
}

func showRequest(x *exchange) error {
	q, err := x.service.Request(x.ctx(), x.actor(), controlplane.RequestRef{MerchantID: x.session.MerchantID, RequestID: x.r.PathValue("id")})
	if err != nil {
		return err
	}
	if q.Environment != x.env() {
		return controlplane.Errorf(controlplane.CodeNotFound, "no such request in this environment")
	}
	page, err := x.loggedPage(q, x.table.byName["requests"].path(x.env()))
	if err != nil {
		return err
	}
	page.Quickstart = x.table.byName["quickstart"].path("")
	if x.table.byName["allowlist.requests.new"].allows(x.session.Role) {
		page.Ask = x.table.byName["allowlist.requests.new"].path("")
	}
	return x.render(http.StatusOK, "requests.request", page)
}

// loggedPage explains one request; list is the address of the log that it is in.
func (x *exchange) loggedPage(q controlplane.LoggedRequest, list string) (loggedPage, error) {
	page := loggedPage{LoggedRequest: q, Back: list, Badge: loggedBadge(q.Outcome), Errors: x.table.byName["errors"].path("")}
	if page.Turned() {
		page.Why = explainLogged(q)
	}
	if q.MerchantID == "" {
		return page, nil
	}
	entries, err := x.service.ListAllowlist(x.ctx(), x.actor(), q.MerchantID)
	if err != nil {
		return page, err
	}
	page.Entries = len(entries)
	page.AllowedNow = controlplane.CheckAllowlist(entries, q.ClientIP).Allowed
	for i := range entries {
		if q.Why.EntryRow != 0 && entries[i].Row == q.Why.EntryRow {
			page.Matched = &entries[i]
		}
	}
	if q.Code == "IP_NOT_ALLOWED" && len(entries) == 0 {
		page.Why = explain(q.Code, causeEmptyAllowlist)
	}
	return page, nil
}

// errorsPage explains every code.
type errorsPage struct{ Codes []codeView }

// codeView is a code and its explanation.
type codeView struct {
	Code string
	explanation
}

func showErrors(x *exchange) error {
	var page errorsPage
	for _, code := range refusalCodes() {
		page.Codes = append(page.Codes, codeView{code, explain(code)})
	}
	return x.render(http.StatusOK, "errors", page)
}
