package caddymodule

import (
	"context"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

type entryChanged struct {
	Entry controlplane.AllowlistEntry `json:"entry"`
	applied
}

// entryView is an entry after a change that gateways need not know.
type entryView struct {
	Entry controlplane.AllowlistEntry `json:"entry"`
}

type allowlist struct {
	Entries []controlplane.AllowlistEntry `json:"entries"`
}

// wishDecided is a merchant's request after staff have answered it.
type wishDecided struct {
	Request controlplane.AllowlistRequest `json:"request"`
	applied
}

type wishList struct {
	Requests []controlplane.AllowlistRequest `json:"requests"`
	nextPage
}

// wishQueue is what all merchants wait for.
type wishQueue struct {
	Requests []controlplane.QueuedRequest `json:"requests"`
	nextPage
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
		newCall(controlplane.OpAllowlistNote, func(ctx ctx, n callNode, a actor, in controlplane.SetAllowlistNote) (entryView, error) {
			e, err := n.service.SetAllowlistNote(ctx, a, in)
			return entryView{e}, err
		}),
		newCall(controlplane.OpAllowlistImport, importCall),
		newCall(controlplane.OpAllowlistList, func(ctx ctx, n callNode, a actor, in merchantRef) (allowlist, error) {
			entries, err := n.service.ListAllowlist(ctx, a, in.MerchantID)
			return allowlist{nonNil(entries)}, err
		}),
		newCall(controlplane.OpAllowlistCheck, func(ctx ctx, n callNode, a actor, in controlplane.CheckIP) (controlplane.AllowlistCheck, error) {
			return n.service.CheckIP(ctx, a, in)
		}),
		newCall(controlplane.OpAllowlistRequests, listWishesCall),
		newCall(controlplane.OpAllowlistQueue, listQueueCall),
		newCall(controlplane.OpAllowlistApprove, func(ctx ctx, n callNode, a actor, in controlplane.DecideAllowlistRequest) (wishDecided, error) {
			q, err := n.service.ApproveAllowlistRequest(ctx, a, in)
			return decidedWish(ctx, n, q, err)
		}),
		newCall(controlplane.OpAllowlistReject, func(ctx ctx, n callNode, a actor, in controlplane.DecideAllowlistRequest) (wishDecided, error) {
			q, err := n.service.RejectAllowlistRequest(ctx, a, in)
			return decidedWish(ctx, n, q, err)
		}),
	}
}

func changedEntry(ctx context.Context, n callNode, e controlplane.AllowlistEntry, err error) (entryChanged, error) {
	if err != nil {
		return entryChanged{}, err
	}
	return entryChanged{e, settle(ctx, n)}, nil
}

func listWishesCall(ctx context.Context, n callNode, a controlplane.Actor, in controlplane.AllowlistRequestFilter) (wishList, error) {
	rows, err := n.service.ListAllowlistRequests(ctx, a, in)
	out := wishList{Requests: nonNil(rows)}
	if len(rows) == in.Rows() {
		out.Next = rows[len(rows)-1].ID
	}
	return out, err
}

func listQueueCall(ctx context.Context, n callNode, a controlplane.Actor, in controlplane.Page) (wishQueue, error) {
	rows, err := n.service.AllowlistQueue(ctx, a, in)
	out := wishQueue{Requests: nonNil(rows)}
	if len(rows) == in.Rows() {
		out.Next = rows[len(rows)-1].ID
	}
	return out, err
}

func decidedWish(ctx context.Context, n callNode, q controlplane.AllowlistRequest, err error) (wishDecided, error) {
	if err != nil {
		return wishDecided{}, err
	}
	return wishDecided{q, settle(ctx, n)}, nil
}
