package controlplane

import (
	"context"
	"errors"
	"time"
)

// CreateUser is the input of [Service.CreateUser].
type CreateUser struct {
	MerchantID string `json:"merchant_id" validate:"required"`
	Username   string `json:"username" validate:"required,username"`
	Email      string `json:"email,omitempty" validate:"omitempty,max=254,mailable,email"`
	Role       Role   `json:"role" validate:"required,merchant_role"`
}

// NewAccount is an account with the password that was generated for it, shown
// this once.
type NewAccount struct {
	ID              string
	Username        string
	InitialPassword Secret
	ExpiresAt       time.Time
}

// initialPasswordChars of 31 letters and digits hold 99 bits, and none of them is
// easily taken for another.
const (
	initialPasswordChars    = 20
	initialPasswordAlphabet = "abcdefghjkmnpqrstuvwxyz23456789"
)

// CreateUser makes a user with a generated password that must be changed at the
// first sign-in and dies unused after 72 h. CodeConflict if the username is taken
// by any merchant; CodePending if it makes an owner and somebody else of the staff has
// to approve.
func (s *Service) CreateUser(ctx context.Context, a Actor, in CreateUser) (NewAccount, error) {
	p, err := s.planCreateUser(ctx, a, in)
	if err != nil {
		return NewAccount{}, err
	}
	return carryOut(ctx, s, p)
}

func (s *Service) planCreateUser(ctx context.Context, a Actor, in CreateUser) (p plan[NewAccount], err error) {
	in.Username = NormalizeUsername(in.Username)
	p.request = request{actor: a, op: OpUserCreate, merchantID: in.MerchantID, input: in, eyes: makes(in.Role == RoleOwner, "")}
	if err := s.admit(ctx, p.request); err != nil { // before the expensive hash
		return p, err
	}
	account, password, err := s.newAccount(ctx, PrefixUser, in.Username, s.rules.InitialPasswordTTL)
	p.do = func(tx Tx, rec *record) (NewAccount, error) {
		now := s.now()
		rec.target = account.ID
		rec.diff = map[string]Change{"username": {To: in.Username}, "role": {To: in.Role}, "email": {To: in.Email}}
		err := tx.InsertUser(ctx, User{
			ID: account.ID, MerchantID: in.MerchantID, Username: in.Username, Email: in.Email, Role: in.Role,
			Password: password, SecurityVersion: 1, CreatedAt: now, UpdatedAt: now,
		})
		return account, takenUsername(err, in.Username)
	}
	return p, err
}

// newAccount draws an id and a password and hashes the password, outside of any
// transaction: the hash takes tens of milliseconds and a slot.
func (s *Service) newAccount(ctx context.Context, prefix, username string, ttl time.Duration) (NewAccount, Password, error) {
	now := s.now()
	id, err := NewID(prefix, now, s.random)
	if err != nil {
		return NewAccount{}, Password{}, asError(err)
	}
	text, err := randomText(s.random, initialPasswordAlphabet, initialPasswordChars)
	if err != nil {
		return NewAccount{}, Password{}, asError(err)
	}
	initial := NewSecret(text)
	hash, err := s.hasher.Hash(ctx, initial)
	if err != nil {
		return NewAccount{}, Password{}, asError(err)
	}
	account := NewAccount{ID: id, Username: username, InitialPassword: initial, ExpiresAt: now.Add(ttl)}
	return account, Password{Hash: hash, MustChange: true, ChangedAt: now, ExpiresAt: account.ExpiresAt}, nil
}

func takenUsername(err error, username string) error {
	if errors.Is(err, ErrDuplicate) {
		return conflictingField("username", "taken", "%q is taken; usernames are unique over all merchants", username)
	}
	return err
}

// DisableUser ends the user's sessions and refuses their sign-in.
func (s *Service) DisableUser(ctx context.Context, a Actor, merchantID, userID string) (User, error) {
	return carryOut(ctx, s, s.planDisabled(ctx, a, OpUserDisable, UserRef{merchantID, userID}, true))
}

