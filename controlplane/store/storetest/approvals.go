package storetest

import (
	"context"
	"encoding/json"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

func approvalContract() []contract {
	return []contract{
		{"every field comes back, newest first", func(k *kit) {
			a, b := Approval(1), Approval(2)
			b.MerchantID, b.Target, b.Diff = "", "stf_9", nil
			insertApprovals(k, a, b)
			b.State, b.DecidedAt, b.DecidedByID, b.DecidedBy, b.Answer = controlplane.ApprovalRejected, At(9), "stf_2", "sam", "too wide"
			k.must(func(ctx context.Context, tx controlplane.Tx) error { return tx.UpdateApproval(ctx, b) })
			same(k, approvals(k, controlplane.ApprovalFilter{}), []controlplane.Approval{b, a})
			same(k, read(k, func(ctx context.Context, tx controlplane.Tx) (controlplane.Approval, error) {
				return tx.Approval(ctx, b.ID)
			}), b)
			same(k, approvals(k, controlplane.ApprovalFilter{Page: controlplane.Page{After: b.ID, Limit: 1}}), []controlplane.Approval{a})
		}},
		{"an update leaves what was asked for alone", func(k *kit) {
			a := Approval(1)
			insertApprovals(k, a)
			other := a
			other.Input, other.Operation, other.CreatedByID, other.ExpiresAt = json.RawMessage(`{}`), "x", "stf_8", At(9)
			k.must(func(ctx context.Context, tx controlplane.Tx) error { return tx.UpdateApproval(ctx, other) })
			same(k, approvals(k, controlplane.ApprovalFilter{}), []controlplane.Approval{a})
		}},
		{"the filters select", approvalFilters},
		{"an unknown approval is not found", func(k *kit) {
			missing(k, func(ctx context.Context, tx controlplane.Tx) (controlplane.Approval, error) {
				return tx.Approval(ctx, "apr_x")
			})
			k.wants(controlplane.ErrNotFound, func(ctx context.Context, tx controlplane.Tx) error { return tx.UpdateApproval(ctx, Approval(1)) })
			insertApprovals(k, Approval(1))
			k.wants(controlplane.ErrDuplicate, func(ctx context.Context, tx controlplane.Tx) error { return tx.InsertApproval(ctx, Approval(1)) })
		}},
		{"admins are counted without those who cannot act", countAdmins},
		{"staff are listed in pages", func(k *kit) {
			all := []controlplane.Staff{newStaff(k, 1, controlplane.RoleAuditor, false), newStaff(k, 2, controlplane.RolePlatformAdmin, true)}
			members := func(p controlplane.Page) []controlplane.Staff {
				return read(k, func(ctx context.Context, tx controlplane.Tx) ([]controlplane.Staff, error) {
					return tx.StaffMembers(ctx, p)
				})
			}
			same(k, members(controlplane.Page{}), all)
			same(k, members(controlplane.Page{After: all[0].ID, Limit: 1}), all[1:])
		}},
	}
}

func approvalFilters(k *kit) {
	mine, theirs, glass, late := Approval(1), Approval(2), Approval(3), Approval(4)
	theirs.MerchantID = "mer_2"
	glass.State, glass.BreakGlass, glass.Reason = controlplane.ApprovalApproved, true, "outage"
	late.ExpiresAt = At(5)
	insertApprovals(k, mine, theirs, glass, late)
	for _, c := range []struct {
		f    controlplane.ApprovalFilter
		want []controlplane.Approval
	}{
		{controlplane.ApprovalFilter{State: controlplane.ApprovalPending, At: At(5)}, []controlplane.Approval{theirs, mine}},
		{controlplane.ApprovalFilter{State: controlplane.ApprovalPending, At: At(4)}, []controlplane.Approval{late, theirs, mine}},
		{controlplane.ApprovalFilter{State: controlplane.ApprovalApproved, At: At(5)}, []controlplane.Approval{glass}},
		{controlplane.ApprovalFilter{BreakGlass: true, Since: At(3), At: At(5)}, []controlplane.Approval{glass}},
		{controlplane.ApprovalFilter{BreakGlass: true, Since: At(4), At: At(5)}, nil},
		{controlplane.ApprovalFilter{MerchantID: "mer_2", At: At(5)}, []controlplane.Approval{theirs}},
		{controlplane.ApprovalFilter{At: At(5)}, []controlplane.Approval{late, glass, theirs, mine}},
	} {
		same(k, approvals(k, c.f), c.want)
	}
}

func countAdmins(k *kit) {
	count := func(enrolled bool, but, and string) int {
		return read(k, func(ctx context.Context, tx controlplane.Tx) (int, error) {
			return tx.CountAdmins(ctx, enrolled, but, and)
		})
	}
	a, b := newStaff(k, 1, controlplane.RolePlatformAdmin, false), newStaff(k, 2, controlplane.RolePlatformAdmin, false)
	newStaff(k, 3, controlplane.RolePlatformAdmin, true)
	newStaff(k, 4, controlplane.RolePlatformOperator, false)
	k.must(func(ctx context.Context, tx controlplane.Tx) error {
		for i, s := range []controlplane.Staff{a, b} {
			seed := controlplane.TOTPSeed{ID: ID("otp_", i+1), AccountID: s.ID, Sealed: []byte("sealed"), CreatedAt: At(1)}
			if err := tx.PutPendingSeed(ctx, seed); err != nil {
				return err
			}
		}
		return tx.ConfirmSeed(ctx, a.ID, ID("otp_", 1), 1)
	})
	same(k, count(false, "", ""), 2)
	same(k, count(true, "", ""), 1)
	same(k, count(true, a.ID, ""), 0)
	same(k, count(false, a.ID, b.ID), 0)
	same(k, count(false, "stf_x", b.ID), 1)
}

func newStaff(k *kit, n int, role controlplane.Role, disabled bool) controlplane.Staff {
	k.Helper()
	s := controlplane.Staff{
		ID: ID(controlplane.PrefixStaff, n), Username: ID("staff", n), Role: role, Disabled: disabled, SecurityVersion: 1,
		Password: controlplane.Password{Hash: controlplane.NewSecret("hash")}, CreatedAt: At(n), UpdatedAt: At(n),
	}
	k.must(func(ctx context.Context, tx controlplane.Tx) error { return tx.InsertStaff(ctx, s) })
	return s
}

func insertApprovals(k *kit, all ...controlplane.Approval) {
	k.Helper()
	k.must(func(ctx context.Context, tx controlplane.Tx) error {
		for _, q := range all {
			if err := tx.InsertApproval(ctx, q); err != nil {
				return err
			}
		}
		return nil
	})
}

func approvals(k *kit, f controlplane.ApprovalFilter) []controlplane.Approval {
	k.Helper()
	return read(k, func(ctx context.Context, tx controlplane.Tx) ([]controlplane.Approval, error) {
		return tx.Approvals(ctx, f)
	})
}

// Approval is the nth approval of the fixtures.
func Approval(n int) controlplane.Approval {
	return controlplane.Approval{
		ID: ID(controlplane.PrefixApproval, n), MerchantID: "mer_1", Operation: controlplane.OpAllowlistAdd, Target: ID(controlplane.PrefixEntry, n),
		Input: json.RawMessage(`{"note":"ก"}`), Diff: json.RawMessage(`{"note":{"to":"ก"}}`), State: controlplane.ApprovalPending,
		CreatedAt: At(n), ExpiresAt: At(n).Add(time.Hour), CreatedByID: "stf_1", CreatedBy: "ann",
	}
}
