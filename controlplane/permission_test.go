package controlplane_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	. "github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/tests/asvs"
)

func TestPermissionTableIsTheAgreedOne(t *testing.T) {
	asvs.Covers(t, "8.1.1")
	agreed := map[string]bool{}
	for line := range strings.Lines(strings.TrimSpace(agreedPermissions)) {
		agreed[strings.Join(strings.Fields(line), " ")] = true
	}
	for _, p := range Permissions() {
		words := []string{string(p.Operation)}
		if p.Sudo {
			words = append(words, "sudo")
		}
		if !p.Changes {
			words = append(words, "reads")
		}
		for _, r := range p.Roles {
			words = append(words, string(r))
		}
		line := strings.Join(words, " ")
		if !agreed[line] {
			t.Errorf("nobody agreed on %q", line)
		}
		delete(agreed, line)
	}
	for line := range agreed {
		t.Errorf("missing: %q", line)
	}
}

// site is a merchant with something for every operation to work on.
type site struct {
	Merchant
	member, disabled NewAccount
	live             APIKey
	entry            AllowlistEntry
	wish             AllowlistRequest
	sent             Delivery
}

func (w *world) site(name string) site {
	w.Helper()
	s := site{Merchant: w.merchant(name)}
	create := func(prefix string) NewAccount {
		username := prefix + strings.ToLower(s.ID[len(PrefixMerchant):])
		return ok(w.CreateUser(w.Context(), local(), CreateUser{MerchantID: s.ID, Username: username, Role: RoleViewer}))(w)
	}
	s.member, s.disabled = create("m"), create("d")
	ok(w.DisableUser(w.Context(), local(), s.ID, s.disabled.ID))(w)
	s.live = w.key(s.ID, Live).Key
	s.entry = ok(w.AddAllowlistEntry(w.Context(), local(), AddAllowlistEntry{MerchantID: s.ID, CIDR: "198.51.100.0/24", Note: "office"}))(w)
	s.wish = w.wish(s.ID, AllowlistAdd, "203.0.113.1")
	s.sent = w.delivery(s.ID)
	return s
}

// call runs one operation on the site s, named by merchantID, so that it succeeds
// for whoever may.
type call func(w *world, a Actor, s site, merchantID string) error

func justErr[T any](_ T, err error) error { return err }

