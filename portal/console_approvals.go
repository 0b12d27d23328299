package portal

import (
	"net/http"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// approvalsPage lists what waits for a second pair of eyes, what did not wait, and what
// was decided.
type approvalsPage struct {
	Waiting []approvalRow
	// Glass is what was done at once in the last 30 days.
	Glass   []approvalRow
	Decided []approvalRow
	Empty   empty
	Older   string
}

type approvalRow struct {
	controlplane.Approval
	// What is the operation in the reader's language.
	What    string
	Badge   badge
	Href    string
	Changes []auditChange
}

const approvalsPerPage = 25

func (x *exchange) approvalRow(q controlplane.Approval) approvalRow {
	q.State = q.StateAt(x.clock())
	tone := map[controlplane.ApprovalState]string{
		controlplane.ApprovalPending: "warn", controlplane.ApprovalApproved: "good", controlplane.ApprovalRejected: "bad",
	}[q.State]
	row := approvalRow{Approval: q, What: x.operationText(q.Operation), Badge: badge{tone, "approval.state." + string(q.State)}, Href: x.at("approvals.approval", q.ID), Changes: auditChanges(q.Diff)}
	if q.BreakGlass {
		row.Badge = badge{"bad", "approval.state.glass"}
	}
	return row
}

func (x *exchange) approvalRows(f controlplane.ApprovalFilter) (rows []approvalRow, err error) {
	found, err := x.service.ListApprovals(x.ctx(), x.actor(), f)
	for _, q := range found {
		rows = append(rows, x.approvalRow(q))
	}
	return rows, err
}

// waitingApprovals and brokenGlass are shown on the first page, too.
func (x *exchange) waitingApprovals() ([]approvalRow, error) {
	return x.approvalRows(controlplane.ApprovalFilter{State: controlplane.ApprovalPending, Page: controlplane.Page{Limit: approvalsPerPage}})
}

func (x *exchange) brokenGlass() ([]approvalRow, error) {
	return x.approvalRows(controlplane.ApprovalFilter{
		BreakGlass: true, Since: x.clock().Add(-controlplane.BreakGlassShown), Page: controlplane.Page{Limit: approvalsPerPage},
	})
}

func showApprovals(x *exchange) (err error) {
	page := approvalsPage{Empty: empty{"check", "approvals.none", "approvals.none.next"}}
	if page.Waiting, err = x.waitingApprovals(); err != nil {
		return err
	}
	if page.Glass, err = x.brokenGlass(); err != nil {
		return err
	}
	all, err := x.approvalRows(controlplane.ApprovalFilter{Page: controlplane.Page{After: x.query("after"), Limit: approvalsPerPage + 1}})
	if err != nil {
		return err
	}
	if len(all) > approvalsPerPage {
		all = all[:approvalsPerPage]
		page.Older = x.here("after", all[approvalsPerPage-1].ID)
	}
	for _, row := range all {
		if row.State != controlplane.ApprovalPending {
			page.Decided = append(page.Decided, row)
		}
	}
	return x.render(http.StatusOK, "approvals", page)
}

// approvalPage is one change with what the reader can do about it.
type approvalPage struct {
	approvalRow
	MerchantHref string
	// Own: the reader asked for it, and so cannot approve it.
	Own  bool
	Acts []link
}

func showApproval(x *exchange) error {
	s, err := findApproval(x)
	if err != nil {
		return err
	}
	page := approvalPage{approvalRow: x.approvalRow(s.approval), Own: s.approval.CreatedByID == x.session.UserID}
	if s.approval.MerchantID != "" {
		page.MerchantHref = x.at("merchants.merchant", s.approval.MerchantID)
	}
	if page.State == controlplane.ApprovalPending {
		names := []string{"approvals.approve", "approvals.reject"}
		if page.Own {
			names = []string{"approvals.withdraw"}
		}
		for _, name := range names {
			if x.offers(name + ".submit") {
				page.Acts = append(page.Acts, link{Href: x.at(name, s.approval.ID), Name: name})
			}
		}
	}
	return x.render(http.StatusOK, "approvals.approval", page)
}

func approvalActs() []act {
	const path = "/approvals/{id}/"
	return []act{
		{name: "approvals.approve", path: path + "approve", operation: controlplane.OpApprovalApprove, find: findApproval, run: approveChange, once: true},
		{name: "approvals.reject", path: path + "reject", operation: controlplane.OpApprovalReject, find: findApproval, ask: askAnswer, run: rejectChange},
		{name: "approvals.withdraw", path: path + "withdraw", operation: controlplane.OpApprovalWithdraw, find: findApproval, run: withdrawChange},
	}
}

func findApproval(x *exchange) (subject, error) {
	q, err := x.service.Approval(x.ctx(), x.actor(), controlplane.DecideApproval{ApprovalID: x.r.PathValue("id")})
	return subject{Name: x.operationText(q.Operation), Back: x.at("approvals.approval", q.ID), approval: q}, err
}

// approveChange shows the password of an account that the change made.
func approveChange(x *exchange, s subject) error {
	done, first, err := revealOnce(x, func() (controlplane.Approved, error) {
		return x.service.ApproveChange(x.ctx(), x.actor(), controlplane.DecideApproval{ApprovalID: s.approval.ID})
	})
	switch {
	case err != nil:
		return err
	case !first:
		return x.render(http.StatusConflict, "shown", shownPage{s.Back})
	case done.Account != nil:
		return x.showNewPassword(x.at("approvals"), *done.Account)
	}
	return x.doneTo("approval_done", x.at("approvals"))
}

func rejectChange(x *exchange, s subject) error {
	if _, err := x.service.RejectChange(x.ctx(), x.actor(), controlplane.DecideApproval{ApprovalID: s.approval.ID, Answer: x.value("answer")}); err != nil {
		return err
	}
	return x.doneTo("approval_rejected", x.at("approvals"))
}

func withdrawChange(x *exchange, s subject) error {
	if _, err := x.service.WithdrawChange(x.ctx(), x.actor(), controlplane.DecideApproval{ApprovalID: s.approval.ID}); err != nil {
		return err
	}
	return x.doneTo("approval_withdrawn", x.at("approvals"))
}
