package account

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// Account is a user of a merchant or a member of staff.
type Account struct {
	Kind         controlplane.ActorKind
	ID           string
	MerchantID   string
	MerchantName string
	// Suspended: the merchant is, and its users may only read.
	Suspended       bool
	Username        string
	Email           string
	Role            controlplane.Role
	Disabled        bool
	Password        controlplane.Password
	SecurityVersion int64
	// SecondFactor: one is enrolled.
	SecondFactor bool
}

// refusal is why an account does not get in, with the right password or a wrong
// one; "" if it does. The word is for the audit trail alone.
func (a Account) refusal(right bool, now time.Time) string {
	expires := a.Password.ExpiresAt
	switch {
	case a.ID == "":
		return "unknown_name"
	case !right:
		return "wrong_password"
	case a.Disabled:
		return "disabled"
	case !expires.IsZero() && !now.Before(expires):
		return "initial_password_expired"
	}
	return ""
}

func (a Account) about() about {
	return about{username: a.Username, email: a.Email, merchant: a.MerchantName, secondFactor: a.SecondFactor}
}

// byUsername finds an account by the name that its owner gave, normalised.
func byUsername(ctx context.Context, tx controlplane.Tx, kind controlplane.ActorKind, username string) (Account, error) {
	if kind == controlplane.ActorStaff {
		s, err := tx.StaffByUsername(ctx, username)
		return complete(ctx, tx, ofStaff(s), err)
	}
	u, err := tx.UserByUsername(ctx, username)
	return complete(ctx, tx, ofUser(u), err)
}

// byID finds an account that is known already.
func byID(ctx context.Context, tx controlplane.Tx, kind controlplane.ActorKind, merchantID, id string) (Account, error) {
	if kind == controlplane.ActorStaff {
		s, err := tx.StaffMember(ctx, id)
		return complete(ctx, tx, ofStaff(s), err)
	}
	u, err := tx.User(ctx, merchantID, id)
	return complete(ctx, tx, ofUser(u), err)
}

func ofUser(u controlplane.User) Account {
	return Account{
		Kind: controlplane.ActorUser, ID: u.ID, MerchantID: u.MerchantID, Username: u.Username, Email: u.Email, Role: u.Role,
		Disabled: u.Disabled, Password: u.Password, SecurityVersion: u.SecurityVersion,
	}
}

func ofStaff(s controlplane.Staff) Account {
	return Account{
		Kind: controlplane.ActorStaff, ID: s.ID, Username: s.Username, Email: s.Email, Role: s.Role,
		Disabled: s.Disabled, Password: s.Password, SecurityVersion: s.SecurityVersion,
	}
}

// complete adds what other tables know of an account.
func complete(ctx context.Context, tx controlplane.Tx, a Account, err error) (Account, error) {
	if err != nil {
		return Account{}, err
	}
	_, err = tx.Seed(ctx, a.ID, true)
	if err != nil && !errors.Is(err, controlplane.ErrNotFound) {
		return Account{}, err
	}
	a.SecondFactor = err == nil
	if a.Kind == controlplane.ActorUser {
		m, err := tx.Merchant(ctx, a.MerchantID)
		if err != nil {
			return Account{}, fmt.Errorf("merchant of %s: %w", a.ID, err)
		}
		a.MerchantName, a.Suspended = m.Name, m.State == controlplane.MerchantSuspended
	}
	return a, nil
}

// savePassword writes the password and the security version of a.
func savePassword(ctx context.Context, tx controlplane.Tx, a Account, now time.Time) error {
	if a.Kind == controlplane.ActorStaff {
		s, err := tx.StaffMember(ctx, a.ID)
		if err != nil {
			return err
		}
		s.Password, s.SecurityVersion, s.UpdatedAt = a.Password, a.SecurityVersion, now
		return tx.UpdateStaff(ctx, s)
	}
	u, err := tx.User(ctx, a.MerchantID, a.ID)
	if err != nil {
		return err
	}
	u.Password, u.SecurityVersion, u.UpdatedAt = a.Password, a.SecurityVersion, now
	return tx.UpdateUser(ctx, u)
}
