package controlplane

import (
	"context"
	"errors"
)

// pastPasswords is how many former passwords an account keeps, so that none of them
// can be chosen again.
const pastPasswords = 4

// ResetUserPassword replaces the password of a user who cannot get in by a
// generated one, as [Service.CreateUser] does, and ends their sessions. The second
// factor stays.
func (s *Service) ResetUserPassword(ctx context.Context, a Actor, merchantID, userID string) (NewAccount, error) {
	r := request{actor: a, op: OpUserResetPassword, merchantID: merchantID, input: ofMerchant{merchantID}}
	if err := s.admit(ctx, r); err != nil { // before the expensive hash
		return NewAccount{}, err
	}
	account, password, err := s.newAccount(ctx, PrefixUser, "", s.rules.InitialPasswordTTL)
	if err != nil {
		return NewAccount{}, err
	}
	u, err := s.rescueUser(ctx, r, userID, func(tx Tx, u *User, rec *record) error {
		if err := tx.AddPastPassword(ctx, u.ID, u.Password.Hash, s.now(), pastPasswords); err != nil {
			return err
		}
		rec.diff = map[string]Change{"password": {To: "a generated one"}}
		u.Password = password
		return nil
	})
	account.ID, account.Username = u.ID, u.Username
	return account, err
}

// ResetUserSecondFactor takes the second factor and the recovery codes from a user
// who has lost them, ends their sessions, and forces a new password at the next
// sign-in, since theirs may be shorter than one that stands alone must be. Make sure
// of who is asking: from then on the password alone lets them in.
func (s *Service) ResetUserSecondFactor(ctx context.Context, a Actor, merchantID, userID string) (User, error) {
	r := request{actor: a, op: OpUserResetSecondFactor, merchantID: merchantID, input: ofMerchant{merchantID}}
	return s.rescueUser(ctx, r, userID, func(tx Tx, u *User, rec *record) error {
		_, err := tx.Seed(ctx, u.ID, true)
		if errors.Is(err, ErrNotFound) {
			return Errorf(CodeConflict, "user %s has no second factor", u.ID)
		}
		if err != nil {
			return err
		}
		rec.diff = map[string]Change{"second_factor": {From: true, To: false}}
		u.Password.MustChange = true
		return errors.Join(tx.DeleteSeeds(ctx, u.ID), tx.ReplaceRecoveryCodes(ctx, u.ID, nil))
	})
}

// rescueUser is changeUser for edits that reach beyond the user's row.
func (s *Service) rescueUser(ctx context.Context, r request, userID string, edit func(Tx, *User, *record) error) (User, error) {
	return change(ctx, s, r, func(tx Tx, rec *record) (User, error) {
		u, err := tx.User(ctx, r.merchantID, userID)
		if err != nil {
			return u, orNotFound(err, "user", userID)
		}
		rec.target = u.ID
		if err := edit(tx, &u, rec); err != nil {
			return u, err
		}
		u.SecurityVersion++
		u.UpdatedAt = s.now()
		return u, tx.UpdateUser(ctx, u)
	})
}