// EnableUser undoes [Service.DisableUser].
func (s *Service) EnableUser(ctx context.Context, a Actor, merchantID, userID string) (User, error) {
	return carryOut(ctx, s, s.planDisabled(ctx, a, OpUserEnable, UserRef{merchantID, userID}, false))
}

func (s *Service) planDisabled(ctx context.Context, a Actor, op Operation, in UserRef, to bool) plan[User] {
	r := request{actor: a, op: op, merchantID: in.MerchantID, input: in}
	return s.planUser(ctx, r, in.UserID, func(_ Tx, u *User, rec *record) error {
		if u.Disabled == to {
			return Errorf(CodeConflict, "user %s is %s already", u.ID, map[bool]string{true: "disabled", false: "enabled"}[to])
		}
		rec.diff = map[string]Change{"disabled": {From: u.Disabled, To: to}}
		u.Disabled = to
		return nil
	})
}

// UserRef names a user of a merchant.
type UserRef struct {
	MerchantID string `json:"merchant_id" validate:"required"`
	UserID     string `json:"user_id" validate:"required"`
}

// SetUserRole is the input of [Service.SetUserRole].
type SetUserRole struct {
	MerchantID string `json:"merchant_id" validate:"required"`
	UserID     string `json:"user_id" validate:"required"`
	Role       Role   `json:"role" validate:"required,merchant_role"`
}

// SetUserRole changes what a user may do, and ends their sessions. CodePending if it
// makes an owner and somebody else of the staff has to approve.
func (s *Service) SetUserRole(ctx context.Context, a Actor, in SetUserRole) (User, error) {
	p, err := s.planUserRole(ctx, a, in)
	if err != nil {
		return User{}, err
	}
	return carryOut(ctx, s, p)
}

func (s *Service) planUserRole(ctx context.Context, a Actor, in SetUserRole) (plan[User], error) {
	r := request{actor: a, op: OpUserRole, merchantID: in.MerchantID, input: in, eyes: makes(in.Role == RoleOwner, "")}
	return s.planUser(ctx, r, in.UserID, func(_ Tx, u *User, rec *record) error {
		if u.Role == in.Role {
			return Errorf(CodeConflict, "user %s has the role %s already", u.ID, in.Role)
		}
		rec.diff = map[string]Change{"role": {From: u.Role, To: in.Role}}
		u.Role = in.Role
		return nil
	}), nil
}

// planUser loads, changes and saves a user. Whatever is changed this way changes what
// protects the account, so older sessions die with it.
func (s *Service) planUser(ctx context.Context, r request, userID string, edit func(Tx, *User, *record) error) plan[User] {
	return plan[User]{r, func(tx Tx, rec *record) (User, error) {
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
	}}
}

// ListUsers lists a merchant's users.
func (s *Service) ListUsers(ctx context.Context, a Actor, f UserFilter) ([]User, error) {
	r := request{actor: a, op: OpUserList, merchantID: f.MerchantID, input: f}
	return read(ctx, s, r, func(tx Tx) ([]User, error) { return tx.Users(ctx, f) })
}

// UserView is a user with what is known of how they sign in.
type UserView struct {
	User
	// SecondFactor: one is enrolled.
	SecondFactor bool `json:"second_factor"`
}

// User returns one user.
func (s *Service) User(ctx context.Context, a Actor, in UserRef) (UserView, error) {
	r := request{actor: a, op: OpUserView, merchantID: in.MerchantID, input: in}
	return read(ctx, s, r, func(tx Tx) (v UserView, err error) {
		if v.User, err = tx.User(ctx, in.MerchantID, in.UserID); err != nil {
			return v, orNotFound(err, "user", in.UserID)
		}
		v.SecondFactor, err = enrolled(ctx, tx, v.ID)
		return v, err
	})
}

// enrolled reports whether an account has a second factor.
func enrolled(ctx context.Context, tx Tx, accountID string) (bool, error) {
	_, err := tx.Seed(ctx, accountID, true)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
