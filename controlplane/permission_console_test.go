package controlplane_test

import (
	"strings"

	. "github.com/unknownpay/merchant-gateway/controlplane"
)

// someone is a member of staff whom nobody acted on yet.
func (w *world) someone(role Role) Actor {
	w.Helper()
	return w.member("x"+strings.ToLower(cmpID(w)), role)
}

// pending is a change that waits, asked for by somebody.
func (w *world) pending(merchantID, byID string) Approval {
	w.Helper()
	q := Approval{
		ID: ok(NewID(PrefixApproval, w.clock.Now(), w.parts.Random))(w), MerchantID: merchantID, Operation: OpAllowlistAdd, State: ApprovalPending,
		Input:     []byte(`{"merchant_id":"` + merchantID + `","cidr":"192.0.2.77","note":"new server"}`),
		CreatedAt: w.clock.Now(), ExpiresAt: w.clock.Now().Add(ApprovalLife), CreatedByID: byID, CreatedBy: "asker",
	}
	w.must(w.store.Update(w.Context(), func(tx Tx) error { return tx.InsertApproval(w.Context(), q) }))
	return q
}

// consoleCalls are the calls of what only the platform's own people do.
func consoleCalls() map[Operation]call {
	all := staffCalls()
	all[OpUserSignOut] = func(w *world, a Actor, s site, id string) error {
		return justErr(w.SignOutUser(w.Context(), a, id, s.member.ID))
	}
	all[OpAllowlistNote] = func(w *world, a Actor, s site, id string) error {
		return justErr(w.SetAllowlistNote(w.Context(), a, SetAllowlistNote{MerchantID: id, EntryID: s.entry.ID, Note: "moved"}))
	}
	all[OpAllowlistImport] = func(w *world, a Actor, _ site, id string) error {
		return justErr(w.ImportAllowlist(w.Context(), a, ImportAllowlist{MerchantID: id, Text: "192.0.2.88 office"}))
	}
	all[OpAllowlistQueue] = func(w *world, a Actor, _ site, _ string) error {
		return justErr(w.AllowlistQueue(w.Context(), a, Page{}))
	}
	all[OpApprovalApprove] = func(w *world, a Actor, s site, _ string) error {
		return justErr(w.ApproveChange(w.Context(), a, DecideApproval{ApprovalID: w.pending(s.ID, "stf_x").ID}))
	}
	all[OpApprovalReject] = func(w *world, a Actor, s site, _ string) error {
		return justErr(w.RejectChange(w.Context(), a, DecideApproval{ApprovalID: w.pending(s.ID, "stf_x").ID, Answer: "too wide"}))
	}
	all[OpApprovalWithdraw] = func(w *world, a Actor, s site, _ string) error {
		return justErr(w.WithdrawChange(w.Context(), a, DecideApproval{ApprovalID: w.pending(s.ID, a.ID).ID}))
	}
	all[OpApprovalList] = func(w *world, a Actor, _ site, _ string) error {
		return justErr(w.ListApprovals(w.Context(), a, ApprovalFilter{}))
	}
	all[OpApprovalView] = func(w *world, a Actor, s site, _ string) error {
		return justErr(w.Approval(w.Context(), a, DecideApproval{ApprovalID: w.pending(s.ID, "stf_x").ID}))
	}
	all[OpUserView] = func(w *world, a Actor, s site, id string) error {
		return justErr(w.User(w.Context(), a, UserRef{MerchantID: id, UserID: s.member.ID}))
	}
	return all
}

func staffCalls() map[Operation]call {
	return map[Operation]call{
		OpStaffCreate: func(w *world, a Actor, _ site, _ string) error {
			return justErr(w.CreateStaff(w.Context(), a, CreateStaff{Username: "n" + strings.ToLower(cmpID(w)), Role: RoleAuditor}))
		},
		OpStaffDisable: func(w *world, a Actor, _ site, _ string) error {
			return justErr(w.DisableStaff(w.Context(), a, w.someone(RoleAuditor).ID))
		},
		OpStaffEnable: func(w *world, a Actor, _ site, _ string) error {
			id := w.someone(RolePlatformAdmin).ID
			w.changeMember(id, func(m *Staff) { m.Disabled = true })
			return justErr(w.EnableStaff(w.Context(), a, id))
		},
		OpStaffRole: func(w *world, a Actor, _ site, _ string) error {
			return justErr(w.SetStaffRole(w.Context(), a, SetStaffRole{StaffID: w.someone(RoleAuditor).ID, Role: RolePlatformOperator}))
		},
		OpStaffResetPassword: func(w *world, a Actor, _ site, _ string) error {
			return justErr(w.ResetStaffPassword(w.Context(), a, w.someone(RoleAuditor).ID))
		},
		OpStaffResetSecondFactor: func(w *world, a Actor, _ site, _ string) error {
			id := w.someone(RoleAuditor).ID
			w.enrol(id, "")
			return justErr(w.ResetStaffSecondFactor(w.Context(), a, id))
		},
		OpStaffSignOut: func(w *world, a Actor, _ site, _ string) error {
			return justErr(w.SignOutStaff(w.Context(), a, w.someone(RoleAuditor).ID))
		},
		OpStaffList: func(w *world, a Actor, _ site, _ string) error {
			return justErr(w.ListStaff(w.Context(), a, Page{}))
		},
		OpStaffView: func(w *world, a Actor, _ site, _ string) error {
			return justErr(w.StaffMember(w.Context(), a, StaffRef{w.someone(RoleAuditor).ID}))
		},
	}
}
