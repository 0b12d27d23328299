package storetest

import (
	"context"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

func keyringContract() []contract {
	return []contract{
		{"data keys come back in order and can be wrapped anew", dataKeys},
		{"a data key keeps its purpose", func(k *kit) {
			key := controlplane.DataKey{ID: 1, Purpose: "api_secret", RootID: "r", Wrapped: []byte{1}, CreatedAt: At(1)}
			k.must(func(ctx context.Context, tx controlplane.Tx) error { return tx.PutDataKey(ctx, key) })
			key.Purpose = "totp"
			k.wants(controlplane.ErrDuplicate, func(ctx context.Context, tx controlplane.Tx) error { return tx.PutDataKey(ctx, key) })
		}},
		{"an unknown data key is not found", func(k *kit) {
			k.wants(controlplane.ErrNotFound, func(ctx context.Context, tx controlplane.Tx) error { return tx.DeleteDataKey(ctx, 1) })
		}},
		{"sealed secrets come in pages, with where they live", sealedRows},
		{"a record is replaced only while it is the old one", replaceSealed},
		{"a purpose without a column is refused", func(k *kit) {
			if _, err := tryRead(k, func(ctx context.Context, tx controlplane.Tx) ([]controlplane.SealedRow, error) {
				return tx.SealedRows(ctx, "nonsense", "", 10)
			}); err == nil {
				k.Fatal("rows of an unknown purpose")
			}
			if k.try(func(ctx context.Context, tx controlplane.Tx) error {
				_, err := tx.ReplaceSealed(ctx, "nonsense", controlplane.SealedRow{}, nil)
				return err
			}) == nil {
				k.Fatal("replaced for an unknown purpose")
			}
		}},
	}
}

func dataKeys(k *kit) {
	a := controlplane.DataKey{ID: 1 << 31, Purpose: "api_secret", RootID: "r1", Wrapped: []byte{1, 2}, CreatedAt: At(1)}
	b := controlplane.DataKey{ID: 7, Purpose: "api_secret", RootID: "r1", Wrapped: []byte{3}, CreatedAt: At(2)}
	put := func(key controlplane.DataKey) {
		k.must(func(ctx context.Context, tx controlplane.Tx) error { return tx.PutDataKey(ctx, key) })
	}
	all := func() []controlplane.DataKey {
		return read(k, func(ctx context.Context, tx controlplane.Tx) ([]controlplane.DataKey, error) { return tx.DataKeys(ctx) })
	}
	put(a)
	put(b)
	same(k, all(), []controlplane.DataKey{b, a})
	a.RootID, a.Wrapped = "r2", []byte{9}
	put(a)
	same(k, all(), []controlplane.DataKey{b, a})
	k.must(func(ctx context.Context, tx controlplane.Tx) error { return tx.DeleteDataKey(ctx, b.ID) })
	same(k, all(), []controlplane.DataKey{a})
}

func sealedRows(k *kit) {
	m := k.merchants(1)[0].ID
	var want []controlplane.SealedRow
	for n := range 5 {
		key := Key(m, controlplane.Live, n+1)
		key.State = controlplane.KeyRevoked
		insertKey(k, key)
		want = append(want, sealedRow(key))
	}
	same(k, sealed(k, "", 10), want)
	same(k, sealed(k, want[1].Location.Row, 2), want[2:4])
	same(k, sealed(k, want[4].Location.Row, 2), nil)
}

func replaceSealed(k *kit) {
	key := insertKey(k, Key(k.merchants(1)[0].ID, controlplane.Test, 1))
	row := sealedRow(key)
	old := row.Record
	row.Record = []byte("sealed anew")
	replace := func(row controlplane.SealedRow, old []byte) (done bool) {
		k.must(func(ctx context.Context, tx controlplane.Tx) (err error) {
			done, err = tx.ReplaceSealed(ctx, controlplane.PurposeAPISecret, row, old)
			return err
		})
		return done
	}
	same(k, replace(row, []byte("something else")), false)
	foreign := row
	foreign.Location.Merchant = "mer_x"
	same(k, replace(foreign, old), false)
	same(k, replace(row, old), true)
	same(k, replace(row, old), false)
	same(k, sealed(k, "", 10), []controlplane.SealedRow{row})
}

func sealedRow(key controlplane.APIKey) controlplane.SealedRow {
	return controlplane.SealedRow{
		Location: controlplane.APISecretLocation(key.ID, key.MerchantID, key.Environment), Record: []byte("sealed " + key.ID),
	}
}

func sealed(k *kit, after string, limit int) []controlplane.SealedRow {
	k.Helper()
	return read(k, func(ctx context.Context, tx controlplane.Tx) ([]controlplane.SealedRow, error) {
		return tx.SealedRows(ctx, controlplane.PurposeAPISecret, after, limit)
	})
}
