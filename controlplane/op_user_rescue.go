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
	r := request{actor: a, op: OpUserResetPassword, merchantID: merchantID, input: UserRef{merchantID, userID}}
	if err := s.admit(ctx, r); err != nil { // before the expensive hash
		return NewAccount{}, err
	}
	account, password, err := s.newAccount(ctx, PrefixUser, "", s.rules.InitialPasswordTTL)
	if err != nil {
		return NewAccount{}, err
	}
	u, err := carryOut(ctx, s, s.planUser(ctx, r, userID, func(tx Tx, u *User, rec *record) error {
		if err := tx.AddPastPassword(ctx, u.ID, u.Password.Hash, s.now(), pastPasswords); err != nil {
			return err
		}
		rec.diff = map[string]Change{"password": {To: "a generated one"}}
		u.Password = password
		return nil
	}))
	account.ID, account.Username = u.ID, u.Username
	return account, err
}

// ResetUserSecondFactor takes the second factor and the recovery codes from a user
// who has lost them, ends their sessions, and forces a new password at the next
// sign-in, since theirs may be shorter than one that stands alone must be. Make sure
// of who is asking: from then on the password alone lets them in. CodePending if
// somebody else of the staff has to approve.
func (s *Service) ResetUserSecondFactor(ctx context.Context, a Actor, merchantID, userID string) (User, error) {
	p, err := s.planResetUserFactor(ctx, a, UserRef{merchantID, userID})
	if err != nil {
		return User{}, err
	}
	return carryOut(ctx, s, p)
}

func (s *Service) planResetUserFactor(ctx context.Context, a Actor, in UserRef) (plan[User], error) {
	r := request{actor: a, op: OpUserResetSecondFactor, merchantID: in.MerchantID, input: in, eyes: new(fourEyes)}
	return s.planUser(ctx, r, in.UserID, func(tx Tx, u *User, rec *record) error {
		rec.diff = map[string]Change{"second_factor": {From: true, To: false}}
		u.Password.MustChange = true
		return removeFactor(ctx, tx, u.ID)
	}), nil
}

// removeFactor takes the second factor and the recovery codes from an account.
func removeFactor(ctx context.Context, tx Tx, accountID string) error {
	has, err := enrolled(ctx, tx, accountID)
	if err == nil && !has {
		err = Errorf(CodeConflict, "%s has no second factor", accountID)
	}
	if err != nil {
		return err
	}
	return errors.Join(tx.DeleteSeeds(ctx, accountID), tx.ReplaceRecoveryCodes(ctx, accountID, nil))
}

// SignOutUser ends all sessions of a user. The account stays as it is.
func (s *Service) SignOutUser(ctx context.Context, a Actor, merchantID, userID string) (User, error) {
	r := request{actor: a, op: OpUserSignOut, merchantID: merchantID, input: UserRef{merchantID, userID}}
	return carryOut(ctx, s, s.planUser(ctx, r, userID, func(_ Tx, _ *User, rec *record) error {
		rec.diff = map[string]Change{"sessions": {To: "ended"}}
		return nil
	}))
}
