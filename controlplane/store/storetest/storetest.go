// Package storetest is the contract of [controlplane.Store], as tests that every
// database must pass, and a filler for benchmarks at size.
//
// It knows no database: it opens nothing, and sees only the interface.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// Run tests the store that open makes. Each call of open returns an empty one and
// has it closed when its test ends.
func Run(t *testing.T, open func(t *testing.T) controlplane.Store) {
	for _, group := range []struct {
		name  string
		tests []contract
	}{
		{"merchants", merchantContract()},
		{"users", userContract()},
		{"keys", keyContract()},
		{"allowlist", allowlistContract()},
		{"allowlist requests", allowlistRequestContract()},
		{"approvals", approvalContract()},
		{"audit", auditContract()},
		{"outbox", outboxContract()},
		{"nodes", nodeContract()},
		{"keyring", keyringContract()},
		{"accounts", accountContract()},
		{"snapshot", snapshotContract()},
		{"webhooks", webhookContract()},
		{"leases", leaseContract()},
		{"staff tokens", staffTokenContract()},
		{"requests", requestContract()},
		{"transactions", transactionContract()},
		{"concurrency", concurrencyContract()},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, c := range group.tests {
				t.Run(c.name, func(t *testing.T) { c.test(&kit{T: t, store: open(t)}) })
			}
		})
	}
}

// contract is one behaviour, named as a sentence.
type contract struct {
	name string
	test func(k *kit)
}

// kit keeps the tests short. A function given to a store runs on a goroutine of
// its own, so it returns errors, and the test fails outside of it.
type kit struct {
	*testing.T
	store controlplane.Store
}

// must makes a change that has to succeed.
func (k *kit) must(fn func(ctx context.Context, tx controlplane.Tx) error) {
	k.Helper()
	if err := k.try(fn); err != nil {
		k.Fatal(err)
	}
}

// try makes a change and returns what became of it.
func (k *kit) try(fn func(ctx context.Context, tx controlplane.Tx) error) error {
	return k.store.Update(k.Context(), func(tx controlplane.Tx) error { return fn(k.Context(), tx) })
}

// wants fails unless the change ends in the error.
func (k *kit) wants(want error, fn func(ctx context.Context, tx controlplane.Tx) error) {
	k.Helper()
	if err := k.try(fn); !errors.Is(err, want) {
		k.Fatalf("the change ended with %v, not %v", err, want)
	}
}

// read returns what a View sees.
func read[T any](k *kit, fn func(ctx context.Context, tx controlplane.Tx) (T, error)) T {
	k.Helper()
	v, err := tryRead(k, fn)
	if err != nil {
		k.Fatal(err)
	}
	return v
}

func tryRead[T any](k *kit, fn func(ctx context.Context, tx controlplane.Tx) (T, error)) (v T, err error) {
	err = k.store.View(k.Context(), func(tx controlplane.Tx) error {
		v, err = fn(k.Context(), tx)
		return err
	})
	return v, err
}

// missing fails unless the look-up finds nothing.
func missing[T any](k *kit, fn func(ctx context.Context, tx controlplane.Tx) (T, error)) {
	k.Helper()
	if v, err := tryRead(k, fn); !errors.Is(err, controlplane.ErrNotFound) {
		k.Fatalf("found %+v with error %v, not ErrNotFound", v, err)
	}
}

func same[T any](k *kit, got, want T) {
	k.Helper()
	if !reflect.DeepEqual(got, want) {
		k.Fatalf("got  %+v\nwant %+v", got, want)
	}
}

// merchants makes merchants 1 to n.
func (k *kit) merchants(n int) []controlplane.Merchant {
	k.Helper()
	all := make([]controlplane.Merchant, n)
	k.must(func(ctx context.Context, tx controlplane.Tx) error {
		for i := range all {
			all[i] = Merchant(i + 1)
			if err := tx.InsertMerchant(ctx, all[i]); err != nil {
				return err
			}
		}
		return nil
	})
	return all
}

// At is a moment of the fixtures: n seconds after their beginning.
func At(n int) time.Time { return time.Unix(1_790_000_000+int64(n), 123_000).UTC() }

// ID is a valid, ordered id.
func ID(prefix string, n int) string { return fmt.Sprintf("%s%026d", prefix, n) }

// Merchant is the nth merchant of the fixtures.
func Merchant(n int) controlplane.Merchant {
	return controlplane.Merchant{
		ID: ID(controlplane.PrefixMerchant, n), Name: fmt.Sprintf("Merchant %d", n), State: controlplane.MerchantActive,
		CreatedAt: At(n), UpdatedAt: At(n + 1),
	}
}

// Key is the nth key of the fixtures: active, and the merchant's.
func Key(merchantID string, env controlplane.Environment, n int) controlplane.APIKey {
	return controlplane.APIKey{
		ID: fmt.Sprintf("unk_%s_%022d", env, n), MerchantID: merchantID, Environment: env,
		State: controlplane.KeyActive, CreatedAt: At(n), CreatedBy: "stf_1",
	}
}

// Entry is the nth allowlist entry of the fixtures.
func Entry(merchantID string, n int) controlplane.AllowlistEntry {
	addr := netip.AddrFrom4([4]byte{20, byte(n >> 16), byte(n >> 8), byte(n)})
	return controlplane.AllowlistEntry{
		ID: ID(controlplane.PrefixEntry, n), MerchantID: merchantID, Prefix: netip.PrefixFrom(addr, 32),
		Note: "data centre", CreatedAt: At(n), CreatedBy: "stf_1",
	}
}
