package portal

import (
	"net/http"
	"slices"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// queuePage lists what merchants wait for.
type queuePage struct {
	Requests  []queueRow
	MayDecide bool
	Empty     empty
	More      string
}

type queueRow struct {
	controlplane.QueuedRequest
	// Href is where it is decided.
	Href, Merchant string
}

func showQueue(x *exchange) error {
	found, err := x.service.AllowlistQueue(x.ctx(), x.actor(), controlplane.Page{After: x.query("after"), Limit: requestsPerPage + 1})
	if err != nil {
		return err
	}
	page := queuePage{MayDecide: x.offers("merchants.wishes.approve.submit"), Empty: empty{"check", "queue.none", "queue.none.next"}}
	if len(found) > requestsPerPage {
		found = found[:requestsPerPage]
		page.More = x.here("after", found[requestsPerPage-1].ID)
	}
	for _, q := range found {
		page.Requests = append(page.Requests, queueRow{q, x.at("merchants.wishes", q.MerchantID) + "/" + q.ID, x.at("merchants.merchant", q.MerchantID)})
	}
	return x.render(http.StatusOK, "queue", page)
}

// merchantWishesPage is what became of one merchant's requests.
type merchantWishesPage struct {
	merchantRow
	Tabs      []link
	Requests  []requestRow
	MayDecide bool
	Empty     empty
	Older     string
}

func (p merchantWishesPage) title() (string, []any) {
	return "merchants.wishes.title", []any{"name", p.Name}
}

func showMerchantWishes(x *exchange) error {
	m, err := x.pathMerchant()
	if err != nil {
		return err
	}
	found, err := x.service.ListAllowlistRequests(x.ctx(), x.actor(), controlplane.AllowlistRequestFilter{
		MerchantID: m.ID, Page: controlplane.Page{After: x.query("after"), Limit: requestsPerPage + 1},
	})
	if err != nil {
		return err
	}
	page := merchantWishesPage{
		merchantRow: x.merchantRow(m), Tabs: x.merchantTabs(m), MayDecide: x.offers("merchants.wishes.approve.submit"),
		Empty: empty{"list", "allowlist.requests.none", "queue.none.next"},
	}
	if len(found) > requestsPerPage {
		found = found[:requestsPerPage]
		page.Older = x.here("after", found[requestsPerPage-1].ID)
	}
	for _, q := range found {
		page.Requests = append(page.Requests, requestRow{q, requestBadge(q.State), false})
	}
	return x.render(http.StatusOK, "merchants.wishes", page)
}

// Waits: it is for staff to decide.
func (r requestRow) Waits() bool { return r.State == controlplane.AllowlistPending }

// findRequest is the request that the address names, among those that wait: what was
// decided has no page to decide it on.
func findRequest(x *exchange) (subject, error) {
	s, err := findMerchant(x)
	if err != nil {
		return s, err
	}
	s.Back = x.at("merchants.wishes", s.merchant.ID)
	waiting, err := x.service.ListAllowlistRequests(x.ctx(), x.actor(), controlplane.AllowlistRequestFilter{
		MerchantID: s.merchant.ID, State: controlplane.AllowlistPending, Page: controlplane.Page{Limit: controlplane.MaxPendingAllowlistRequests},
	})
	if err != nil {
		return s, err
	}
	i := slices.IndexFunc(waiting, func(q controlplane.AllowlistRequest) bool { return q.ID == x.r.PathValue("rid") })
	if i < 0 {
		return s, controlplane.Errorf(controlplane.CodeNotFound, "no such request, or it was decided")
	}
	s.request = waiting[i]
	verb, err := x.text("request.short." + string(s.request.Action))
	s.Name = verb + " " + s.request.Prefix.String()
	return s, err
}

func approveRequest(x *exchange, s subject) error {
	_, err := x.service.ApproveAllowlistRequest(x.ctx(), x.actor(), controlplane.DecideAllowlistRequest{MerchantID: s.merchant.ID, RequestID: s.request.ID})
	if err != nil {
		return err
	}
	return x.doneTo("request_approved", x.at("queue"))
}

func askAnswer(x *exchange, _ subject) []field {
	return []field{{
		Name: "answer", Label: "field.answer", Hint: "field.answer.hint", Value: x.typed("answer", ""), Autocomplete: "off", Required: true, MaxLength: maxReasonInput, Focus: true,
	}}
}

func rejectRequest(x *exchange, s subject) error {
	_, err := x.service.RejectAllowlistRequest(x.ctx(), x.actor(), controlplane.DecideAllowlistRequest{
		MerchantID: s.merchant.ID, RequestID: s.request.ID, Answer: x.value("answer"),
	})
	if err != nil {
		return err
	}
	return x.doneTo("request_rejected", x.at("queue"))
}
