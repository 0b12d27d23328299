package controlplane_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	. "github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/tests/asvs"
)

// admins are two platform admins with second factors: the four eyes.
func (w *world) admins() (ann, bob Actor) {
	w.Helper()
	ann, bob = w.member("ann", RolePlatformAdmin), w.member("bob", RolePlatformAdmin)
	w.enrol(ann.ID, "")
	w.enrol(bob.ID, "")
	return ann, bob
}

// waits fails unless the error says that the change waits, and returns its id.
func waits(tb testing.TB, err error) string {
	tb.Helper()
	e := wants(tb, err, CodePending)
	if !strings.HasPrefix(e.ApprovalID, PrefixApproval) || !strings.Contains(e.Message, e.ApprovalID) {
		tb.Errorf("which approval? %+v", e)
	}
	return e.ApprovalID
}

func (w *world) entries(merchantID string) []AllowlistEntry {
	w.Helper()
	return ok(w.ListAllowlist(w.Context(), local(), merchantID))(w)
}

func TestLiveAllowlistChangeTakesTwoPlatformAdmins(t *testing.T) {
	asvs.Covers(t, "8.2.1")
	w := newWorld(t)
	ann, bob := w.admins()
	m, ctx := w.merchant("Shop"), t.Context()
	w.key(m.ID, Live)
	revision := w.revision()
	id := waits(t, justErr(w.AddAllowlistEntry(ctx, ann, AddAllowlistEntry{m.ID, "8.8.8.0/24", "office"})))
	if w.revision() != revision || len(w.entries(m.ID)) != 0 {
		t.Error("the change was made before it was approved")
	}
	w.diffIs(OpApprovalRequest, id, `{"cidr":{"to":"8.8.8.0/24"},"note":{"to":"office"},"operation":{"to":"allowlist.add"}}`)
	wants(t, justErr(w.AddAllowlistEntry(ctx, ann, AddAllowlistEntry{m.ID, "8.8.8.0/24", "office"})), CodeConflict)
	wants(t, justErr(w.ApproveChange(ctx, ann, DecideApproval{ApprovalID: id})), CodeDenied)

	w.clock.pass(time.Hour)
	done := ok(w.ApproveChange(ctx, bob, DecideApproval{ApprovalID: id}))(t)
	w.diffIs(OpApprovalApprove, id, `{"asked_by":{"to":"ann"},"operation":{"to":"allowlist.add"},"state":{"from":"pending","to":"approved"}}`)
	rows := ok(w.ListAudit(ctx, local(), AuditFilter{Limit: 2}))(t)
	if e := rows[1]; e.Operation != OpAllowlistAdd || e.ActorID != bob.ID || e.Reason != "approval "+id || e.MerchantID != m.ID {
		t.Errorf("the change itself is not in the trail: %+v", e)
	}
	if e := w.entries(m.ID); len(e) != 1 || e[0].CreatedBy != "ann" || w.revision() == revision {
		t.Errorf("the change was not made: %+v", e)
	}
	if q := done.Approval; q.State != ApprovalApproved || q.DecidedBy != "bob" || q.CreatedBy != "ann" || done.Account != nil {
		t.Errorf("%+v", q)
	}
	wants(t, justErr(w.ApproveChange(ctx, bob, DecideApproval{ApprovalID: id})), CodeConflict)
}