// calls has an entry for every operation that is a method of Service.
func calls() map[Operation]call {
	all := map[Operation]call{
		OpMerchantCreate: func(w *world, a Actor, _ site, _ string) error {
			return justErr(w.CreateMerchant(w.Context(), a, CreateMerchant{Name: "Another"}))
		},
		OpMerchantRename: func(w *world, a Actor, _ site, id string) error {
			return justErr(w.RenameMerchant(w.Context(), a, RenameMerchant{MerchantID: id, Name: "Renamed"}))
		},
		OpMerchantSuspend: func(w *world, a Actor, _ site, id string) error {
			return justErr(w.SuspendMerchant(w.Context(), a, id))
		},
		OpMerchantResume: func(w *world, a Actor, s site, id string) error {
			if _, err := w.SuspendMerchant(w.Context(), local(), s.ID); err != nil && CodeOf(err) != CodeConflict {
				return err
			}
			return justErr(w.ResumeMerchant(w.Context(), a, id))
		},
		OpMerchantList: func(w *world, a Actor, _ site, _ string) error {
			return justErr(w.ListMerchants(w.Context(), a, MerchantFilter{}))
		},
		OpMerchantView: func(w *world, a Actor, _ site, id string) error {
			return justErr(w.Merchant(w.Context(), a, id))
		},
		OpUserCreate: func(w *world, a Actor, _ site, id string) error {
			username := fmt.Sprintf("new%d", w.auditRows())
			return justErr(w.CreateUser(w.Context(), a, CreateUser{MerchantID: id, Username: username, Role: RoleAdmin}))
		},
		OpUserDisable: func(w *world, a Actor, s site, id string) error {
			return justErr(w.DisableUser(w.Context(), a, id, s.member.ID))
		},
		OpUserEnable: func(w *world, a Actor, s site, id string) error {
			return justErr(w.EnableUser(w.Context(), a, id, s.disabled.ID))
		},
		OpUserRole: func(w *world, a Actor, s site, id string) error {
			return justErr(w.SetUserRole(w.Context(), a, SetUserRole{MerchantID: id, UserID: s.member.ID, Role: RoleOperator}))
		},
		OpUserResetPassword: func(w *world, a Actor, s site, id string) error {
			return justErr(w.ResetUserPassword(w.Context(), a, id, s.member.ID))
		},
		OpUserResetSecondFactor: func(w *world, a Actor, s site, id string) error {
			w.enrol(s.member.ID, s.ID)
			return justErr(w.ResetUserSecondFactor(w.Context(), a, id, s.member.ID))
		},
		OpUserList: func(w *world, a Actor, _ site, id string) error {
			return justErr(w.ListUsers(w.Context(), a, UserFilter{MerchantID: id}))
		},
		OpKeyIssue: func(w *world, a Actor, _ site, id string) error {
			return justErr(w.IssueKey(w.Context(), a, IssueKey{MerchantID: id, Environment: Test}))
		},
		OpKeyRotate: func(w *world, a Actor, _ site, id string) error {
			return justErr(w.RotateKey(w.Context(), a, RotateKey{MerchantID: id, Environment: Live}))
		},
		OpKeyRetire: func(w *world, a Actor, s site, id string) error {
			return justErr(w.RetireKey(w.Context(), a, RetireKey{MerchantID: id, KeyID: s.live.ID}))
		},
		OpKeyList: func(w *world, a Actor, _ site, id string) error {
			return justErr(w.ListKeys(w.Context(), a, KeyFilter{MerchantID: id}))
		},
		OpSignatureCheck: func(w *world, a Actor, _ site, id string) error {
			return justErr(w.CheckSignature(w.Context(), a, pasted(id)))
		},
		OpAllowlistAdd: func(w *world, a Actor, _ site, id string) error {
			return justErr(w.AddAllowlistEntry(w.Context(), a, AddAllowlistEntry{MerchantID: id, CIDR: "203.0.113.9", Note: "new"}))
		},
		OpAllowlistRemove: func(w *world, a Actor, s site, id string) error {
			return justErr(w.RemoveAllowlistEntry(w.Context(), a, RemoveAllowlistEntry{MerchantID: id, EntryID: s.entry.ID}))
		},
		OpAllowlistList: func(w *world, a Actor, _ site, id string) error {
			return justErr(w.ListAllowlist(w.Context(), a, id))
		},
		OpAllowlistCheck: func(w *world, a Actor, _ site, id string) error {
			return justErr(w.CheckIP(w.Context(), a, CheckIP{MerchantID: id, IP: "198.51.100.1"}))
		},
		OpAllowlistRequest: func(w *world, a Actor, _ site, id string) error {
			in := RequestAllowlistChange{MerchantID: id, Action: AllowlistAdd, CIDR: "203.0.113.2", Reason: "new server"}
			return justErr(w.RequestAllowlistChange(w.Context(), a, in))
		},
		OpAllowlistWithdraw: func(w *world, a Actor, s site, id string) error {
			return justErr(w.WithdrawAllowlistRequest(w.Context(), a, DecideAllowlistRequest{MerchantID: id, RequestID: s.wish.ID}))
		},
		OpAllowlistRequests: func(w *world, a Actor, _ site, id string) error {
			return justErr(w.ListAllowlistRequests(w.Context(), a, AllowlistRequestFilter{MerchantID: id}))
		},
		OpAllowlistApprove: func(w *world, a Actor, s site, id string) error {
			return justErr(w.ApproveAllowlistRequest(w.Context(), a, DecideAllowlistRequest{MerchantID: id, RequestID: s.wish.ID}))
		},
		OpAllowlistReject: func(w *world, a Actor, s site, id string) error {
			in := DecideAllowlistRequest{MerchantID: id, RequestID: s.wish.ID, Answer: "too wide"}
			return justErr(w.RejectAllowlistRequest(w.Context(), a, in))
		},
		OpStaffBootstrap: func(w *world, a Actor, _ site, _ string) error {
			return justErr(w.BootstrapStaff(w.Context(), a, BootstrapStaff{Username: "first"}))
		},
		OpAuditList: func(w *world, a Actor, _ site, id string) error {
			return justErr(w.ListAudit(w.Context(), a, AuditFilter{MerchantID: id}))
		},
		OpAuditVerify: func(w *world, a Actor, _ site, _ string) error {
			return justErr(w.VerifyAudit(w.Context(), a))
		},
		OpSystemStatus: func(w *world, a Actor, _ site, _ string) error {
			return w.Permit(w.Context(), a, OpSystemStatus, "")
		},
		OpSystemBackup: func(w *world, a Actor, _ site, _ string) error {
			return w.Permit(w.Context(), a, OpSystemBackup, "backup.db")
		},
		OpKeyringStatus: func(w *world, a Actor, _ site, _ string) error {
			return w.Permit(w.Context(), a, OpKeyringStatus, "")
		},
		OpKeyringRotate: func(w *world, a Actor, _ site, _ string) error {
			return justErr(w.RotateDataKeys(w.Context(), a, w.ring))
		},
		OpKeyringRotateRoot: func(w *world, a Actor, _ site, _ string) error {
			return justErr(w.RotateRoot(w.Context(), a, w.ring, ""))
		},
	}
	maps.Copy(all, webhookCalls())
	maps.Copy(all, requestCalls())
	maps.Copy(all, staffTokenCalls())
	maps.Copy(all, consoleCalls())
	return all
}

