package caddymodule

import (
	"context"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

type merchantRef struct {
	MerchantID string `json:"merchant_id"`
}

type merchantChanged struct {
	Merchant controlplane.Merchant `json:"merchant"`
	applied
}

type merchantView struct {
	Merchant controlplane.Merchant `json:"merchant"`
}

type merchantList struct {
	Merchants []controlplane.Merchant `json:"merchants"`
	nextPage
}

// nextPage ends a listing that was cut: what to ask for "after" to go on.
type nextPage struct {
	Next string `json:"next,omitempty"`
}

func merchantCalls() []call {
	type (
		ctx   = context.Context
		actor = controlplane.Actor
	)
	return []call{
		newCall(controlplane.OpMerchantCreate, func(ctx ctx, n callNode, a actor, in controlplane.CreateMerchant) (merchantChanged, error) {
			m, err := n.service.CreateMerchant(ctx, a, in)
			return changedMerchant(ctx, n, m, err)
		}),
		newCall(controlplane.OpMerchantRename, func(ctx ctx, n callNode, a actor, in controlplane.RenameMerchant) (merchantChanged, error) {
			m, err := n.service.RenameMerchant(ctx, a, in)
			return changedMerchant(ctx, n, m, err)
		}),
		newCall(controlplane.OpMerchantSuspend, func(ctx ctx, n callNode, a actor, in merchantRef) (merchantChanged, error) {
			m, err := n.service.SuspendMerchant(ctx, a, in.MerchantID)
			return changedMerchant(ctx, n, m, err)
		}),
		newCall(controlplane.OpMerchantResume, func(ctx ctx, n callNode, a actor, in merchantRef) (merchantChanged, error) {
			m, err := n.service.ResumeMerchant(ctx, a, in.MerchantID)
			return changedMerchant(ctx, n, m, err)
		}),
		newCall(controlplane.OpMerchantList, listMerchants),
		newCall(controlplane.OpMerchantView, func(ctx ctx, n callNode, a actor, in merchantRef) (merchantView, error) {
			m, err := n.service.Merchant(ctx, a, in.MerchantID)
			return merchantView{m}, err
		}),
	}
}

func changedMerchant(ctx context.Context, n callNode, m controlplane.Merchant, err error) (merchantChanged, error) {
	if err != nil {
		return merchantChanged{}, err
	}
	return merchantChanged{m, settle(ctx, n)}, nil
}

func listMerchants(ctx context.Context, n callNode, a controlplane.Actor, in controlplane.MerchantFilter) (merchantList, error) {
	rows, err := n.service.ListMerchants(ctx, a, in)
	out := merchantList{Merchants: nonNil(rows)}
	if len(rows) == in.Rows() {
		out.Next = rows[len(rows)-1].ID
	}
	return out, err
}

// nonNil makes an empty listing [] in JSON, not null.
func nonNil[T any](rows []T) []T {
	if rows == nil {
		return []T{}
	}
	return rows
}
