package portal

import (
	"net/http"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// requestsPerPage keeps a full page under its weight.
const requestsPerPage = 25

// requestsPage lists what was asked for and what became of it.
type requestsPage struct {
	Tabs       []link
	Requests   []requestRow
	MayRequest bool
	Empty      empty
	// Older is the address of the next page; empty on the last.
	Older string
}

type requestRow struct {
	controlplane.AllowlistRequest
	Badge badge
	// MayWithdraw: it waits, and the reader may take it back.
	MayWithdraw bool
}

func showAllowlistRequests(x *exchange) error {
	found, err := x.service.ListAllowlistRequests(x.ctx(), x.actor(), controlplane.AllowlistRequestFilter{
		MerchantID: x.session.MerchantID, Page: controlplane.Page{After: x.query("after"), Limit: requestsPerPage + 1},
	})
	if err != nil {
		return err
	}
	page := requestsPage{
		Tabs: x.tabs("allowlist", "allowlist.check", "allowlist.requests"), MayRequest: x.offers("allowlist.requests.submit"),
		Empty: empty{"list", "allowlist.requests.none", "allowlist.requests.none.ask"},
	}
	if page.MayRequest {
		page.Empty.Next = "allowlist.requests.none.request"
	}
	if len(found) > requestsPerPage {
		found = found[:requestsPerPage]
		page.Older = x.here("after", found[requestsPerPage-1].ID)
	}
	for _, q := range found {
		waits := q.State == controlplane.AllowlistPending
		page.Requests = append(page.Requests, requestRow{q, requestBadge(q.State), waits && x.offers("allowlist.requests.withdraw")})
	}
	return x.render(http.StatusOK, "allowlist.requests", page)
}

func requestBadge(s controlplane.AllowlistRequestState) badge {
	tone := map[controlplane.AllowlistRequestState]string{
		controlplane.AllowlistPending: "warn", controlplane.AllowlistApproved: "good", controlplane.AllowlistRejected: "bad",
	}[s]
	return badge{tone, "request.state." + string(s)}
}

// requestPage asks the platform team for a change.
type requestPage struct {
	form
	Tabs []link
	// Result is what the change would have done; nil until that is asked.
	Result *simulation
}

// Lengths of what the form takes; the operation's own rules are stricter.
const (
	maxCIDRInput   = 64
	maxReasonInput = 200
)

func showAllowlistRequest(x *exchange) error {
	if err := x.mayChange(); err != nil {
		return err
	}
	return x.requestForm(http.StatusOK, x.requestFields(x.query("action"), x.query("cidr"), ""), nil)
}

func (x *exchange) requestForm(status int, f form, result *simulation) error {
	return x.render(status, "allowlist.requests.new", requestPage{f, x.tabs("allowlist", "allowlist.check", "allowlist.requests"), result})
}

func (x *exchange) requestFields(action, cidr, reason string) form {
	remove := action == string(controlplane.AllowlistRemove)
	return form{Fields: []field{
		{Name: "action", Label: "field.change", Options: []option{
			{string(controlplane.AllowlistAdd), "request.action.add", !remove},
			{string(controlplane.AllowlistRemove), "request.action.remove", remove},
		}},
		{Name: "cidr", Label: "field.cidr", Hint: "field.cidr.hint", Value: cidr, Autocomplete: "off", Required: true, MaxLength: maxCIDRInput, Focus: cidr == ""},
		{Name: "reason", Label: "field.reason", Hint: "field.reason.hint", Value: reason, Autocomplete: "off", Required: true, MaxLength: maxReasonInput, Focus: cidr != ""},
	}}
}

func submitAllowlistRequest(x *exchange) error {
	action, cidr, reason := x.value("action"), x.value("cidr"), x.value("reason")
	if x.value("try") != "" {
		return x.tryRequest(action, cidr, reason)
	}
	_, err := x.service.RequestAllowlistChange(x.ctx(), x.actor(), controlplane.RequestAllowlistChange{
		MerchantID: x.session.MerchantID, Action: controlplane.AllowlistAction(action), CIDR: cidr, Reason: reason,
	})
	if err == nil {
		return x.done("request_sent", "allowlist.requests", "")
	}
	f := x.requestFields(action, cidr, reason)
	return x.putRight(&f, err, func() error { return x.requestForm(http.StatusUnprocessableEntity, f, nil) })
}

// tryRequest shows what the change would have done to the requests of the last day.
// Nothing is asked for.
func (x *exchange) tryRequest(action, cidr, reason string) error {
	f := x.requestFields(action, cidr, reason)
	wrong := func() error { return x.requestForm(http.StatusUnprocessableEntity, f, nil) }
	in := controlplane.SimulateAllowlist{MerchantID: x.session.MerchantID}
	if action == string(controlplane.AllowlistRemove) {
		id, err := x.entryID(cidr)
		if err != nil {
			return x.putRight(&f, err, wrong)
		}
		in.Remove = []string{id}
	} else {
		in.Add = []string{cidr}
	}
	result, err := x.simulate(in)
	if err != nil {
		return x.putRight(&f, err, wrong)
	}
	return x.requestForm(http.StatusOK, f, result)
}

// entryID finds the entry of the merchant's allowlist that is a range.
func (x *exchange) entryID(cidr string) (string, error) {
	prefix, err := controlplane.ParseAllowlistCIDR(cidr, true)
	if err != nil {
		return "", err
	}
	entries, err := x.service.ListAllowlist(x.ctx(), x.actor(), x.session.MerchantID)
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		if e.Prefix == prefix {
			return e.ID, nil
		}
	}
	return "", &controlplane.Error{Code: controlplane.CodeConflict, Fields: []controlplane.FieldError{{Field: "cidr", Rule: "absent", Message: "is not an entry of the allowlist"}}}
}

func withdrawAllowlistRequest(x *exchange) error {
	_, err := x.service.WithdrawAllowlistRequest(x.ctx(), x.actor(), controlplane.DecideAllowlistRequest{
		MerchantID: x.session.MerchantID, RequestID: x.r.PathValue("id"),
	})
	if err != nil {
		return err
	}
	return x.done("request_withdrawn", "allowlist.requests", "")
}
