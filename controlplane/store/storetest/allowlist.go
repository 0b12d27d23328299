package storetest

import (
	"context"
	"net/netip"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

func allowlistContract() []contract {
	return []contract{
		{"every field comes back, with a row of its own", func(k *kit) {
			m := k.merchants(1)[0].ID
			six := Entry(m, 2)
			six.Prefix, six.LastMatchAt = netip.MustParsePrefix("2001:db8::/48"), At(7)
			a, b := insertEntry(k, Entry(m, 1)), insertEntry(k, six)
			if a.Row <= 0 || b.Row <= a.Row {
				k.Fatalf("rows %d and %d", a.Row, b.Row)
			}
			same(k, allowlist(k, m), []controlplane.AllowlistEntry{a, b})
			same(k, entry(k, m, b.ID), b)
		}},
		{"a range is a merchant's once", func(k *kit) {
			ms := k.merchants(2)
			insertEntry(k, Entry(ms[0].ID, 1))
			again := Entry(ms[0].ID, 1)
			again.ID = ID(controlplane.PrefixEntry, 2)
			k.wants(controlplane.ErrDuplicate, func(ctx context.Context, tx controlplane.Tx) error {
				_, err := tx.InsertAllowlistEntry(ctx, again)
				return err
			})
			again.MerchantID = ms[1].ID
			insertEntry(k, again)
		}},
		{"a note is written anew, and that of another merchant is not", func(k *kit) {
			ms := k.merchants(2)
			e := insertEntry(k, Entry(ms[0].ID, 1))
			k.must(func(ctx context.Context, tx controlplane.Tx) error {
				return tx.UpdateAllowlistNote(ctx, e.MerchantID, e.ID, "moved")
			})
			k.wants(controlplane.ErrNotFound, func(ctx context.Context, tx controlplane.Tx) error {
				return tx.UpdateAllowlistNote(ctx, ms[1].ID, e.ID, "stolen")
			})
			e.Note = "moved"
			same(k, entry(k, e.MerchantID, e.ID), e)
		}},
		{"an entry of another merchant is not found", func(k *kit) {
			ms := k.merchants(2)
			e := insertEntry(k, Entry(ms[0].ID, 1))
			missing(k, func(ctx context.Context, tx controlplane.Tx) (controlplane.AllowlistEntry, error) {
				return tx.AllowlistEntry(ctx, ms[1].ID, e.ID)
			})
			k.wants(controlplane.ErrNotFound, func(ctx context.Context, tx controlplane.Tx) error {
				return tx.DeleteAllowlistEntry(ctx, ms[1].ID, e.ID)
			})
			same(k, allowlist(k, ms[0].ID), []controlplane.AllowlistEntry{e})
			same(k, allowlist(k, ms[1].ID), nil)
		}},
		{"an entry of no merchant is refused as not found", func(k *kit) {
			k.wants(controlplane.ErrNotFound, func(ctx context.Context, tx controlplane.Tx) error {
				_, err := tx.InsertAllowlistEntry(ctx, Entry("mer_x", 1))
				return err
			})
		}},
		{"a removed entry is gone, and its row is not given again", func(k *kit) {
			m := k.merchants(1)[0].ID
			e := insertEntry(k, Entry(m, 1))
			remove := func(ctx context.Context, tx controlplane.Tx) error { return tx.DeleteAllowlistEntry(ctx, m, e.ID) }
			k.must(remove)
			k.wants(controlplane.ErrNotFound, remove)
			missing(k, func(ctx context.Context, tx controlplane.Tx) (controlplane.AllowlistEntry, error) {
				return tx.AllowlistEntry(ctx, m, e.ID)
			})
			if next := insertEntry(k, Entry(m, 1)); next.Row <= e.Row {
				k.Fatalf("row %d after %d", next.Row, e.Row)
			}
		}},
		{"last match moves forward only", func(k *kit) {
			e := insertEntry(k, Entry(k.merchants(1)[0].ID, 1))
			for _, n := range []int{100, 99} {
				k.must(func(ctx context.Context, tx controlplane.Tx) error {
					return tx.SaveAllowlistMatches(ctx, []controlplane.AllowlistMatch{{Row: e.Row, At: At(n)}, {Row: 1 << 40, At: At(n)}})
				})
			}
			e.LastMatchAt = At(100)
			same(k, entry(k, e.MerchantID, e.ID), e)
		}},
	}
}

func insertEntry(k *kit, e controlplane.AllowlistEntry) (out controlplane.AllowlistEntry) {
	k.Helper()
	k.must(func(ctx context.Context, tx controlplane.Tx) (err error) {
		out, err = tx.InsertAllowlistEntry(ctx, e)
		return err
	})
	return out
}

func entry(k *kit, merchantID, id string) controlplane.AllowlistEntry {
	k.Helper()
	return read(k, func(ctx context.Context, tx controlplane.Tx) (controlplane.AllowlistEntry, error) {
		return tx.AllowlistEntry(ctx, merchantID, id)
	})
}

func allowlist(k *kit, merchantID string) []controlplane.AllowlistEntry {
	k.Helper()
	return read(k, func(ctx context.Context, tx controlplane.Tx) ([]controlplane.AllowlistEntry, error) {
		return tx.Allowlist(ctx, merchantID)
	})
}
