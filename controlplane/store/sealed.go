package store

import (
	"context"
	"fmt"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

const (
	sqlDataKeys   = `SELECT id, purpose, root_id, wrapped, created_at FROM data_keys ORDER BY id`
	sqlPutDataKey = `INSERT INTO data_keys (id, purpose, root_id, wrapped, created_at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (id) DO UPDATE SET root_id = excluded.root_id, wrapped = excluded.wrapped WHERE data_keys.purpose = excluded.purpose`
	sqlDeleteDataKey = `DELETE FROM data_keys WHERE id = $1`

	sqlSealedAPISecrets = `SELECT id, merchant_id, environment, secret FROM api_keys WHERE id > $1 ORDER BY id LIMIT $2`
	sqlSealAPISecret    = `UPDATE api_keys SET secret = $1 WHERE merchant_id = $2 AND id = $3 AND secret = $4`
)

// sealedColumn is where the records of a purpose are kept. Its rows are read as
// (row, merchant, environment, record).
type sealedColumn struct {
	purpose       string
	table, column string
	read, replace string
}

// sealedColumns has a line for each purpose; re-encryption reaches no other
// column.
func sealedColumns() []sealedColumn {
	return []sealedColumn{
		{controlplane.PurposeAPISecret, "api_keys", "secret", sqlSealedAPISecrets, sqlSealAPISecret},
		{controlplane.PurposeTOTPSeed, "totp_seeds", "seed", sqlSealedTOTPSeeds, sqlSealTOTPSeed},
		{controlplane.PurposeWebhookSecret, "endpoint_secrets", "secret", sqlSealedEndpointSecrets, sqlSealEndpointSecret},
	}
}

func sealedColumnOf(purpose string) (sealedColumn, error) {
	for _, c := range sealedColumns() {
		if c.purpose == purpose {
			return c, nil
		}
	}
	return sealedColumn{}, fmt.Errorf("no column is sealed for the purpose %q", purpose)
}

func (t *tx) DataKeys(ctx context.Context) ([]controlplane.DataKey, error) {
	return list(ctx, t, "data keys", func(r scanner, k *controlplane.DataKey) error {
		return r.Scan(&k.ID, &k.Purpose, &k.RootID, &k.Wrapped, timeColumn{&k.CreatedAt})
	}, sqlDataKeys)
}

func (t *tx) PutDataKey(ctx context.Context, k controlplane.DataKey) error {
	n, err := t.exec(ctx, "data key", sqlPutDataKey, int64(k.ID), k.Purpose, k.RootID, k.Wrapped, micros(k.CreatedAt))
	if err == nil && n == 0 {
		return fmt.Errorf("data key %d for another purpose: %w", k.ID, controlplane.ErrDuplicate)
	}
	return err
}

func (t *tx) DeleteDataKey(ctx context.Context, id uint32) error {
	return t.change(ctx, "data key", sqlDeleteDataKey, int64(id))
}

func (t *tx) SealedRows(ctx context.Context, purpose, after string, limit int) ([]controlplane.SealedRow, error) {
	c, err := sealedColumnOf(purpose)
	if err != nil {
		return nil, err
	}
	return list(ctx, t, "sealed "+c.table, func(r scanner, s *controlplane.SealedRow) error {
		l := &s.Location
		l.Table, l.Column = c.table, c.column
		return r.Scan(&l.Row, &l.Merchant, &l.Environment, &s.Record)
	}, c.read, after, limit)
}

func (t *tx) ReplaceSealed(ctx context.Context, purpose string, row controlplane.SealedRow, old []byte) (bool, error) {
	c, err := sealedColumnOf(purpose)
	if err != nil {
		return false, err
	}
	n, err := t.exec(ctx, "sealed "+c.table, c.replace, row.Record, row.Location.Merchant, row.Location.Row, old)
	return n == 1, err
}
