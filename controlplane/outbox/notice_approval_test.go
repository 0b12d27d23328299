package outbox_test

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/outbox"
)

// team is a platform team with second factors and addresses: two admins and more,
// one of whom is disabled and one without an address.
func (w *world) team() map[string]controlplane.Actor {
	w.Helper()
	team := map[string]controlplane.Actor{}
	for name, role := range map[string]controlplane.Role{
		"ann": controlplane.RolePlatformAdmin, "bob": controlplane.RolePlatformAdmin, "cat": controlplane.RolePlatformAdmin,
		"off": controlplane.RolePlatformAdmin, "mute": controlplane.RolePlatformAdmin, "oda": controlplane.RolePlatformOperator, "eve": controlplane.RoleAuditor,
	} {
		id, err := controlplane.NewID(controlplane.PrefixStaff, w.now, rand.Reader)
		w.check(err)
		m := controlplane.Staff{ID: id, Username: name, Role: role, Email: name + "@staff.example", Disabled: name == "off", SecurityVersion: 1, CreatedAt: w.now, UpdatedAt: w.now}
		if name == "mute" {
			m.Email = ""
		}
		seed := controlplane.TOTPSeed{ID: "tot_" + id, AccountID: id, Sealed: []byte("sealed"), CreatedAt: w.now}
		w.check(w.db.Update(w.Context(), func(tx controlplane.Tx) error {
			return errors.Join(tx.InsertStaff(w.Context(), m), tx.PutPendingSeed(w.Context(), seed), tx.ConfirmSeed(w.Context(), id, seed.ID, 1))
		}))
		team[name] = controlplane.Actor{Kind: controlplane.ActorStaff, ID: id, Name: name, Role: role, Sudo: true}
	}
	return team
}

// told is who gets mail with a subject, and the mail.
func (w *world) told(subject string) (to string, mail []controlplane.Mail) {
	w.Helper()
	var all []string
	for _, m := range w.due() {
		if strings.HasPrefix(m.Subject, subject) {
			name, _, _ := strings.Cut(m.To, "@")
			all, mail = append(all, name), append(mail, m)
		}
	}
	slices.Sort(all)
	return strings.Join(all, " "), mail
}

// wait asks for a change that waits, and returns the approval's id.
func (w *world) wait(err error) string {
	w.Helper()
	var e *controlplane.Error
	if !errors.As(err, &e) || e.Code != controlplane.CodePending {
		w.Fatalf("does not wait: %v", err)
	}
	return e.ApprovalID
}

func TestAdminsAreToldOnceOfWhatWaitsForThem(t *testing.T) {
	w := newWorld(t)
	team := w.team()
	add := controlplane.AddAllowlistEntry{MerchantID: w.merchant.ID, CIDR: "8.8.8.7", Note: "a note that is nobody else's business"}
	ask := func(who string) error {
		_, err := w.service.AddAllowlistEntry(t.Context(), team[who], add)
		return err
	}
	_, err := w.service.IssueKey(t.Context(), operator, controlplane.IssueKey{MerchantID: w.merchant.ID, Environment: controlplane.Live})
	w.check(err)
	id := w.wait(ask("ann"))
	if err := ask("ann"); controlplane.CodeOf(err) != controlplane.CodeConflict {
		t.Fatalf("asked twice: %v", err)
	}
	to, mail := w.told("A change waits")
	if to != "bob cat" {
		t.Errorf("told %q: neither who asked, nor who could not approve it", to)
	}
	for _, m := range mail {
		for _, want := range []string{"ann", "allowlist.add", "Blue Bottle Books", w.merchant.ID, "/approvals/" + id, "2026-11-30 09:00 UTC"} {
			if strings.Count(m.Body, want) != 2 {
				t.Errorf("%q is not in both languages of:\n%s", want, m.Body)
			}
		}
		if strings.Contains(m.Body, add.Note) || strings.Contains(m.Body, "{") || !strings.ContainsFunc(m.Body, isThai) {
			t.Errorf("%s", m.Body)
		}
	}
	// What an operator asks for waits for every admin; what is about an admin not for
	// that one.
	add.CIDR = "8.8.8.8"
	w.wait(ask("oda"))
	_, err = w.service.SetStaffRole(t.Context(), team["ann"], controlplane.SetStaffRole{StaffID: team["bob"].ID, Role: controlplane.RoleAuditor})
	w.wait(err)
	if to, _ := w.told("A change waits"); to != "ann bob bob cat cat cat" {
		t.Errorf("told %q", to)
	}
}

// Whom a change makes no admin any more is told all the same: it is the very one who
// should know.
func TestEverybodyElseIsToldOfBreakGlass(t *testing.T) {
	w := newWorld(t)
	team := w.team()
	ann := team["ann"]
	ann.BreakGlass = "bob's laptop was stolen"
	_, err := w.service.DisableStaff(t.Context(), ann, team["bob"].ID)
	w.check(err)
	to, mail := w.told("Break-glass")
	if to != "bob cat" {
		t.Fatalf("told %q", to)
	}
	for _, want := range []string{"ann", "staff.disable", "UnknownPay", ann.BreakGlass, "/approvals/" + controlplane.PrefixApproval} {
		if strings.Count(mail[0].Body, want) < 2 {
			t.Errorf("%q is not in both languages of:\n%s", want, mail[0].Body)
		}
	}
	if to, _ := w.told("A change waits"); to != "" {
		t.Errorf("%q wait for nothing", to)
	}
}

// The mail and the change are one transaction: neither is there without the other.
func TestNothingWaitsAndNoGlassIsBrokenUntold(t *testing.T) {
	w := newWorld(t)
	team := w.team()
	full := errors.New("no room for the mail")
	parts := controlplane.Parts{
		Store: w.db, Sealer: w.ring(), Hasher: plainHasher{}, Clock: w.clock, Random: rand.Reader,
		NotifyApproval: func(ctx context.Context, tx controlplane.Tx, n controlplane.ApprovalNotice) error {
			return errors.Join(outbox.NotifyApproval(ctx, tx, n), full)
		},
	}
	service, err := controlplane.NewService(parts)
	w.check(err)
	role := controlplane.SetStaffRole{StaffID: team["bob"].ID, Role: controlplane.RoleAuditor}
	for _, reason := range []string{"", "in a hurry"} {
		ann := team["ann"]
		ann.BreakGlass = reason
		if _, err := service.SetStaffRole(t.Context(), ann, role); controlplane.CodeOf(err) != controlplane.CodeInternal {
			t.Errorf("break-glass %q: %v", reason, err)
		}
	}
	all, err := w.service.ListApprovals(t.Context(), operator, controlplane.ApprovalFilter{})
	w.check(err)
	members, err := w.service.ListStaff(t.Context(), operator, controlplane.Page{})
	w.check(err)
	for _, m := range members {
		if m.ID == role.StaffID && m.Role != controlplane.RolePlatformAdmin {
			t.Error("the role was changed")
		}
	}
	if mail := w.due(); len(all)+len(mail) != 0 {
		t.Errorf("%d approvals, %d messages", len(all), len(mail))
	}
}