func TestWhatTheFourEyesRuleIsAbout(t *testing.T) {
	w := newWorld(t)
	ann, _ := w.admins()
	ctx, s := t.Context(), w.site("Shop") // has a live key
	eve, pat := w.member("eve", RoleAuditor), w.member("pat", RolePlatformAdmin)
	w.enrol(s.member.ID, s.ID)
	w.enrol(pat.ID, "")
	w.changeMember(pat.ID, func(m *Staff) { m.Disabled = true })
	for name, try := range map[string]func() error{
		"add":    func() error { return justErr(w.AddAllowlistEntry(ctx, ann, AddAllowlistEntry{s.ID, "192.0.2.1", "n"})) },
		"import": func() error { return justErr(w.ImportAllowlist(ctx, ann, ImportAllowlist{s.ID, "192.0.2.1 n", ""})) },
		"remove": func() error {
			return justErr(w.RemoveAllowlistEntry(ctx, ann, RemoveAllowlistEntry{MerchantID: s.ID, EntryID: s.entry.ID}))
		},
		"approve a request": func() error {
			return justErr(w.ApproveAllowlistRequest(ctx, ann, DecideAllowlistRequest{MerchantID: s.ID, RequestID: s.wish.ID}))
		},
		"create an owner":   func() error { return justErr(w.CreateUser(ctx, ann, CreateUser{s.ID, "olga", "", RoleOwner})) },
		"make an owner":     func() error { return justErr(w.SetUserRole(ctx, ann, SetUserRole{s.ID, s.member.ID, RoleOwner})) },
		"reset user's 2FA":  func() error { return justErr(w.ResetUserSecondFactor(ctx, ann, s.ID, s.member.ID)) },
		"reset staff's 2FA": func() error { return justErr(w.ResetStaffSecondFactor(ctx, ann, w.enrolledMember("zoe"))) },
		"create an admin":   func() error { return justErr(w.CreateStaff(ctx, ann, CreateStaff{"max", "", RolePlatformAdmin})) },
		"make an admin":     func() error { return justErr(w.SetStaffRole(ctx, ann, SetStaffRole{eve.ID, RolePlatformAdmin})) },
		"disable an admin":  func() error { return justErr(w.DisableStaff(ctx, ann, w.admin("kim").ID)) },
		"unmake an admin":   func() error { return justErr(w.SetStaffRole(ctx, ann, SetStaffRole{w.admin("lee").ID, RoleAuditor})) },
		"enable an admin":   func() error { return justErr(w.EnableStaff(ctx, ann, pat.ID)) },
		"operator adds": func() error {
			return justErr(w.AddAllowlistEntry(ctx, w.staff(RolePlatformOperator), AddAllowlistEntry{s.ID, "192.0.2.2", "n"}))
		},
	} {
		t.Run(name, func(t *testing.T) { waits(t, try()) })
	}
	for name, try := range map[string]func() error{
		"note":            func() error { return justErr(w.SetAllowlistNote(ctx, ann, SetAllowlistNote{s.ID, s.entry.ID, "n"})) },
		"create an admin": func() error { return justErr(w.CreateUser(ctx, ann, CreateUser{s.ID, "adam", "", RoleAdmin})) },
		"suspend":         func() error { return justErr(w.SuspendMerchant(ctx, ann, s.ID)) },
		"create auditor":  func() error { return justErr(w.CreateStaff(ctx, ann, CreateStaff{"tom", "", RoleAuditor})) },
		"the machine adds": func() error {
			return justErr(w.AddAllowlistEntry(ctx, local(), AddAllowlistEntry{s.ID, "192.0.2.3", "n"}))
		},
		"no live key": func() error {
			return justErr(w.AddAllowlistEntry(ctx, ann, AddAllowlistEntry{w.merchant("Fresh").ID, "192.0.2.4", "n"}))
		},
	} {
		if err := try(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func (w *world) admin(name string) Actor {
	w.Helper()
	return w.member(name, RolePlatformAdmin)
}

func (w *world) enrolledMember(name string) string {
	w.Helper()
	id := w.member(name, RoleAuditor).ID
	w.enrol(id, "")
	return id
}

// Even a key that was revoked makes a merchant live: another may be issued any time.
func TestRevokedLiveKeyCountsAsLive(t *testing.T) {
	w := newWorld(t)
	ann, _ := w.admins()
	m := w.merchant("Shop")
	k := w.key(m.ID, Live).Key
	ok(w.RetireKey(t.Context(), local(), RetireKey{MerchantID: m.ID, KeyID: k.ID}))(t)
	waits(t, justErr(w.AddAllowlistEntry(t.Context(), ann, AddAllowlistEntry{m.ID, "192.0.2.1", "n"})))
}

func TestWhatCannotBeDoneIsNotAskedFor(t *testing.T) {
	w := newWorld(t)
	ann, _ := w.admins()
	s, ctx := w.site("Shop"), t.Context()
	wants(t, justErr(w.AddAllowlistEntry(ctx, ann, AddAllowlistEntry{s.ID, "198.51.100.0/24", "there already"})), CodeConflict)
	wants(t, justErr(w.RemoveAllowlistEntry(ctx, ann, RemoveAllowlistEntry{MerchantID: s.ID, EntryID: "ipa_none"})), CodeNotFound)
	wants(t, justErr(w.ResetUserSecondFactor(ctx, ann, s.ID, s.member.ID)), CodeConflict)
	if all := ok(w.ListApprovals(ctx, ann, ApprovalFilter{}))(t); len(all) != 0 {
		t.Errorf("%+v", all)
	}
}

// Of what was asked for, only what still fits is done; the approval stays open.
func TestApprovalThatNoLongerFitsChangesNothing(t *testing.T) {
	w := newWorld(t)
	ann, bob := w.admins()
	s, ctx := w.site("Shop"), t.Context()
	id := waits(t, justErr(w.AddAllowlistEntry(ctx, ann, AddAllowlistEntry{s.ID, "192.0.2.1", "n"})))
	ok(w.AddAllowlistEntry(ctx, local(), AddAllowlistEntry{s.ID, "192.0.2.1", "the machine was faster"}))(t)
	rows := w.auditRows()
	wants(t, justErr(w.ApproveChange(ctx, bob, DecideApproval{ApprovalID: id})), CodeConflict)
	if w.auditRows() != rows {
		t.Error("something was written down")
	}
	if q := ok(w.Approval(ctx, bob, DecideApproval{ApprovalID: id}))(t); q.State != ApprovalPending {
		t.Errorf("%+v", q)
	}
	wants(t, justErr(w.RejectChange(ctx, bob, DecideApproval{ApprovalID: id})), CodeInvalid)
	ok(w.RejectChange(ctx, bob, DecideApproval{ApprovalID: id, Answer: "done already"}))(t)
	wants(t, justErr(w.ApproveChange(ctx, bob, DecideApproval{ApprovalID: id})), CodeConflict)
}

func TestApprovalExpires(t *testing.T) {
	w := newWorld(t)
	ann, bob := w.admins()
	s, ctx := w.site("Shop"), t.Context()
	id := waits(t, justErr(w.AddAllowlistEntry(ctx, ann, AddAllowlistEntry{s.ID, "192.0.2.1", "n"})))
	w.clock.pass(ApprovalLife)
	wants(t, justErr(w.ApproveChange(ctx, bob, DecideApproval{ApprovalID: id})), CodeConflict)
	wants(t, justErr(w.WithdrawChange(ctx, ann, DecideApproval{ApprovalID: id})), CodeConflict)
	if open := ok(w.ListApprovals(ctx, ann, ApprovalFilter{State: ApprovalPending}))(t); len(open) != 0 {
		t.Errorf("still open: %+v", open)
	}
	if all := ok(w.ListApprovals(ctx, ann, ApprovalFilter{}))(t); len(all) != 1 || all[0].StateAt(w.clock.Now()) != ApprovalExpired {
		t.Errorf("%+v", all)
	}
	waits(t, justErr(w.AddAllowlistEntry(ctx, ann, AddAllowlistEntry{s.ID, "192.0.2.1", "n"})))
}

func TestApprovedOwnerGetsAPasswordOnceAndForTheApprover(t *testing.T) {
	w := newWorld(t)
	ann, bob := w.admins()
	m, ctx := w.merchant("Shop"), t.Context()
	id := waits(t, justErr(w.CreateUser(ctx, ann, CreateUser{m.ID, "Olga", "", RoleOwner})))
	done := ok(w.ApproveChange(ctx, bob, DecideApproval{ApprovalID: id}))(t)
	if done.Account == nil || done.Account.Username != "olga" || len(done.Account.InitialPassword.Reveal()) != 20 {
		t.Fatalf("%+v", done)
	}
	if u := w.stored(m.ID, done.Account.ID); u.Role != RoleOwner || !u.Password.MustChange {
		t.Errorf("%+v", u)
	}
	if strings.Contains(w.onDisk(), done.Account.InitialPassword.Reveal()) {
		t.Error("the password is in the database")
	}
}

func TestNobodyApprovesForThemselves(t *testing.T) {
	w := newWorld(t)
	ann, bob := w.admins()
	ctx, s := t.Context(), w.site("Shop")
	cat := w.member("cat", RolePlatformAdmin)
	w.enrol(cat.ID, "")
	about := waits(t, justErr(w.ResetStaffSecondFactor(ctx, ann, bob.ID)))
	wants(t, justErr(w.ApproveChange(ctx, bob, DecideApproval{ApprovalID: about})), CodeDenied)
	wants(t, justErr(w.WithdrawChange(ctx, bob, DecideApproval{ApprovalID: about})), CodeDenied)

	id := waits(t, justErr(w.AddAllowlistEntry(ctx, ann, AddAllowlistEntry{s.ID, "192.0.2.1", "n"})))
	wants(t, justErr(w.ApproveChange(ctx, w.program(ann, true), DecideApproval{ApprovalID: id})), CodeDenied)
	wants(t, justErr(w.ApproveChange(ctx, w.program(bob, false), DecideApproval{ApprovalID: id})), CodeSudoRequired)
	w.changeMember(bob.ID, func(m *Staff) { m.Disabled = true })
	wants(t, justErr(w.ApproveChange(ctx, bob, DecideApproval{ApprovalID: id})), CodeDenied)
	ok(w.ApproveChange(ctx, cat, DecideApproval{ApprovalID: id}))(t)
	ok(w.WithdrawChange(ctx, ann, DecideApproval{ApprovalID: about}))(t)
}

// program is what acts as a member of staff, with a token of theirs.
func (w *world) program(a Actor, confirmed bool) Actor {
	w.Helper()
	return ok(w.AuthenticateStaffToken(w.Context(), w.staffToken(a, IssueStaffToken{Confirmed: confirmed}).Secret))(w)
}

func TestProgramsAreTheEyesOfWhomTheyActFor(t *testing.T) {
	w := newWorld(t)
	ann, bob := w.admins()
	ctx, s := t.Context(), w.site("Shop")
	hers, his := w.program(ann, true), w.program(bob, true)
	for name, tc := range map[string]struct {
		asks, answers Actor
		approved      bool
	}{
		"her program and his":         {hers, his, true},
		"she and his program":         {ann, his, true},
		"her program and he":          {hers, bob, true},
		"her program and she":         {hers, ann, false},
		"she and her program":         {ann, hers, false},
		"her program and another one": {hers, w.program(ann, true), false},
	} {
		id := waits(t, justErr(w.AddAllowlistEntry(ctx, tc.asks, AddAllowlistEntry{s.ID, "192.0.2.9", name})))
		done, err := w.ApproveChange(ctx, tc.answers, DecideApproval{ApprovalID: id})
		if !tc.approved {
			wants(t, err, CodeDenied)
			continue
		}
		if err != nil || done.Approval.DecidedBy != w.lastAudit().ActorName {
			t.Errorf("%s: %+v %v", name, done, err)
		}
		ok(w.RemoveAllowlistEntry(ctx, local(), RemoveAllowlistEntry{MerchantID: s.ID, CIDR: "192.0.2.9"}))(t)
	}
}

// The operator of the machine needs nobody's leave, and so is as good as a second pair
// of eyes; the trail names the account.
func TestTheOperatorOfTheMachineMayApprove(t *testing.T) {
	w := newWorld(t)
	ann, _ := w.admins()
	s := w.site("Shop")
	id := waits(t, justErr(w.AddAllowlistEntry(t.Context(), ann, AddAllowlistEntry{s.ID, "192.0.2.9", "n"})))
	ok(w.ApproveChange(t.Context(), local(), DecideApproval{ApprovalID: id}))(t)
	if e := w.lastAudit(); e.Operation != OpApprovalApprove || e.ActorKind != ActorLocal || e.ActorName != local().Name {
		t.Errorf("%+v", e)
	}
}

func TestBrokenGlassIsAuditedAndShown(t *testing.T) {
	asvs.Covers(t, "16.3.2")
	w := newWorld(t)
	ann, _ := w.admins()
	s, ctx := w.site("Shop"), t.Context()
	ann.BreakGlass = "payments stand still"
	ok(w.AddAllowlistEntry(ctx, ann, AddAllowlistEntry{s.ID, "192.0.2.1", "n"}))(t)
	glass := ok(w.ListApprovals(ctx, ann, ApprovalFilter{BreakGlass: true, Since: w.clock.Now().Add(-BreakGlassShown)}))(t)
	if len(glass) != 1 || glass[0].State != ApprovalApproved || glass[0].Reason != "payments stand still" || glass[0].DecidedBy != "ann" {
		t.Fatalf("%+v", glass)
	}
	if e := w.lastAudit(); e.Operation != OpAllowlistAdd || e.Reason != "break-glass "+glass[0].ID+": payments stand still" {
		t.Errorf("%+v", e)
	}
	for _, reason := range []string{" ", "two\nlines", strings.Repeat("x", 201)} {
		ann.BreakGlass = reason
		e := wants(t, justErr(w.AddAllowlistEntry(ctx, ann, AddAllowlistEntry{s.ID, "192.0.2.2", "n"})), CodeInvalid)
		if e.Fields[0].Field != "break_glass" {
			t.Errorf("%+v", e)
		}
	}
	operator := w.staff(RolePlatformOperator)
	operator.BreakGlass = "payments stand still"
	wants(t, justErr(w.AddAllowlistEntry(ctx, operator, AddAllowlistEntry{s.ID, "192.0.2.2", "n"})), CodeDenied)
}

func TestWhoIsAloneHasToSayWhy(t *testing.T) {
	w := newWorld(t)
	ann, bob := w.admins()
	s, ctx := w.site("Shop"), t.Context()
	w.must(w.store.Update(ctx, func(tx Tx) error { return tx.DeleteSeeds(ctx, bob.ID) })) // bob could not sign in to approve
	add := func(a Actor, cidr string) error {
		return justErr(w.AddAllowlistEntry(ctx, a, AddAllowlistEntry{s.ID, cidr, "n"}))
	}
	if e := wants(t, add(ann, "192.0.2.1"), CodeInvalid); e.Fields[0].Field != "break_glass" || e.Fields[0].Rule != "alone" {
		t.Errorf("%+v", e)
	}
	ann.BreakGlass = "bob is on leave"
	w.must(add(ann, "192.0.2.1"))
	waits(t, add(w.staff(RolePlatformOperator), "192.0.2.2")) // ann can approve it
}

func TestTheOnlyPlatformAdminNeedsNoSecondPairOfEyes(t *testing.T) {
	w := newWorld(t)
	ann, bob := w.admins()
	s := w.site("Shop")
	w.changeMember(bob.ID, func(m *Staff) { m.Disabled = true })
	ok(w.AddAllowlistEntry(t.Context(), ann, AddAllowlistEntry{s.ID, "192.0.2.1", "n"}))(t)
	ok(w.CreateUser(t.Context(), ann, CreateUser{s.ID, "olga", "", RoleOwner}))(t)
	if e := w.lastAudit(); strings.Contains(e.Reason, "break-glass") {
		t.Errorf("%+v", e)
	}
}

func TestPendingApprovalsAreBounded(t *testing.T) {
	w := newWorld(t)
	ann, _ := w.admins()
	s := w.site("Shop")
	for range MaxPendingApprovals {
		w.pending(s.ID, ann.ID)
	}
	wants(t, justErr(w.AddAllowlistEntry(t.Context(), ann, AddAllowlistEntry{s.ID, "192.0.2.1", "n"})), CodeLimit)
}

func TestStaffOfThenCannotActNow(t *testing.T) {
	asvs.Covers(t, "8.3.2")
	w := newWorld(t)
	m := w.merchant("Shop")
	disabled, demoted := w.member("dan", RolePlatformOperator), w.member("dora", RolePlatformAdmin)
	w.changeMember(disabled.ID, func(m *Staff) { m.Disabled = true })
	w.changeMember(demoted.ID, func(m *Staff) { m.Role = RolePlatformOperator })
	ghost := disabled
	ghost.ID = "stf_00000000000000000000000000"
	for _, a := range []Actor{disabled, demoted, ghost} {
		w.refused(t, a, OpMerchantRename, CodeDenied, func() error {
			return justErr(w.RenameMerchant(t.Context(), a, RenameMerchant{m.ID, "Other"}))
		})
	}
}

func TestLastPlatformAdminStays(t *testing.T) {
	w := newWorld(t)
	ann, bob := w.admins()
	ctx := t.Context()
	wants(t, justErr(w.DisableStaff(ctx, ann, ann.ID)), CodeConflict) // one's own
	wants(t, justErr(w.ResetStaffPassword(ctx, ann, ann.ID)), CodeConflict)
	if e := wants(t, justErr(w.DisableStaff(ctx, ann, bob.ID)), CodeInvalid); e.Fields[0].Field != "break_glass" {
		t.Errorf("%+v", e) // bob is the second pair of eyes, so ann would need none afterwards
	}
	ann.BreakGlass = "bob's laptop was stolen"
	ok(w.DisableStaff(ctx, ann, bob.ID))(t)
	w.diffIs(OpStaffDisable, bob.ID, `{"disabled":{"from":false,"to":true}}`)
	for name, err := range map[string]error{
		"disable": justErr(w.DisableStaff(ctx, local(), ann.ID)),
		"demote":  justErr(w.SetStaffRole(ctx, local(), SetStaffRole{ann.ID, RoleAuditor})),
	} {
		if e := wants(t, err, CodeConflict); !strings.Contains(e.Message, "last platform admin") {
			t.Errorf("%s: %v", name, e)
		}
	}
	ok(w.EnableStaff(ctx, local(), bob.ID))(t)
	ok(w.SetStaffRole(ctx, ann, SetStaffRole{bob.ID, RoleAuditor}))(t)
	wants(t, justErr(w.SetStaffRole(ctx, ann, SetStaffRole{bob.ID, RoleAuditor})), CodeConflict)
	wants(t, justErr(w.DisableStaff(ctx, ann, "stf_none")), CodeNotFound)
}

func TestNewStaffGetsAPasswordThatDies(t *testing.T) {
	asvs.Covers(t, "6.4.1")
	w := newWorld(t)
	ann, ctx := w.staff(RolePlatformAdmin), t.Context()
	a := ok(w.CreateStaff(ctx, ann, CreateStaff{" EVE ", "eve@example.com", RoleAuditor}))(t)
	v := ok(w.StaffMember(ctx, ann, StaffRef{a.ID}))(t)
	if v.Username != "eve" || v.SecondFactor || !v.Password.MustChange || !v.Password.ExpiresAt.Equal(w.clock.Now().Add(72*time.Hour)) {
		t.Errorf("%+v", v)
	}
	e := wants(t, justErr(w.CreateStaff(ctx, ann, CreateStaff{"eve", "", RoleAuditor})), CodeConflict)
	if e.Fields[0].Field != "username" {
		t.Errorf("%+v", e)
	}
	wants(t, justErr(w.CreateStaff(ctx, ann, CreateStaff{"max", "", RoleOwner})), CodeInvalid)
	w.enrol(a.ID, "")
	again := ok(w.ResetStaffPassword(ctx, ann, a.ID))(t)
	if again.InitialPassword.Reveal() == a.InitialPassword.Reveal() || again.Username != "eve" {
		t.Errorf("%+v", again)
	}
	ok(w.ResetStaffSecondFactor(ctx, ann, a.ID))(t)
	w.diffIs(OpStaffResetSecondFactor, a.ID, `{"second_factor":{"from":true,"to":false}}`)
	ok(w.SignOutStaff(ctx, ann, a.ID))(t)
	if list := ok(w.ListStaff(ctx, ann, Page{}))(t); len(list) != 2 || list[0].ID != a.ID || list[0].SecurityVersion != 4 {
		t.Errorf("%+v", list)
	}
	wants(t, justErr(w.StaffMember(ctx, ann, StaffRef{"stf_none"})), CodeNotFound)
	if _, err := w.ResetStaffSecondFactor(ctx, ann, a.ID); !errors.As(err, new(*Error)) || CodeOf(err) != CodeConflict {
		t.Errorf("%v", err)
	}
}
