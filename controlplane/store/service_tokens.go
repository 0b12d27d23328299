package store

import (
	"context"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

const (
	sqlInsertServiceToken = `INSERT INTO service_tokens (id, name, hash, created_at, created_by, revoked_at, last_used_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`
	sqlUpdateServiceToken  = `UPDATE service_tokens SET revoked_at = $1 WHERE id = $2`
	sqlServiceToken        = `SELECT id, name, hash, created_at, created_by, revoked_at, last_used_at FROM service_tokens WHERE id = $1`
	sqlServiceTokenByHash  = `SELECT id, name, hash, created_at, created_by, revoked_at, last_used_at FROM service_tokens WHERE hash = $1`
	sqlServiceTokens       = `SELECT id, name, hash, created_at, created_by, revoked_at, last_used_at FROM service_tokens ORDER BY id`
	sqlSaveServiceTokenUse = `UPDATE service_tokens SET last_used_at = $1 WHERE id = $2 AND last_used_at < $1`
)

func (t *tx) InsertServiceToken(ctx context.Context, s controlplane.ServiceToken) error {
	return t.insert(ctx, "service token", sqlInsertServiceToken, s.ID, s.Name, s.Hash[:], micros(s.CreatedAt), s.CreatedBy, micros(s.RevokedAt), micros(s.LastUsedAt))
}

func (t *tx) UpdateServiceToken(ctx context.Context, s controlplane.ServiceToken) error {
	return t.change(ctx, "service token", sqlUpdateServiceToken, micros(s.RevokedAt), s.ID)
}

func (t *tx) ServiceToken(ctx context.Context, id string) (controlplane.ServiceToken, error) {
	return one(ctx, t, "service token", scanServiceToken, sqlServiceToken, id)
}

func (t *tx) ServiceTokenByHash(ctx context.Context, hash [32]byte) (controlplane.ServiceToken, error) {
	return one(ctx, t, "service token", scanServiceToken, sqlServiceTokenByHash, hash[:])
}

func (t *tx) ServiceTokens(ctx context.Context) ([]controlplane.ServiceToken, error) {
	return list(ctx, t, "service tokens", scanServiceToken, sqlServiceTokens)
}

func (t *tx) SaveServiceTokenUse(ctx context.Context, id string, at time.Time) error {
	return t.insert(ctx, "service token", sqlSaveServiceTokenUse, micros(at), id)
}

func scanServiceToken(r scanner, s *controlplane.ServiceToken) error {
	return r.Scan(&s.ID, &s.Name, hashColumn{&s.Hash}, timeColumn{&s.CreatedAt}, &s.CreatedBy, timeColumn{&s.RevokedAt}, timeColumn{&s.LastUsedAt})
}
