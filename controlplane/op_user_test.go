package controlplane_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/unknownpay/merchant-gateway/controlplane"
)

// stored returns a user as the store holds them.
func (w *world) stored(merchantID, id string) (u User) {
	w.Helper()
	w.must(w.store.View(w.Context(), func(tx Tx) (err error) {
		u, err = tx.User(w.Context(), merchantID, id)
		return err
	}))
	return u
}

func TestNewUserGetsAPasswordThatDies(t *testing.T) {
	w := newWorld(t)
	m := w.merchant("Shop")
	a := ok(w.CreateUser(t.Context(), w.staff(RolePlatformAdmin), CreateUser{
		MerchantID: m.ID, Username: " Ann@Shop.example ", Email: "ann@shop.example", Role: RoleOwner,
	}))(t)
	w.diffIs(OpUserCreate, a.ID, `{"email":{"to":"ann@shop.example"},"role":{"to":"owner"},"username":{"to":"ann@shop.example"}}`)
	if a.Username != "ann@shop.example" || !a.ExpiresAt.Equal(w.clock.Now().Add(72*time.Hour)) {
		t.Errorf("unexpected account: %+v", a)
	}
	if p := a.InitialPassword.Reveal(); len(p) != 20 || strings.ContainsAny(p, "ilo01") {
		t.Errorf("the initial password %q is easily misread", p)
	}
	u := w.stored(m.ID, a.ID)
	if !u.Password.MustChange || !u.Password.ExpiresAt.Equal(a.ExpiresAt) || u.SecurityVersion != 1 || u.Disabled {
		t.Errorf("unexpected user: %+v", u)
	}
	b := ok(w.CreateUser(t.Context(), local(), CreateUser{MerchantID: m.ID, Username: "bob", Role: RoleViewer}))(t)
	if a.InitialPassword.Reveal() == b.InitialPassword.Reveal() {
		t.Error("two users have the same initial password")
	}
}

func TestUsernamesAreUniqueOverMerchantsInEverySpelling(t *testing.T) {
	w := newWorld(t)
	one, two := w.merchant("One"), w.merchant("Two")
	w.user(one.ID, "kate", RoleOwner)
	for _, spelling := range []string{"kate", "Kate", "KATE", "  kate\t", "\u212aate"} { // U+212A is the kelvin sign
		for _, m := range []Merchant{one, two} {
			err := justErr(w.CreateUser(t.Context(), local(), CreateUser{MerchantID: m.ID, Username: spelling, Role: RoleOwner}))
			wants(t, err, CodeConflict)
		}
	}
}

func TestUserLife(t *testing.T) {
	w := newWorld(t)
	m, ctx := w.merchant("Shop"), t.Context()
	id := w.user(m.ID, "ann", RoleAdmin).ID

	u := ok(w.SetUserRole(ctx, local(), SetUserRole{m.ID, id, RoleViewer}))(t)
	w.diffIs(OpUserRole, id, `{"role":{"from":"admin","to":"viewer"}}`)
	wants(t, justErr(w.SetUserRole(ctx, local(), SetUserRole{m.ID, id, RoleViewer})), CodeConflict)
	if u.Role != RoleViewer || u.SecurityVersion != 2 {
		t.Errorf("unexpected user: %+v", u)
	}
	ok(w.DisableUser(ctx, local(), m.ID, id))(t)
	w.diffIs(OpUserDisable, id, `{"disabled":{"from":false,"to":true}}`)
	wants(t, justErr(w.DisableUser(ctx, local(), m.ID, id)), CodeConflict)
	ok(w.EnableUser(ctx, local(), m.ID, id))(t)
	w.diffIs(OpUserEnable, id, `{"disabled":{"from":true,"to":false}}`)
	wants(t, justErr(w.EnableUser(ctx, local(), m.ID, id)), CodeConflict)

	if u := w.stored(m.ID, id); u.SecurityVersion != 4 || u.Disabled || u.Role != RoleViewer {
		t.Errorf("every change must end older sessions: %+v", u)
	}
	list := ok(w.ListUsers(ctx, local(), UserFilter{MerchantID: m.ID}))(t)
	if len(list) != 1 || list[0].ID != id {
		t.Errorf("unexpected list: %+v", list)
	}
}

