package controlplane

import (
	"context"
	"time"
)

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
