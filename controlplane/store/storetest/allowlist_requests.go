package storetest

import (
	"context"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

func allowlistRequestContract() []contract {
	return []contract{
		{"every field comes back, newest first", func(k *kit) {
			m := k.merchants(1)[0].ID
			a, b := AllowlistRequest(m, 1), AllowlistRequest(m, 2)
			insertRequests(k, a, b)
			b.State, b.DecidedAt, b.DecidedBy, b.Answer = controlplane.AllowlistRejected, At(9), "sam", "too wide"
			k.must(func(ctx context.Context, tx controlplane.Tx) error { return tx.UpdateAllowlistRequest(ctx, b) })
			same(k, allowlistRequests(k, controlplane.AllowlistRequestFilter{MerchantID: m}), []controlplane.AllowlistRequest{b, a})
			same(k, allowlistRequests(k, controlplane.AllowlistRequestFilter{MerchantID: m, State: controlplane.AllowlistPending}), []controlplane.AllowlistRequest{a})
			page := controlplane.Page{After: b.ID, Limit: 1}
			same(k, allowlistRequests(k, controlplane.AllowlistRequestFilter{MerchantID: m, Page: page}), []controlplane.AllowlistRequest{a})
		}},
		{"one request about a range waits at a time", func(k *kit) {
			m := k.merchants(1)[0].ID
			first, again := AllowlistRequest(m, 1), AllowlistRequest(m, 2)
			again.Prefix = first.Prefix
			insert := func(ctx context.Context, tx controlplane.Tx) error { return tx.InsertAllowlistRequest(ctx, again) }
			insertRequests(k, first)
			k.wants(controlplane.ErrDuplicate, insert)
			first.State = controlplane.AllowlistWithdrawn
			k.must(func(ctx context.Context, tx controlplane.Tx) error { return tx.UpdateAllowlistRequest(ctx, first) })
			k.must(insert)
		}},
		{"a request of another merchant is not found", func(k *kit) {
			ms := k.merchants(2)
			q := AllowlistRequest(ms[0].ID, 1)
			insertRequests(k, q)
			missing(k, func(ctx context.Context, tx controlplane.Tx) (controlplane.AllowlistRequest, error) {
				return tx.AllowlistRequest(ctx, ms[1].ID, q.ID)
			})
			theirs := q
			theirs.MerchantID, theirs.State = ms[1].ID, controlplane.AllowlistApproved
			k.wants(controlplane.ErrNotFound, func(ctx context.Context, tx controlplane.Tx) error { return tx.UpdateAllowlistRequest(ctx, theirs) })
			same(k, allowlistRequests(k, controlplane.AllowlistRequestFilter{MerchantID: ms[1].ID}), nil)
			same(k, read(k, func(ctx context.Context, tx controlplane.Tx) (controlplane.AllowlistRequest, error) {
				return tx.AllowlistRequest(ctx, ms[0].ID, q.ID)
			}), q)
		}},
		{"those that wait are listed over all merchants, oldest first", func(k *kit) {
			ms := k.merchants(2)
			a, b, c := AllowlistRequest(ms[1].ID, 1), AllowlistRequest(ms[0].ID, 2), AllowlistRequest(ms[0].ID, 3)
			insertRequests(k, a, b, c)
			b.State = controlplane.AllowlistApproved
			k.must(func(ctx context.Context, tx controlplane.Tx) error { return tx.UpdateAllowlistRequest(ctx, b) })
			pending := func(p controlplane.Page) []controlplane.AllowlistRequest {
				return read(k, func(ctx context.Context, tx controlplane.Tx) ([]controlplane.AllowlistRequest, error) {
					return tx.PendingAllowlistRequests(ctx, p)
				})
			}
			same(k, pending(controlplane.Page{}), []controlplane.AllowlistRequest{a, c})
			same(k, pending(controlplane.Page{After: a.ID, Limit: 1}), []controlplane.AllowlistRequest{c})
		}},
		{"a request of no merchant is refused as not found", func(k *kit) {
			k.wants(controlplane.ErrNotFound, func(ctx context.Context, tx controlplane.Tx) error {
				return tx.InsertAllowlistRequest(ctx, AllowlistRequest("mer_x", 1))
			})
		}},
	}
}

func insertRequests(k *kit, all ...controlplane.AllowlistRequest) {
	k.Helper()
	k.must(func(ctx context.Context, tx controlplane.Tx) error {
		for _, q := range all {
			if err := tx.InsertAllowlistRequest(ctx, q); err != nil {
				return err
			}
		}
		return nil
	})
}

func allowlistRequests(k *kit, f controlplane.AllowlistRequestFilter) []controlplane.AllowlistRequest {
	k.Helper()
	return read(k, func(ctx context.Context, tx controlplane.Tx) ([]controlplane.AllowlistRequest, error) {
		return tx.AllowlistRequests(ctx, f)
	})
}

// AllowlistRequest is the nth request of the fixtures.
func AllowlistRequest(merchantID string, n int) controlplane.AllowlistRequest {
	e := Entry(merchantID, n)
	return controlplane.AllowlistRequest{
		ID: ID(controlplane.PrefixAllowlistRequest, n), MerchantID: merchantID, Action: controlplane.AllowlistAdd, Prefix: e.Prefix,
		Reason: "data centre", State: controlplane.AllowlistPending, CreatedAt: At(n), CreatedBy: "olga",
	}
}
