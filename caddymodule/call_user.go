package caddymodule

import (
	"context"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

type userRef struct {
	MerchantID string `json:"merchant_id"`
	UserID     string `json:"user_id"`
}

type userChanged struct {
	User controlplane.User `json:"user"`
}

type userShown struct {
	User controlplane.UserView `json:"user"`
}

type userList struct {
	Users []controlplane.User `json:"users"`
	nextPage
}

// newAccount carries the password that was generated, this once.
type newAccount struct {
	ID              string    `json:"id"`
	MerchantID      string    `json:"merchant_id,omitempty"`
	Username        string    `json:"username"`
	InitialPassword string    `json:"initial_password"`
	ExpiresAt       time.Time `json:"expires_at"`
}

func userCalls() []call {
	type (
		ctx   = context.Context
		actor = controlplane.Actor
	)
	return []call{
		newCall(controlplane.OpUserCreate, func(ctx ctx, n callNode, a actor, in controlplane.CreateUser) (newAccount, error) {
			account, err := n.service.CreateUser(ctx, a, in)
			return revealAccount(account, in.MerchantID), err
		}),
		newCall(controlplane.OpUserDisable, func(ctx ctx, n callNode, a actor, in userRef) (userChanged, error) {
			u, err := n.service.DisableUser(ctx, a, in.MerchantID, in.UserID)
			return userChanged{u}, err
		}),
		newCall(controlplane.OpUserEnable, func(ctx ctx, n callNode, a actor, in userRef) (userChanged, error) {
			u, err := n.service.EnableUser(ctx, a, in.MerchantID, in.UserID)
			return userChanged{u}, err
		}),
		newCall(controlplane.OpUserRole, func(ctx ctx, n callNode, a actor, in controlplane.SetUserRole) (userChanged, error) {
			u, err := n.service.SetUserRole(ctx, a, in)
			return userChanged{u}, err
		}),
		newCall(controlplane.OpUserResetPassword, func(ctx ctx, n callNode, a actor, in userRef) (newAccount, error) {
			account, err := n.service.ResetUserPassword(ctx, a, in.MerchantID, in.UserID)
			return revealAccount(account, in.MerchantID), err
		}),
		newCall(controlplane.OpUserResetSecondFactor, func(ctx ctx, n callNode, a actor, in userRef) (userChanged, error) {
			u, err := n.service.ResetUserSecondFactor(ctx, a, in.MerchantID, in.UserID)
			return userChanged{u}, err
		}),
		newCall(controlplane.OpUserSignOut, func(ctx ctx, n callNode, a actor, in userRef) (userChanged, error) {
			u, err := n.service.SignOutUser(ctx, a, in.MerchantID, in.UserID)
			return userChanged{u}, err
		}),
		newCall(controlplane.OpUserView, func(ctx ctx, n callNode, a actor, in controlplane.UserRef) (userShown, error) {
			u, err := n.service.User(ctx, a, in)
			return userShown{u}, err
		}),
		newCall(controlplane.OpUserList, listUsers),
	}
}

func revealAccount(a controlplane.NewAccount, merchantID string) newAccount {
	return newAccount{a.ID, merchantID, a.Username, a.InitialPassword.Reveal(), a.ExpiresAt}
}

func listUsers(ctx context.Context, n callNode, a controlplane.Actor, in controlplane.UserFilter) (userList, error) {
	rows, err := n.service.ListUsers(ctx, a, in)
	out := userList{Users: nonNil(rows)}
	if len(rows) == in.Rows() {
		out.Next = rows[len(rows)-1].ID
	}
	return out, err
}
