package caddymodule

import (
	"context"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// issuedToken carries the token, this once.
type issuedToken struct {
	Token  controlplane.ServiceToken `json:"token"`
	Secret string                    `json:"secret"`
}

type tokenRef struct {
	TokenID string `json:"token_id"`
}

type tokenChanged struct {
	Token controlplane.ServiceToken `json:"token"`
}

type tokenList struct {
	Tokens []controlplane.ServiceToken `json:"tokens"`
}

func serviceTokenCalls() []call {
	type (
		ctx   = context.Context
		actor = controlplane.Actor
	)
	return []call{
		newCall(controlplane.OpServiceTokenIssue, func(ctx ctx, n callNode, a actor, in controlplane.IssueServiceToken) (issuedToken, error) {
			issued, err := n.service.IssueServiceToken(ctx, a, in)
			if err != nil {
				return issuedToken{}, err
			}
			return issuedToken{issued.Token, issued.Secret.Reveal()}, nil
		}),
		newCall(controlplane.OpServiceTokenRevoke, func(ctx ctx, n callNode, a actor, in tokenRef) (tokenChanged, error) {
			t, err := n.service.RevokeServiceToken(ctx, a, in.TokenID)
			return tokenChanged{t}, err
		}),
		newCall(controlplane.OpServiceTokenList, func(ctx ctx, n callNode, a actor, _ struct{}) (tokenList, error) {
			all, err := n.service.ListServiceTokens(ctx, a)
			return tokenList{nonNil(all)}, err
		}),
	}
}