// ofThePlatform are the operations that belong to no merchant.
func ofThePlatform(op Operation) bool {
	return slices.Contains([]Operation{
		OpMerchantCreate, OpMerchantList, OpStaffBootstrap, OpAuditVerify,
		OpEventIngest, OpServiceTokenIssue, OpServiceTokenRevoke, OpServiceTokenList,
		OpStaffTokenIssue, OpStaffTokenRevoke, OpStaffTokenList, OpRequestUnknown, OpAllowlistQueue,
		OpStaffCreate, OpStaffDisable, OpStaffEnable, OpStaffRole, OpStaffResetPassword, OpStaffResetSecondFactor, OpStaffSignOut, OpStaffList, OpStaffView,
		OpApprovalApprove, OpApprovalReject, OpApprovalWithdraw, OpApprovalList, OpApprovalView,
		OpSystemStatus, OpSystemBackup, OpKeyringStatus, OpKeyringRotate, OpKeyringRotateRoot,
	}, op)
}

func TestEveryOperationHasACall(t *testing.T) {
	have := calls()
	for _, p := range Permissions() {
		if have[p.Operation] == nil {
			t.Errorf("no test calls %s", p.Operation)
		}
	}
}

// everyone is one actor of each role; the users belong to merchantID.
func (w *world) everyone(merchantID string) []Actor {
	w.Helper()
	all := []Actor{local(), someStaff(RolePlatformAdmin), someStaff(RolePlatformOperator), someStaff(RoleAuditor)}
	for _, r := range []Role{RoleOwner, RoleAdmin, RoleOperator, RoleViewer} {
		all = append(all, w.user(merchantID, fmt.Sprintf("%s%d", r, w.auditRows()), r))
	}
	return append(all, backend())
}

func TestEveryRoleOnEveryOperation(t *testing.T) {
	asvs.Covers(t, "8.2.1", "8.3.1", "8.4.1", "16.3.2")
	for _, p := range Permissions() {
		w := newWorld(t) // the bootstrap needs one without staff
		run := calls()[p.Operation]
		for _, a := range w.everyone(w.merchant("Own").ID) {
			t.Run(fmt.Sprintf("%s/%s", p.Operation, a.Role), func(t *testing.T) {
				own, foreign := w.site("Own"), w.site("Foreign")
				switch {
				case a.Kind == ActorStaff && p.Operation != OpStaffBootstrap:
					w.ensureMember(a)
				case a.Kind == ActorUser:
					a = w.user(own.ID, fmt.Sprintf("u%d", w.auditRows()), a.Role)
				}
				w.tries(t, p, a, own, foreign, run)
			})
		}
	}
}

// tries holds one role and one operation against the permission table.
func (w *world) tries(t *testing.T, p Permission, a Actor, own, foreign site, run call) {
	t.Helper()
	if !p.Allows(a.Role) {
		w.refused(t, a, p.Operation, CodeDenied, func() error { return run(w, a, own, own.ID) })
	}
	if a.Kind == ActorUser && !ofThePlatform(p.Operation) {
		unknown := "mer_00000000000000000000000000"
		err := run(w, a, foreign, foreign.ID)
		w.refusal(t, a, p.Operation, CodeNotFound, err)
		if got, want := err.Error(), run(w, a, foreign, unknown).Error(); got != strings.ReplaceAll(want, unknown, foreign.ID) {
			t.Errorf("a foreign merchant answers %q, an unknown one %q", got, want)
		}
	}
	if !p.Allows(a.Role) {
		return
	}
	if p.Sudo {
		b := a
		b.Sudo = false
		w.refused(t, b, p.Operation, CodeSudoRequired, func() error { return run(w, b, own, own.ID) })
	}
	before := w.auditRows()
	err := run(w, a, own, own.ID)
	if CodeOf(err) == CodePending && a.Role == RolePlatformOperator {
		if e := w.lastAudit(); e.Operation != OpApprovalRequest || e.Outcome != OutcomeOK || e.ActorID != a.ID {
			t.Errorf("the wish is not the newest audit row: %+v", e)
		}
		return
	}
	if err != nil {
		t.Fatalf("refused to one who may: %v", err)
	}
	if p.Changes {
		e := w.lastAudit()
		if e.Operation != p.Operation || e.Outcome != OutcomeOK || e.ActorID != a.ID || e.Target == "" {
			t.Errorf("the change is not the newest audit row: %+v", e)
		}
	} else if n := w.auditRows(); n != before {
		t.Errorf("a read left %d audit rows", n-before)
	}
}

