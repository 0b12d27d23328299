package storetest

import (
	"context"
	"net/netip"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

func keyContract() []contract {
	return []contract{
		{"every field comes back", func(k *kit) {
			key := Key(k.merchants(1)[0].ID, controlplane.Live, 1)
			key.State, key.RetireAt, key.LastUsedAt, key.Revision = controlplane.KeyRetiring, At(5), At(6), 8
			key.LastUsedIP = netip.MustParseAddr("2001:db8::1")
			insertKey(k, key)
			same(k, apiKey(k, key.MerchantID, key.ID), key)
		}},
		{"an update writes state, end and revision", func(k *kit) {
			key := insertKey(k, Key(k.merchants(1)[0].ID, controlplane.Live, 1))
			changed := key
			changed.State, changed.RetireAt, changed.Revision, changed.CreatedBy = controlplane.KeyRevoked, At(9), 3, "someone else"
			k.must(func(ctx context.Context, tx controlplane.Tx) error { return tx.UpdateKey(ctx, changed) })
			changed.CreatedBy = key.CreatedBy
			same(k, apiKey(k, key.MerchantID, key.ID), changed)
		}},
		{"one key of a merchant and environment is active", oneActiveKey},
		{"a key of another merchant is not found", func(k *kit) {
			ms := k.merchants(2)
			key := insertKey(k, Key(ms[0].ID, controlplane.Test, 1))
			missing(k, func(ctx context.Context, tx controlplane.Tx) (controlplane.APIKey, error) {
				return tx.Key(ctx, ms[1].ID, key.ID)
			})
			missing(k, func(ctx context.Context, tx controlplane.Tx) (controlplane.APIKey, error) {
				return tx.ActiveKey(ctx, ms[1].ID, controlplane.Test)
			})
			foreign := key
			foreign.MerchantID, foreign.State = ms[1].ID, controlplane.KeyRevoked
			k.wants(controlplane.ErrNotFound, func(ctx context.Context, tx controlplane.Tx) error { return tx.UpdateKey(ctx, foreign) })
			same(k, apiKey(k, ms[0].ID, key.ID), key)
			same(k, keys(k, ms[1].ID, ""), nil)
		}},
		{"a key of no merchant is refused as not found", func(k *kit) {
			k.wants(controlplane.ErrNotFound, func(ctx context.Context, tx controlplane.Tx) error {
				return tx.InsertKey(ctx, Key("mer_x", controlplane.Live, 1), []byte("sealed"))
			})
		}},
		{"listings are newest first and by environment", func(k *kit) {
			m := k.merchants(1)[0].ID
			first := Key(m, controlplane.Live, 1)
			first.State = controlplane.KeyRevoked
			test, live := Key(m, controlplane.Test, 2), Key(m, controlplane.Live, 3)
			for _, key := range []controlplane.APIKey{first, test, live} {
				insertKey(k, key)
			}
			same(k, keys(k, m, ""), []controlplane.APIKey{live, test, first})
			same(k, keys(k, m, controlplane.Live), []controlplane.APIKey{live, first})
			same(k, keys(k, m, controlplane.Test), []controlplane.APIKey{test})
		}},
		{"last use moves forward only", lastUse},
	}
}

func oneActiveKey(k *kit) {
	ms := k.merchants(2)
	first := insertKey(k, Key(ms[0].ID, controlplane.Live, 1))
	insertKey(k, Key(ms[0].ID, controlplane.Test, 2))
	insertKey(k, Key(ms[1].ID, controlplane.Live, 3))
	second := Key(ms[0].ID, controlplane.Live, 4)
	k.wants(controlplane.ErrDuplicate, func(ctx context.Context, tx controlplane.Tx) error {
		return tx.InsertKey(ctx, second, []byte("sealed"))
	})
	first.State, first.RetireAt = controlplane.KeyRetiring, At(50)
	k.must(func(ctx context.Context, tx controlplane.Tx) error {
		if err := tx.UpdateKey(ctx, first); err != nil {
			return err
		}
		return tx.InsertKey(ctx, second, []byte("sealed"))
	})
	same(k, read(k, func(ctx context.Context, tx controlplane.Tx) (controlplane.APIKey, error) {
		return tx.ActiveKey(ctx, ms[0].ID, controlplane.Live)
	}), second)
}

func lastUse(k *kit) {
	key := insertKey(k, Key(k.merchants(1)[0].ID, controlplane.Live, 1))
	use := func(n int, ip string) controlplane.KeyUse {
		return controlplane.KeyUse{KeyID: key.ID, At: At(n), IP: netip.MustParseAddr(ip)}
	}
	save := func(uses ...controlplane.KeyUse) {
		k.must(func(ctx context.Context, tx controlplane.Tx) error { return tx.SaveKeyUse(ctx, uses) })
	}
	save()
	save(use(100, "192.0.2.1"), controlplane.KeyUse{KeyID: "unk_live_gone", At: At(100)})
	save(use(99, "192.0.2.99"))
	key.LastUsedAt, key.LastUsedIP = At(100), netip.MustParseAddr("192.0.2.1")
	same(k, apiKey(k, key.MerchantID, key.ID), key)
	save(use(101, "2001:db8::2"))
	key.LastUsedAt, key.LastUsedIP = At(101), netip.MustParseAddr("2001:db8::2")
	same(k, apiKey(k, key.MerchantID, key.ID), key)
}

func insertKey(k *kit, key controlplane.APIKey) controlplane.APIKey {
	k.Helper()
	k.must(func(ctx context.Context, tx controlplane.Tx) error {
		return tx.InsertKey(ctx, key, []byte("sealed "+key.ID))
	})
	return key
}

func apiKey(k *kit, merchantID, id string) controlplane.APIKey {
	k.Helper()
	return read(k, func(ctx context.Context, tx controlplane.Tx) (controlplane.APIKey, error) {
		return tx.Key(ctx, merchantID, id)
	})
}

func keys(k *kit, merchantID string, env controlplane.Environment) []controlplane.APIKey {
	k.Helper()
	return read(k, func(ctx context.Context, tx controlplane.Tx) ([]controlplane.APIKey, error) {
		return tx.Keys(ctx, merchantID, env)
	})
}
