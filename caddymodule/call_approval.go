package caddymodule

import (
	"context"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

type approvalView struct {
	Approval controlplane.Approval `json:"approval"`
}

type approvalList struct {
	Approvals []controlplane.Approval `json:"approvals"`
	nextPage
}

// approvalDone is a change that was carried out.
type approvalDone struct {
	Approval controlplane.Approval `json:"approval"`
	// Account is the one that the change made, if it made one.
	Account *newAccount `json:"account,omitempty"`
	applied
}

// approvalCalls are about changes that take two.
func approvalCalls() []call {
	type (
		ctx    = context.Context
		actor  = controlplane.Actor
		decide = controlplane.DecideApproval
	)
	viewed := func(do func(*controlplane.Service, ctx, actor, decide) (controlplane.Approval, error)) func(ctx, callNode, actor, decide) (approvalView, error) {
		return func(ctx ctx, n callNode, a actor, in decide) (approvalView, error) {
			q, err := do(n.service, ctx, a, in)
			return approvalView{q}, err
		}
	}
	return []call{
		newCall(controlplane.OpApprovalApprove, approveCall),
		newCall(controlplane.OpApprovalReject, viewed((*controlplane.Service).RejectChange)),
		newCall(controlplane.OpApprovalWithdraw, viewed((*controlplane.Service).WithdrawChange)),
		newCall(controlplane.OpApprovalView, func(ctx ctx, n callNode, a actor, in approvalRef) (approvalView, error) {
			q, err := n.service.Approval(ctx, a, decide{ApprovalID: in.ApprovalID})
			return approvalView{q}, err
		}),
		newCall(controlplane.OpApprovalList, listApprovalsCall),
	}
}

type approvalRef struct {
	ApprovalID string `json:"approval_id" validate:"required"`
}

func approveCall(ctx context.Context, n callNode, a controlplane.Actor, in approvalRef) (approvalDone, error) {
	done, err := n.service.ApproveChange(ctx, a, controlplane.DecideApproval{ApprovalID: in.ApprovalID})
	if err != nil {
		return approvalDone{}, err
	}
	out := approvalDone{Approval: done.Approval, applied: settle(ctx, n)}
	if done.Account != nil {
		account := revealAccount(*done.Account, done.Approval.MerchantID)
		out.Account = &account
	}
	return out, nil
}

func listApprovalsCall(ctx context.Context, n callNode, a controlplane.Actor, in controlplane.ApprovalFilter) (approvalList, error) {
	rows, err := n.service.ListApprovals(ctx, a, in)
	out := approvalList{Approvals: nonNil(rows)}
	if len(rows) == in.Rows() {
		out.Next = rows[len(rows)-1].ID
	}
	return out, err
}