// refused fails unless try is refused, changes nothing, and is written down.
func (w *world) refused(t *testing.T, a Actor, op Operation, code Code, try func() error) {
	t.Helper()
	revision := w.revision()
	w.refusal(t, a, op, code, try())
	if n := w.revision(); n != revision && op != OpMerchantResume { // its call suspends first
		t.Errorf("the refused operation bumped the revision")
	}
}

func (w *world) refusal(t *testing.T, a Actor, op Operation, code Code, err error) {
	t.Helper()
	wants(t, err, code)
	e := w.lastAudit()
	if e.Operation != op || e.Outcome != OutcomeDenied || e.Reason != string(code) || e.ActorID != a.ID || e.Diff != nil {
		t.Errorf("the refusal is not the newest audit row: %+v", e)
	}
	if a.Kind == ActorUser && e.MerchantID != a.MerchantID {
		t.Errorf("the refusal is in the trail of %s, not of the actor's own merchant", e.MerchantID)
	}
}

func TestSuspendedMerchantsUsersMayOnlyRead(t *testing.T) {
	w := newWorld(t)
	for _, p := range Permissions() {
		run := calls()[p.Operation]
		if ofThePlatform(p.Operation) || !p.Allows(RoleOwner) {
			continue
		}
		t.Run(string(p.Operation), func(t *testing.T) {
			s := w.site("Suspended")
			owner := w.user(s.ID, fmt.Sprintf("owner%d", w.auditRows()), RoleOwner)
			ok(w.SuspendMerchant(t.Context(), local(), s.ID))(t)
			if p.Changes {
				w.refused(t, owner, p.Operation, CodeSuspended, func() error { return run(w, owner, s, s.ID) })
			} else if err := run(w, owner, s, s.ID); err != nil {
				t.Errorf("reading is refused: %v", err)
			}
			if err := run(w, local(), s, s.ID); err != nil {
				t.Errorf("the operator is refused: %v", err)
			}
		})
	}
}

// A mistake of a caller must not make a user into staff, or staff into owners.
func TestRoleMustFitTheKindOfActor(t *testing.T) {
	w := newWorld(t)
	s := w.site("Shop")
	for _, a := range []Actor{
		{},
		{Kind: ActorUser, MerchantID: s.ID, Role: RoleLocal, Sudo: true},
		{Kind: ActorUser, MerchantID: s.ID, Role: RolePlatformAdmin, Sudo: true},
		{Kind: ActorUser, Role: RoleOwner, Sudo: true},
		{Kind: ActorStaff, Role: RoleOwner, Sudo: true},
		{Kind: ActorStaff, Role: RoleLocal, Sudo: true},
		{Kind: ActorLocal, Role: RolePlatformAdmin, Sudo: true},
		{Kind: "guest", Role: RoleLocal, Sudo: true},
		{Role: RoleLocal, Sudo: true},
	} {
		for op, run := range calls() {
			if op == OpMerchantResume { // its call suspends first
				continue
			}
			err := run(w, a, s, s.ID)
			if c := CodeOf(err); c != CodeDenied && c != CodeNotFound {
				t.Errorf("%s by %+v: got %v; want a refusal", op, a, err)
			}
		}
	}
}

// Between being admitted and being carried out, an account may have been changed.
func TestChangeByAUserIsHeldAgainstTheirAccountOfNow(t *testing.T) {
	asvs.Covers(t, "8.3.2")
	w := newWorld(t)
	m := w.merchant("Shop")
	issue := func(a Actor) error {
		return justErr(w.IssueKey(t.Context(), a, IssueKey{MerchantID: m.ID, Environment: Live}))
	}
	disabled, demoted := w.user(m.ID, "disabled", RoleOwner), w.user(m.ID, "demoted", RoleAdmin)
	ok(w.DisableUser(t.Context(), local(), m.ID, disabled.ID))(t)
	ok(w.SetUserRole(t.Context(), local(), SetUserRole{MerchantID: m.ID, UserID: demoted.ID, Role: RoleViewer}))(t)
	ghost := demoted
	ghost.ID = "usr_00000000000000000000000000"
	for _, a := range []Actor{disabled, demoted, ghost} {
		w.refused(t, a, OpKeyIssue, CodeDenied, func() error { return issue(a) })
	}
	if err := issue(w.user(m.ID, "good", RoleAdmin)); err != nil {
		t.Fatal(err)
	}
}
