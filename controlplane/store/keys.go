package store

import (
	"context"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

const (
	sqlInsertKey = `INSERT INTO api_keys (id, merchant_id, environment, state, secret, created_at, created_by,
			retire_at, last_used_at, last_used_ip, revision)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`
	sqlUpdateKey = `UPDATE api_keys SET state = $1, retire_at = $2, revision = $3 WHERE merchant_id = $4 AND id = $5`
	sqlKey       = `SELECT id, merchant_id, environment, state, created_at, created_by, retire_at, last_used_at, last_used_ip, revision
		FROM api_keys WHERE merchant_id = $1 AND id = $2`
	sqlActiveKey = `SELECT id, merchant_id, environment, state, created_at, created_by, retire_at, last_used_at, last_used_ip, revision
		FROM api_keys WHERE merchant_id = $1 AND environment = $2 AND state = 'active'`
	sqlKeys = `SELECT id, merchant_id, environment, state, created_at, created_by, retire_at, last_used_at, last_used_ip, revision
		FROM api_keys WHERE merchant_id = $1 AND ($2 = '' OR environment = $2) ORDER BY created_at DESC, id DESC`
	sqlSaveKeyUse = `UPDATE api_keys SET last_used_at = $1, last_used_ip = $2 WHERE id = $3 AND last_used_at < $1`
)

func (t *tx) InsertKey(ctx context.Context, k controlplane.APIKey, sealedSecret []byte) error {
	return t.insert(ctx, "api key", sqlInsertKey, k.ID, k.MerchantID, k.Environment, k.State, sealedSecret, micros(k.CreatedAt), k.CreatedBy,
		micros(k.RetireAt), micros(k.LastUsedAt), addrText(k.LastUsedIP), k.Revision)
}

func (t *tx) UpdateKey(ctx context.Context, k controlplane.APIKey) error {
	return t.change(ctx, "api key", sqlUpdateKey, k.State, micros(k.RetireAt), k.Revision, k.MerchantID, k.ID)
}

func (t *tx) Key(ctx context.Context, merchantID, id string) (controlplane.APIKey, error) {
	return one(ctx, t, "api key", scanKey, sqlKey, merchantID, id)
}

func (t *tx) ActiveKey(ctx context.Context, merchantID string, env controlplane.Environment) (controlplane.APIKey, error) {
	return one(ctx, t, "active api key", scanKey, sqlActiveKey, merchantID, env)
}

func (t *tx) Keys(ctx context.Context, merchantID string, env controlplane.Environment) ([]controlplane.APIKey, error) {
	return list(ctx, t, "api keys", scanKey, sqlKeys, merchantID, env)
}

func (t *tx) SaveKeyUse(ctx context.Context, uses []controlplane.KeyUse) error {
	for _, u := range uses {
		if _, err := t.exec(ctx, "api key", sqlSaveKeyUse, micros(u.At), addrText(u.IP), u.KeyID); err != nil {
			return err
		}
	}
	return nil
}

func scanKey(r scanner, k *controlplane.APIKey) error {
	return r.Scan(&k.ID, &k.MerchantID, &k.Environment, &k.State, timeColumn{&k.CreatedAt}, &k.CreatedBy,
		timeColumn{&k.RetireAt}, timeColumn{&k.LastUsedAt}, addrColumn{&k.LastUsedIP}, &k.Revision)
}
