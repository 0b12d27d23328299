package storetest

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

func snapshotContract() []contract {
	return []contract{
		{"merchants come with their whole allowlist", snapshotAllowlist},
		{"keys come with their sealed secret", func(k *kit) {
			key := Key(k.merchants(1)[0].ID, controlplane.Test, 1)
			key.State, key.RetireAt, key.Revision = controlplane.KeyRetiring, At(60), 4
			insertKey(k, key)
			same(k, snapshotKeys(k, 0, At(0)), []controlplane.KeyRecord{{
				ID: key.ID, MerchantID: key.MerchantID, Environment: controlplane.Test, State: controlplane.KeyRetiring,
				RetireAt: At(60), Revision: 4, SealedSecret: []byte("sealed " + key.ID),
			}})
		}},
		{"keys that ended before the cutoff are left out", snapshotCutoff},
		{"a change is in exactly the delta after the revision before it", snapshotDeltas},
		{"an error of the callback ends the stream and comes back", func(k *kit) {
			m := k.merchants(3)
			k.must(func(ctx context.Context, tx controlplane.Tx) error {
				m[0].Revision, m[1].Revision = 1, 1
				return errors.Join(tx.UpdateMerchant(ctx, m[0]), tx.UpdateMerchant(ctx, m[1]))
			})
			calls, stop := 0, errors.New("stop")
			err := k.store.View(k.Context(), func(tx controlplane.Tx) error {
				return tx.SnapshotMerchants(k.Context(), 0, func(controlplane.MerchantRecord) error { calls++; return stop })
			})
			if !errors.Is(err, stop) || calls != 1 {
				k.Fatalf("%d calls, error %v", calls, err)
			}
		}},
	}
}

func snapshotAllowlist(k *kit) {
	ms := k.merchants(2)
	var want []controlplane.AllowedPrefix
	for n := range 3 {
		e := insertEntry(k, Entry(ms[0].ID, n+1))
		want = append(want, controlplane.AllowedPrefix{Row: e.Row, Prefix: e.Prefix})
	}
	k.must(func(ctx context.Context, tx controlplane.Tx) error {
		ms[0].Revision, ms[1].Revision, ms[1].State = 1, 2, controlplane.MerchantSuspended
		return errors.Join(tx.UpdateMerchant(ctx, ms[0]), tx.UpdateMerchant(ctx, ms[1]))
	})
	all := []controlplane.MerchantRecord{
		{ID: ms[0].ID, State: controlplane.MerchantActive, Revision: 1, Allowlist: want},
		{ID: ms[1].ID, State: controlplane.MerchantSuspended, Revision: 2},
	}
	same(k, snapshotMerchants(k, -1), all)
	same(k, snapshotMerchants(k, 0), all)
	same(k, snapshotMerchants(k, 1), all[1:])
}

func snapshotCutoff(k *kit) {
	m := k.merchants(1)[0].ID
	var ids []string
	for n, c := range []struct {
		state controlplane.KeyState
		end   time.Time
	}{
		{controlplane.KeyActive, time.Time{}}, {controlplane.KeyRetiring, At(100)}, {controlplane.KeyRetiring, At(99)},
		{controlplane.KeyRevoked, At(101)}, {controlplane.KeyRevoked, At(1)},
	} {
		key := Key(m, controlplane.Live, n+1)
		key.State, key.RetireAt, key.Revision = c.state, c.end, 1
		ids = append(ids, insertKey(k, key).ID)
	}
	read(k, func(ctx context.Context, tx controlplane.Tx) (any, error) {
		merchants, keys, err := tx.SnapshotSize(ctx)
		if merchants != 1 || keys != 1 {
			k.Errorf("%d merchants and %d active keys are counted, want one of each", merchants, keys)
		}
		return nil, err
	})
	for _, after := range []int64{-1, 0} {
		var got []string
		for _, r := range snapshotKeys(k, after, At(100)) {
			got = append(got, r.ID)
		}
		same(k, got, []string{ids[0], ids[1], ids[3]})
	}
}

// snapshotDeltas makes ten changes and asks for every delta.
func snapshotDeltas(k *kit) {
	m := k.merchants(10)
	for i := range m {
		k.must(func(ctx context.Context, tx controlplane.Tx) error {
			rev, err := tx.BumpRevision(ctx)
			if err != nil {
				return err
			}
			m[i].Revision = rev
			key := Key(m[i].ID, controlplane.Live, i+1)
			key.Revision = rev
			return errors.Join(tx.UpdateMerchant(ctx, m[i]), tx.InsertKey(ctx, key, []byte("sealed")))
		})
	}
	same(k, len(snapshotMerchants(k, -1)), len(m))
	same(k, len(snapshotKeys(k, -1, At(0))), len(m))
	for i := range m {
		merchants, keys := snapshotMerchants(k, m[i].Revision), snapshotKeys(k, m[i].Revision, At(0))
		if len(merchants) != len(m)-1-i || len(keys) != len(m)-1-i {
			k.Fatalf("%d merchants and %d keys after revision %d", len(merchants), len(keys), m[i].Revision)
		}
	}
}

func snapshotMerchants(k *kit, after int64) []controlplane.MerchantRecord {
	k.Helper()
	var all []controlplane.MerchantRecord
	read(k, func(ctx context.Context, tx controlplane.Tx) (any, error) {
		return nil, tx.SnapshotMerchants(ctx, after, func(m controlplane.MerchantRecord) error {
			m.Allowlist = slices.Clone(m.Allowlist)
			slices.SortFunc(m.Allowlist, func(a, b controlplane.AllowedPrefix) int { return int(a.Row - b.Row) })
			if len(m.Allowlist) == 0 {
				m.Allowlist = nil
			}
			all = append(all, m)
			return nil
		})
	})
	slices.SortFunc(all, func(a, b controlplane.MerchantRecord) int { return int(a.Revision - b.Revision) })
	return all
}

func snapshotKeys(k *kit, after int64, cutoff time.Time) []controlplane.KeyRecord {
	k.Helper()
	var all []controlplane.KeyRecord
	read(k, func(ctx context.Context, tx controlplane.Tx) (any, error) {
		return nil, tx.SnapshotKeys(ctx, after, cutoff, func(r controlplane.KeyRecord) error {
			r.SealedSecret = slices.Clone(r.SealedSecret)
			all = append(all, r)
			return nil
		})
	})
	slices.SortFunc(all, func(a, b controlplane.KeyRecord) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	return all
}
