package caddymodule

import (
	"context"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// issuedStaffToken carries the token, this once.
type issuedStaffToken struct {
	Token  controlplane.StaffToken `json:"token"`
	Secret string                  `json:"secret"`
}

type staffTokenChanged struct {
	Token controlplane.StaffToken `json:"token"`
}

type staffTokenList struct {
	Tokens []controlplane.StaffToken `json:"tokens"`
}

func staffTokenCalls() []call {
	type (
		ctx   = context.Context
		actor = controlplane.Actor
	)
	return []call{
		newCall(controlplane.OpStaffTokenIssue, func(ctx ctx, n callNode, a actor, in controlplane.IssueStaffToken) (issuedStaffToken, error) {
			issued, err := n.service.IssueStaffToken(ctx, a, in)
			if err != nil {
				return issuedStaffToken{}, err
			}
			return issuedStaffToken{issued.Token, issued.Secret.Reveal()}, nil
		}),
		newCall(controlplane.OpStaffTokenRevoke, func(ctx ctx, n callNode, a actor, in tokenRef) (staffTokenChanged, error) {
			t, err := n.service.RevokeStaffToken(ctx, a, in.TokenID)
			return staffTokenChanged{t}, err
		}),
		newCall(controlplane.OpStaffTokenList, func(ctx ctx, n callNode, a actor, in controlplane.StaffTokenFilter) (staffTokenList, error) {
			all, err := n.service.ListStaffTokens(ctx, a, in)
			return staffTokenList{nonNil(all)}, err
		}),
	}
}
