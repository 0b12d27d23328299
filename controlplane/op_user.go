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
// by any merchant.
func (s *Service) CreateUser(ctx context.Context, a Actor, in CreateUser) (NewAccount, error) {
	in.Username = NormalizeUsername(in.Username)
	r := request{actor: a, op: OpUserCreate, merchantID: in.MerchantID, input: in}
	if err := s.admit(ctx, r); err != nil { // before the expensive hash
		return NewAccount{}, err
	}
	account, password, err := s.newAccount(ctx, PrefixUser, in.Username, s.rules.InitialPasswordTTL)
	if err != nil {
		return NewAccount{}, err
	}
	return change(ctx, s, r, func(tx Tx, rec *record) (NewAccount, error) {
		now := s.now()
		rec.target = account.ID
		rec.diff = map[string]Change{"username": {To: in.Username}, "role": {To: in.Role}, "email": {To: in.Email}}
		err := tx.InsertUser(ctx, User{
			ID: account.ID, MerchantID: in.MerchantID, Username: in.Username, Email: in.Email, Role: in.Role,
			Password: password, SecurityVersion: 1, CreatedAt: now, UpdatedAt: now,
		})
		return account, takenUsername(err, in.Username)
	})
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
		return Errorf(CodeConflict, "the username %q is taken; usernames are unique over all merchants", username)
	}
	return err
}

// DisableUser ends the user's sessions and refuses their sign-in.
func (s *Service) DisableUser(ctx context.Context, a Actor, merchantID, userID string) (User, error) {
	r := request{actor: a, op: OpUserDisable, merchantID: merchantID, input: ofMerchant{merchantID}}
	return s.setDisabled(ctx, r, userID, true)
}

// EnableUser undoes [Service.DisableUser].
func (s *Service) EnableUser(ctx context.Context, a Actor, merchantID, userID string) (User, error) {
	r := request{actor: a, op: OpUserEnable, merchantID: merchantID, input: ofMerchant{merchantID}}
	return s.setDisabled(ctx, r, userID, false)
}

func (s *Service) setDisabled(ctx context.Context, r request, userID string, to bool) (User, error) {
	return s.changeUser(ctx, r, userID, func(u *User, rec *record) error {
		if u.Disabled == to {
			return Errorf(CodeConflict, "user %s is %s already", u.ID, map[bool]string{true: "disabled", false: "enabled"}[to])
		}
		rec.diff = map[string]Change{"disabled": {From: u.Disabled, To: to}}
		u.Disabled = to
		return nil
	})
}

// SetUserRole is the input of [Service.SetUserRole].
type SetUserRole struct {
	MerchantID string `json:"merchant_id" validate:"required"`
	UserID     string `json:"user_id" validate:"required"`
	Role       Role   `json:"role" validate:"required,merchant_role"`
}

// SetUserRole changes what a user may do, and ends their sessions.
func (s *Service) SetUserRole(ctx context.Context, a Actor, in SetUserRole) (User, error) {
	r := request{actor: a, op: OpUserRole, merchantID: in.MerchantID, input: in}
	return s.changeUser(ctx, r, in.UserID, func(u *User, rec *record) error {
		if u.Role == in.Role {
			return Errorf(CodeConflict, "user %s has the role %s already", u.ID, in.Role)
		}
		rec.diff = map[string]Change{"role": {From: u.Role, To: in.Role}}
		u.Role = in.Role
		return nil
	})
}

// changeUser loads, changes and saves a user. Whatever is changed this way
// changes what protects the account, so older sessions die with it.
func (s *Service) changeUser(ctx context.Context, r request, userID string, edit func(*User, *record) error) (User, error) {
	return s.rescueUser(ctx, r, userID, func(_ Tx, u *User, rec *record) error { return edit(u, rec) })
}

// ListUsers lists a merchant's users.
func (s *Service) ListUsers(ctx context.Context, a Actor, f UserFilter) ([]User, error) {
	r := request{actor: a, op: OpUserList, merchantID: f.MerchantID, input: f}
	return read(ctx, s, r, func(tx Tx) ([]User, error) { return tx.Users(ctx, f) })
}

// BootstrapStaff is the input of [Service.BootstrapStaff].
type BootstrapStaff struct {
	Username string `json:"username" validate:"required,username"`
	Email    string `json:"email,omitempty" validate:"omitempty,max=254,mailable,email"`
}

// bootstrapPasswordTTL is shorter than that of a user's initial password: the one
// who gets it sits at the terminal.
const bootstrapPasswordTTL = 24 * time.Hour

// BootstrapStaff makes the first platform admin. It works only while there is no
// staff at all: CodeConflict afterwards.
func (s *Service) BootstrapStaff(ctx context.Context, a Actor, in BootstrapStaff) (NewAccount, error) {
	in.Username = NormalizeUsername(in.Username)
	r := request{actor: a, op: OpStaffBootstrap, input: in}
	if err := s.admit(ctx, r); err != nil {
		return NewAccount{}, err
	}
	account, password, err := s.newAccount(ctx, PrefixStaff, in.Username, bootstrapPasswordTTL)
	if err != nil {
		return NewAccount{}, err
	}
	return change(ctx, s, r, func(tx Tx, rec *record) (NewAccount, error) {
		n, err := tx.CountStaff(ctx)
		if err != nil {
			return account, err
		}
		if n > 0 {
			return account, Errorf(CodeConflict, "there is staff already; a platform admin adds more in the console")
		}
		now := s.now()
		rec.target, rec.diff = account.ID, map[string]Change{"username": {To: in.Username}, "role": {To: RolePlatformAdmin}}
		return account, tx.InsertStaff(ctx, Staff{
			ID: account.ID, Username: in.Username, Email: in.Email, Role: RolePlatformAdmin,
			Password: password, SecurityVersion: 1, CreatedAt: now, UpdatedAt: now,
		})
	})
}
