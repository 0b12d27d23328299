package caddymodule

import (
	"context"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

type entryChanged struct {
	Entry controlplane.AllowlistEntry `json:"entry"`
	applied
}

type allowlist struct {
	Entries []controlplane.AllowlistEntry `json:"entries"`
}

func allowlistCalls() []call {
	type (
		ctx   = context.Context
		actor = controlplane.Actor
	)
	return []call{
		newCall(controlplane.OpAllowlistAdd, func(ctx ctx, n callNode, a actor, in controlplane.AddAllowlistEntry) (entryChanged, error) {
			e, err := n.service.AddAllowlistEntry(ctx, a, in)
			return changedEntry(ctx, n, e, err)
		}),
		newCall(controlplane.OpAllowlistRemove, func(ctx ctx, n callNode, a actor, in controlplane.RemoveAllowlistEntry) (entryChanged, error) {
			e, err := n.service.RemoveAllowlistEntry(ctx, a, in)
			return changedEntry(ctx, n, e, err)
		}),
		newCall(controlplane.OpAllowlistList, func(ctx ctx, n callNode, a actor, in merchantRef) (allowlist, error) {
			entries, err := n.service.ListAllowlist(ctx, a, in.MerchantID)
			return allowlist{nonNil(entries)}, err
		}),
		newCall(controlplane.OpAllowlistCheck, func(ctx ctx, n callNode, a actor, in controlplane.CheckIP) (controlplane.AllowlistCheck, error) {
			return n.service.CheckIP(ctx, a, in)
		}),
	}
}

func changedEntry(ctx context.Context, n callNode, e controlplane.AllowlistEntry, err error) (entryChanged, error) {
	if err != nil {
		return entryChanged{}, err
	}
	return entryChanged{e, settle(ctx, n)}, nil
}
