package caddymodule

import (
	"context"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

type memberChanged struct {
	Member controlplane.Staff `json:"member"`
}

type memberView struct {
	Member controlplane.StaffView `json:"member"`
}

type memberList struct {
	Members []controlplane.StaffView `json:"members"`
	nextPage
}

// staffCalls are about the platform's own people.
func staffCalls() []call {
	type (
		ctx   = context.Context
		actor = controlplane.Actor
		ref   = controlplane.StaffRef
	)
	changed := func(do func(*controlplane.Service, ctx, actor, string) (controlplane.Staff, error)) func(ctx, callNode, actor, ref) (memberChanged, error) {
		return func(ctx ctx, n callNode, a actor, in ref) (memberChanged, error) {
			m, err := do(n.service, ctx, a, in.StaffID)
			return memberChanged{m}, err
		}
	}
	return []call{
		newCall(controlplane.OpStaffBootstrap, func(ctx ctx, n callNode, a actor, in controlplane.BootstrapStaff) (newAccount, error) {
			account, err := n.service.BootstrapStaff(ctx, a, in)
			return revealAccount(account, ""), err
		}),
		newCall(controlplane.OpStaffCreate, func(ctx ctx, n callNode, a actor, in controlplane.CreateStaff) (newAccount, error) {
			account, err := n.service.CreateStaff(ctx, a, in)
			return revealAccount(account, ""), err
		}),
		newCall(controlplane.OpStaffDisable, changed((*controlplane.Service).DisableStaff)),
		newCall(controlplane.OpStaffEnable, changed((*controlplane.Service).EnableStaff)),
		newCall(controlplane.OpStaffSignOut, changed((*controlplane.Service).SignOutStaff)),
		newCall(controlplane.OpStaffResetSecondFactor, changed((*controlplane.Service).ResetStaffSecondFactor)),
		newCall(controlplane.OpStaffRole, func(ctx ctx, n callNode, a actor, in controlplane.SetStaffRole) (memberChanged, error) {
			m, err := n.service.SetStaffRole(ctx, a, in)
			return memberChanged{m}, err
		}),
		newCall(controlplane.OpStaffResetPassword, func(ctx ctx, n callNode, a actor, in ref) (newAccount, error) {
			account, err := n.service.ResetStaffPassword(ctx, a, in.StaffID)
			return revealAccount(account, ""), err
		}),
		newCall(controlplane.OpStaffView, func(ctx ctx, n callNode, a actor, in ref) (memberView, error) {
			m, err := n.service.StaffMember(ctx, a, in)
			return memberView{m}, err
		}),
		newCall(controlplane.OpStaffList, listStaffCall),
	}
}

func listStaffCall(ctx context.Context, n callNode, a controlplane.Actor, in controlplane.Page) (memberList, error) {
	rows, err := n.service.ListStaff(ctx, a, in)
	out := memberList{Members: nonNil(rows)}
	if len(rows) == in.Rows() {
		out.Next = rows[len(rows)-1].ID
	}
	return out, err
}
