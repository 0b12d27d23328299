package storetest

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

func transactionContract() []contract {
	return slices.Concat(atomicity(), isolation(), endings())
}

func atomicity() []contract {
	return []contract{
		{"an error undoes all that was done and comes back as it is", func(k *kit) {
			stop := errors.New("stop")
			err := k.try(func(ctx context.Context, tx controlplane.Tx) error {
				_, bump := tx.BumpRevision(ctx)
				return errors.Join(bump, tx.InsertMerchant(ctx, Merchant(1)), stop)
			})
			if !errors.Is(err, stop) {
				k.Fatal(err)
			}
			if got := k.try(func(context.Context, controlplane.Tx) error { return stop }); got != stop { //nolint:errorlint // the very value is promised
				k.Fatal(got)
			}
			if got := k.store.View(k.Context(), func(controlplane.Tx) error { return stop }); got != stop { //nolint:errorlint // the very value is promised
				k.Fatal(got)
			}
			same(k, merchants(k, controlplane.MerchantFilter{}), nil)
			same(k, revision(k), 0)
		}},
		{"a refused row leaves the rest of the change possible", func(k *kit) {
			k.merchants(1)
			k.must(func(ctx context.Context, tx controlplane.Tx) error {
				if err := tx.UpdateMerchant(ctx, Merchant(2)); !errors.Is(err, controlplane.ErrNotFound) {
					return err
				}
				return tx.InsertMerchant(ctx, Merchant(2))
			})
			same(k, len(merchants(k, controlplane.MerchantFilter{})), 2)
		}},
	}
}

func isolation() []contract {
	return []contract{
		{"a change sees its own writes, and others do not", func(k *kit) {
			k.must(func(ctx context.Context, tx controlplane.Tx) error {
				if err := tx.InsertMerchant(ctx, Merchant(1)); err != nil {
					return err
				}
				_, err := tx.Merchant(ctx, Merchant(1).ID)
				_, hidden := tryRead(k, func(ctx context.Context, tx controlplane.Tx) (controlplane.Merchant, error) {
					return tx.Merchant(ctx, Merchant(1).ID)
				})
				if !errors.Is(hidden, controlplane.ErrNotFound) {
					return errors.New("another transaction saw the change before its commit")
				}
				return err
			})
		}},
		{"a View sees one state while others commit", func(k *kit) {
			k.merchants(1)
			err := k.store.View(k.Context(), func(tx controlplane.Tx) error {
				if _, err := tx.Merchant(k.Context(), Merchant(1).ID); err != nil {
					return err
				}
				if err := k.try(func(ctx context.Context, tx controlplane.Tx) error { return tx.InsertMerchant(ctx, Merchant(2)) }); err != nil {
					return err
				}
				_, err := tx.Merchant(k.Context(), Merchant(2).ID)
				return err
			})
			if !errors.Is(err, controlplane.ErrNotFound) {
				k.Fatalf("the View saw a later commit: %v", err)
			}
		}},
		{"a View does not write", func(k *kit) {
			err := k.store.View(k.Context(), func(tx controlplane.Tx) error { return tx.InsertMerchant(k.Context(), Merchant(1)) })
			if err == nil {
				k.Fatal("a View wrote")
			}
			same(k, merchants(k, controlplane.MerchantFilter{}), nil)
		}},
	}
}

func endings() []contract {
	return []contract{
		{"a panic undoes the change and becomes an error", func(k *kit) {
			err := k.try(func(ctx context.Context, tx controlplane.Tx) error {
				if err := tx.InsertMerchant(ctx, Merchant(1)); err != nil {
					return err
				}
				panic("boom")
			})
			if controlplane.CodeOf(err) != controlplane.CodeInternal || !strings.Contains(err.Error(), "boom") {
				k.Fatal(err)
			}
			k.merchants(1)
		}},
		{"a Tx is dead after its function returned", func(k *kit) {
			var kept controlplane.Tx
			k.must(func(_ context.Context, tx controlplane.Tx) error { kept = tx; return nil })
			if kept.InsertMerchant(k.Context(), Merchant(1)) == nil {
				k.Fatal("a kept Tx wrote")
			}
			if _, err := kept.Merchants(k.Context(), controlplane.MerchantFilter{}); err == nil {
				k.Fatal("a kept Tx read")
			}
		}},
		{"a caller who has given up changes nothing", func(k *kit) {
			ctx, cancel := context.WithCancel(k.Context())
			cancel()
			err := k.store.Update(ctx, func(tx controlplane.Tx) error { return tx.InsertMerchant(ctx, Merchant(1)) })
			if !errors.Is(err, context.Canceled) {
				k.Fatal(err)
			}
			same(k, merchants(k, controlplane.MerchantFilter{}), nil)
			if err := k.store.View(ctx, func(controlplane.Tx) error { return nil }); !errors.Is(err, context.Canceled) {
				k.Fatal(err)
			}
		}},
		{"a caller who gives up during the change learns what became of it", func(k *kit) {
			ctx, cancel := context.WithCancel(k.Context())
			err := k.store.Update(ctx, func(tx controlplane.Tx) error {
				cancel()
				return tx.InsertMerchant(ctx, Merchant(1))
			})
			found := merchants(k, controlplane.MerchantFilter{})
			if (err == nil) != (len(found) == 1) {
				k.Fatalf("error %v, but %d merchants", err, len(found))
			}
		}},
		{"the revision counts up and only when committed", func(k *kit) {
			for want := range int64(3) {
				same(k, revision(k), want)
				k.must(func(ctx context.Context, tx controlplane.Tx) error {
					got, err := tx.BumpRevision(ctx)
					if err == nil && got != want+1 {
						return errors.New("a gap")
					}
					return err
				})
			}
		}},
	}
}

func revision(k *kit) int64 {
	k.Helper()
	return read(k, func(ctx context.Context, tx controlplane.Tx) (int64, error) { return tx.Revision(ctx) })
}
