package controlplane_test

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/unknownpay/merchant-gateway/controlplane"
)

// member makes a member of staff, and returns them as they act in the console
// after they confirmed who they are.
func (w *world) member(username string, role Role) Actor {
	w.Helper()
	id := ok(NewID(PrefixStaff, w.clock.Now(), w.parts.Random))(w)
	w.must(w.store.Update(w.Context(), func(tx Tx) error {
		return tx.InsertStaff(w.Context(), Staff{ID: id, Username: username, Role: role, SecurityVersion: 1, CreatedAt: w.clock.Now(), UpdatedAt: w.clock.Now()})
	}))
	return Actor{Kind: ActorStaff, ID: id, Name: username, Role: role, Sudo: true}
}

// changeMember edits what the database holds of a member.
func (w *world) changeMember(id string, edit func(*Staff)) {
	w.Helper()
	w.must(w.store.Update(w.Context(), func(tx Tx) error {
		m, err := tx.StaffMember(w.Context(), id)
		if err != nil {
			return err
		}
		edit(&m)
		return tx.UpdateStaff(w.Context(), m)
	}))
}

func (w *world) staffToken(a Actor, in IssueStaffToken) IssuedStaffToken {
	w.Helper()
	in.Name = cmp.Or(in.Name, "reports")
	return ok(w.IssueStaffToken(w.Context(), a, in))(w)
}

// staffTokenCalls are the calls of the operations on staff tokens.
func staffTokenCalls() map[Operation]call {
	return map[Operation]call{
		OpStaffTokenIssue: func(w *world, a Actor, _ site, _ string) error {
			in := IssueStaffToken{Name: "reports"}
			if a.Kind == ActorStaff {
				w.ensureMember(a)
			} else {
				in.Username = w.member("bob"+strings.ToLower(cmpID(w)), RoleAuditor).Name
			}
			return justErr(w.IssueStaffToken(w.Context(), a, in))
		},
		OpStaffTokenRevoke: func(w *world, a Actor, _ site, _ string) error {
			owner := a
			if a.Kind == ActorStaff {
				w.ensureMember(a)
			} else {
				owner = w.member("eve"+strings.ToLower(cmpID(w)), RoleAuditor)
			}
			owner.Sudo, owner.Role = true, platformRole(owner.Role)
			t := w.staffToken(owner, IssueStaffToken{})
			return justErr(w.RevokeStaffToken(w.Context(), a, t.Token.ID))
		},
		OpStaffTokenList: func(w *world, a Actor, _ site, _ string) error {
			return justErr(w.ListStaffTokens(w.Context(), a, StaffTokenFilter{}))
		},
	}
}

func cmpID(w *world) string { return ok(NewID("", w.clock.Now(), w.parts.Random))(w) }

// platformRole is a role that staff can have, whatever an actor claims to be.
func platformRole(r Role) Role {
	if slices.Contains([]Role{RolePlatformAdmin, RolePlatformOperator}, r) {
		return r
	}
	return RoleAuditor
}

// ensureMember gives an actor who is nobody's account one.
func (w *world) ensureMember(a Actor) {
	w.Helper()
	w.must(w.store.Update(w.Context(), func(tx Tx) error {
		_, err := tx.StaffMember(w.Context(), a.ID)
		if !errors.Is(err, ErrNotFound) {
			return err
		}
		return tx.InsertStaff(w.Context(), Staff{ID: a.ID, Username: a.ID, Role: platformRole(a.Role), SecurityVersion: 1, CreatedAt: w.clock.Now(), UpdatedAt: w.clock.Now()})
	}))
}

func TestStaffTokenActsAsItsMember(t *testing.T) {
	w := newWorld(t)
	ann := w.member("ann", RolePlatformOperator)
	issued := w.staffToken(ann, IssueStaffToken{})
	text := issued.Secret.Reveal()
	if !strings.HasPrefix(text, "unks_staff_") || !issued.Token.ExpiresAt.Equal(w.clock.Now().Add(90*24*time.Hour)) {
		t.Errorf("%+v", issued.Token)
	}
	a := ok(w.AuthenticateStaffToken(t.Context(), issued.Secret))(t)
	if a != (Actor{Kind: ActorStaff, ID: ann.ID, Name: "ann", Role: RolePlatformOperator, TokenID: issued.Token.ID}) {
		t.Errorf("%+v", a)
	}
	ok(w.CreateMerchant(t.Context(), a, CreateMerchant{Name: "Shop"}))(t)
	if e := w.lastAudit(); e.ActorID != ann.ID || e.ActorName != "ann by "+issued.Token.ID || e.ActorKind != ActorStaff {
		t.Errorf("%+v", e)
	}
	if strings.Contains(w.onDisk(), text) {
		t.Error("the token is in the database")
	}
	if used := ok(w.ListStaffTokens(t.Context(), ann, StaffTokenFilter{StaffID: ann.ID}))(t)[0]; !used.LastUsedAt.Equal(w.clock.Now()) {
		t.Errorf("last used %v", used.LastUsedAt)
	}
}

