package outbox

import (
	"context"
	"errors"
	"fmt"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// NotifyApproval tells platform admins of a change that waits for one of them, or
// that was made without a second pair of eyes. It fits
// [controlplane.Parts.NotifyApproval]. What would change is not in the mail: it is
// looked at where it is decided.
func NotifyApproval(ctx context.Context, tx controlplane.Tx, n controlplane.ApprovalNotice) error {
	q := n.Approval
	kind := "approval_waits"
	if q.BreakGlass {
		kind = "break_glass"
	}
	whose, err := merchantName(ctx, tx, q.MerchantID)
	if err != nil {
		return err
	}
	members, err := tx.StaffMembers(ctx, controlplane.Page{Limit: 1000})
	if err != nil {
		return err
	}
	facts := []string{q.CreatedBy, string(q.Operation), whose, moment(n.At), q.Reason, "/approvals/" + q.ID, moment(q.ExpiresAt)}
	var errs []error
	for _, m := range members {
		if concerns(q, m) {
			errs = append(errs, add(ctx, tx, fmt.Sprintf("%s:%s:%s", kind, m.ID, q.ID), m.Email, approvalText(q.BreakGlass), n.At, facts))
		}
	}
	return errors.Join(errs...)
}

// concerns: those who may decide what waits; and of what did not wait, all admins
// but who did it, together with the member whom it may just have made none.
func concerns(q controlplane.Approval, m controlplane.Staff) bool {
	about, admin := m.ID == q.Target, !m.Disabled && m.Role == controlplane.RolePlatformAdmin
	if m.ID == q.CreatedByID {
		return false
	}
	if q.BreakGlass {
		return admin || about
	}
	return admin && !about
}

// merchantName is how a mail calls a merchant, or the platform itself.
func merchantName(ctx context.Context, tx controlplane.Tx, id string) (string, error) {
	if id == "" {
		return "UnknownPay", nil
	}
	m, err := tx.Merchant(ctx, id)
	return m.Name + " (" + m.ID + ")", err
}
