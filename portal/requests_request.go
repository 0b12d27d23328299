package portal

import (
	"net/http"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// loggedPage is one logged request, and why it was refused.
type loggedPage struct {
	controlplane.LoggedRequest
	Env   controlplane.Environment
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
	// Errors is the page of all codes.
	Errors string
	// MayAsk: the reader may request a change of the allowlist.
	MayAsk bool
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
	page := loggedPage{LoggedRequest: q, Env: x.env(), Badge: loggedBadge(q.Outcome), Errors: x.table.byName["errors"].path("")}
	page.MayAsk = x.table.byName["allowlist.requests.new"].allows(x.session.Role)
	entries, err := x.service.ListAllowlist(x.ctx(), x.actor(), x.session.MerchantID)
	if err != nil {
		return err
	}
	page.Entries = len(entries)
	page.AllowedNow = controlplane.CheckAllowlist(entries, q.ClientIP).Allowed
	for i := range entries {
		if q.Why.EntryRow != 0 && entries[i].Row == q.Why.EntryRow {
			page.Matched = &entries[i]
		}
	}
	if page.Turned() {
		page.Why = explainLogged(q)
		if q.Code == "IP_NOT_ALLOWED" && len(entries) == 0 {
			page.Why = explain(q.Code, causeEmptyAllowlist)
		}
	}
	return x.render(http.StatusOK, "requests.request", page)
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