func TestStaffTokenDiesWithWhatItStandsFor(t *testing.T) {
	for name, end := range map[string]func(*world, Actor, StaffToken){
		"expiry":   func(w *world, _ Actor, _ StaffToken) { w.clock.pass(24 * time.Hour) },
		"revoked":  func(w *world, a Actor, s StaffToken) { ok(w.RevokeStaffToken(w.Context(), a, s.ID))(w) },
		"disabled": func(w *world, a Actor, _ StaffToken) { w.changeMember(a.ID, func(m *Staff) { m.Disabled = true }) },
		"password": func(w *world, a Actor, _ StaffToken) { w.changeMember(a.ID, func(m *Staff) { m.SecurityVersion++ }) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			ann := w.member("ann", RolePlatformAdmin)
			issued := w.staffToken(ann, IssueStaffToken{Days: 1})
			a := ok(w.AuthenticateStaffToken(t.Context(), issued.Secret))(t)
			end(w, ann, issued.Token)
			_, err := w.AuthenticateStaffToken(t.Context(), issued.Secret)
			ended := wants(t, err, CodeUnauthenticated)
			_, err = w.AuthenticateStaffToken(t.Context(), NewSecret(issued.Secret.Reveal()+"x"))
			if never := wants(t, err, CodeUnauthenticated); never.Error() != ended.Error() {
				t.Errorf("%q and %q differ", never, ended)
			}
			// One that was admitted a moment ago does not slip through.
			_, err = w.CreateMerchant(t.Context(), a, CreateMerchant{Name: "Shop"})
			wants(t, err, CodeDenied)
		})
	}
}

func TestOnlyMembersWithASecondFactorGetConfirmedTokens(t *testing.T) {
	w := newWorld(t)
	ann := w.member("ann", RolePlatformOperator)
	_, err := w.IssueStaffToken(t.Context(), ann, IssueStaffToken{Name: "x", Confirmed: true})
	wants(t, err, CodeConflict)
	plain := ok(w.AuthenticateStaffToken(t.Context(), w.staffToken(ann, IssueStaffToken{}).Secret))(t)
	m := w.merchant("Shop")
	_, err = w.SuspendMerchant(t.Context(), plain, m.ID)
	wants(t, err, CodeSudoRequired)
	w.enrol(ann.ID, "")
	confirmed := ok(w.AuthenticateStaffToken(t.Context(), w.staffToken(ann, IssueStaffToken{Confirmed: true}).Secret))(t)
	ok(w.SuspendMerchant(t.Context(), confirmed, m.ID))(t)
}

func TestNobodyGetsATokenThatIsNotTheirs(t *testing.T) {
	w := newWorld(t)
	ann, bob := w.member("ann", RolePlatformAdmin), w.member("bob", RoleAuditor)
	_, err := w.IssueStaffToken(t.Context(), ann, IssueStaffToken{Name: "x", Username: "bob"})
	wants(t, err, CodeDenied)
	w.enrol(ann.ID, "")
	byToken := ok(w.AuthenticateStaffToken(t.Context(), w.staffToken(ann, IssueStaffToken{Confirmed: true}).Secret))(t)
	_, err = w.IssueStaffToken(t.Context(), byToken, IssueStaffToken{Name: "x"})
	wants(t, err, CodeDenied)
	annsOwn := w.staffToken(ann, IssueStaffToken{Username: "Ann"}).Token.ID
	_, err = w.RevokeStaffToken(t.Context(), bob, annsOwn)
	wants(t, err, CodeDenied)
	bobs := w.staffToken(local(), IssueStaffToken{Username: "bob"}).Token
	if bobs.StaffID != bob.ID || bobs.CreatedBy != "root" {
		t.Errorf("%+v", bobs)
	}
	ok(w.RevokeStaffToken(t.Context(), ann, bobs.ID))(t)
	_, err = w.RevokeStaffToken(t.Context(), ann, bobs.ID)
	wants(t, err, CodeConflict)
	_, err = w.RevokeStaffToken(t.Context(), ann, "stt_x")
	wants(t, err, CodeNotFound)
	w.changeMember(bob.ID, func(m *Staff) { m.Disabled = true })
	for username, code := range map[string]Code{"bob": CodeConflict, "nobody": CodeNotFound, "": CodeInvalid} {
		_, err = w.IssueStaffToken(t.Context(), local(), IssueStaffToken{Name: "x", Username: username})
		wants(t, err, code)
	}
}