// busyHasher has no slot free.
type busyHasher struct{}

func (busyHasher) Hash(context.Context, Secret) (Secret, error) {
	return Secret{}, &Error{Code: CodeUnavailable, Message: "no slot", RetryAfter: time.Second}
}

func TestNoHashNoUser(t *testing.T) {
	w := newWorld(t)
	m := w.merchant("Shop")
	w.rebuild(func(p *Parts) { p.Hasher = busyHasher{} })
	err := justErr(w.CreateUser(t.Context(), local(), CreateUser{MerchantID: m.ID, Username: "ann", Role: RoleOwner}))
	if e := wants(t, err, CodeUnavailable); e.RetryAfter != time.Second {
		t.Errorf("the caller is not told when to try again: %+v", e)
	}
	if list := ok(w.ListUsers(t.Context(), local(), UserFilter{MerchantID: m.ID}))(t); len(list) != 0 {
		t.Errorf("a user without a password: %+v", list)
	}
}

func TestOneBootstrapWins(t *testing.T) {
	w := newWorld(t)
	var won atomic.Int32
	var all sync.WaitGroup
	for i := range 32 {
		all.Go(func() {
			a, err := w.BootstrapStaff(t.Context(), local(), BootstrapStaff{Username: fmt.Sprintf("admin%d", i)})
			switch {
			case err == nil && a.ExpiresAt.Equal(w.clock.Now().Add(24*time.Hour)) && !a.InitialPassword.IsZero():
				won.Add(1)
			case CodeOf(err) != CodeConflict:
				t.Errorf("unexpected error: %v", err)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 {
		t.Fatalf("%d bootstraps succeeded", won.Load())
	}
	w.must(w.store.View(t.Context(), func(tx Tx) error {
		n, err := tx.CountStaff(t.Context())
		if n != 1 {
			t.Errorf("%d members of staff", n)
		}
		return err
	}))
	if e := w.lastAudit(); e.Operation != OpStaffBootstrap || !strings.Contains(string(e.Diff), `"role":{"to":"platform_admin"}`) {
		t.Errorf("unexpected audit row: %+v", e)
	}
}

func TestPasswordRuleOfTheOperatorIsObeyed(t *testing.T) {
	w := newWorld(t)
	w.rebuild(func(p *Parts) { p.Rules.InitialPasswordTTL = time.Hour })
	a := ok(w.CreateUser(t.Context(), local(), CreateUser{MerchantID: w.merchant("Shop").ID, Username: "ann", Role: RoleOwner}))(t)
	if !a.ExpiresAt.Equal(w.clock.Now().Add(time.Hour)) {
		t.Errorf("the password lives until %s", a.ExpiresAt)
	}
}

// What waits for its turn when the caller gives up is not done.
func TestOperationGivenUpChangesNothing(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := justErr(w.CreateMerchant(ctx, local(), CreateMerchant{Name: "Shop"}))
	if wants(t, err, CodeUnavailable); !errors.Is(err, context.Canceled) {
		t.Errorf("the cause is lost: %v", err)
	}
	if list := ok(w.ListMerchants(t.Context(), local(), MerchantFilter{}))(t); len(list) != 0 {
		t.Error("the merchant was made all the same")
	}
}

func TestUserListIsCutIntoPages(t *testing.T) {
	w := newWorld(t)
	m := w.merchant("Shop")
	var want, got []string
	for i := range 7 {
		w.clock.pass(time.Millisecond)
		want = append(want, w.user(m.ID, fmt.Sprintf("user%d", i), RoleViewer).ID)
	}
	for after := ""; ; {
		page := ok(w.ListUsers(t.Context(), local(), UserFilter{MerchantID: m.ID, Page: Page{After: after, Limit: 3}}))(t)
		if len(page) == 0 {
			break
		}
		for _, u := range page {
			got = append(got, u.ID)
		}
		after = got[len(got)-1]
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v; want %v", got, want)
	}
}
