package controlplane_test

import (
	"errors"
	"testing"

	. "github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/tests/asvs"
)

func TestAResetPasswordIsAnInitialOne(t *testing.T) {
	asvs.Covers(t, "6.4.1", "6.4.6", "7.4.5")
	w := newWorld(t)
	m, ctx := w.merchant("Shop"), t.Context()
	id := w.user(m.ID, "ann", RoleOwner).ID
	before := w.stored(m.ID, id)

	account := ok(w.ResetUserPassword(ctx, local(), m.ID, id))(t)
	w.diffIs(OpUserResetPassword, id, `{"password":{"to":"a generated one"}}`)
	u := w.stored(m.ID, id)
	if account.ID != id || account.Username != "ann" || len(account.InitialPassword.Reveal()) != 20 {
		t.Errorf("unexpected account: %+v", account)
	}
	if !u.Password.MustChange || !u.Password.ExpiresAt.Equal(account.ExpiresAt) || u.SecurityVersion != before.SecurityVersion+1 {
		t.Errorf("the reset must force a change, expire and end sessions: %+v", u)
	}
	wants(t, justErr(w.ResetUserPassword(ctx, local(), m.ID, "usr_none")), CodeNotFound)
	wants(t, justErr(w.ResetUserPassword(ctx, local(), w.merchant("Other").ID, id)), CodeNotFound)
}

func TestAResetSecondFactorIsGone(t *testing.T) {
	asvs.Covers(t, "6.4.4", "6.5.6")
	w := newWorld(t)
	m, ctx := w.merchant("Shop"), t.Context()
	id := w.user(m.ID, "ann", RoleOwner).ID
	wants(t, justErr(w.ResetUserSecondFactor(ctx, local(), m.ID, id)), CodeConflict)

	w.enrol(id, m.ID)
	u := ok(w.ResetUserSecondFactor(ctx, local(), m.ID, id))(t)
	w.diffIs(OpUserResetSecondFactor, id, `{"second_factor":{"from":true,"to":false}}`)
	if !u.Password.MustChange || u.SecurityVersion != 2 {
		t.Errorf("the reset must force a new password and end sessions: %+v", u)
	}
	w.must(w.store.View(ctx, func(tx Tx) error {
		if n, err := tx.RecoveryCodesLeft(ctx, id); err != nil || n != 0 {
			t.Errorf("%d recovery codes are left, %v", n, err)
		}
		return nil
	}))
	wants(t, justErr(w.ResetUserSecondFactor(ctx, local(), m.ID, id)), CodeConflict)
}

// enrol gives a user a second factor with two recovery codes.
func (w *world) enrol(id, merchantID string) {
	w.Helper()
	ctx := w.Context()
	w.must(w.store.Update(ctx, func(tx Tx) error {
		seed := TOTPSeed{ID: "tot_" + id, AccountID: id, MerchantID: merchantID, Sealed: []byte("sealed"), CreatedAt: w.clock.Now()}
		return errors.Join(tx.DeleteSeeds(ctx, id), tx.PutPendingSeed(ctx, seed), tx.ConfirmSeed(ctx, id, seed.ID, 1),
			tx.ReplaceRecoveryCodes(ctx, id, [][32]byte{{1}, {2}}))
	}))
}
