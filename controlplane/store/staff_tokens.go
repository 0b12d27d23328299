package store

import (
	"context"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

const (
	sqlInsertStaffToken = `INSERT INTO staff_tokens (id, staff_id, username, name, confirmed, security_version, hash,
		created_at, created_by, expires_at, revoked_at, last_used_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`
	sqlRevokeStaffToken = `UPDATE staff_tokens SET revoked_at = $1 WHERE id = $2`
	sqlStaffToken       = `SELECT id, staff_id, username, name, confirmed, security_version, hash,
		created_at, created_by, expires_at, revoked_at, last_used_at FROM staff_tokens WHERE id = $1`
	sqlStaffTokenByHash = `SELECT id, staff_id, username, name, confirmed, security_version, hash,
		created_at, created_by, expires_at, revoked_at, last_used_at FROM staff_tokens WHERE hash = $1`
	sqlStaffTokens = `SELECT id, staff_id, username, name, confirmed, security_version, hash,
		created_at, created_by, expires_at, revoked_at, last_used_at FROM staff_tokens
		WHERE ($1 = '' OR staff_id = $1) ORDER BY id`
	sqlSaveStaffTokenUse = `UPDATE staff_tokens SET last_used_at = $1 WHERE id = $2 AND last_used_at < $1`
)

func (t *tx) InsertStaffToken(ctx context.Context, s controlplane.StaffToken) error {
	return t.insert(ctx, "staff token", sqlInsertStaffToken, s.ID, s.StaffID, s.Username, s.Name, flag(s.Confirmed), s.SecurityVersion, s.Hash[:],
		micros(s.CreatedAt), s.CreatedBy, micros(s.ExpiresAt), micros(s.RevokedAt), micros(s.LastUsedAt))
}

func (t *tx) RevokeStaffToken(ctx context.Context, id string, at time.Time) error {
	return t.change(ctx, "staff token", sqlRevokeStaffToken, micros(at), id)
}

func (t *tx) StaffToken(ctx context.Context, id string) (controlplane.StaffToken, error) {
	return one(ctx, t, "staff token", scanStaffToken, sqlStaffToken, id)
}

func (t *tx) StaffTokenByHash(ctx context.Context, hash [32]byte) (controlplane.StaffToken, error) {
	return one(ctx, t, "staff token", scanStaffToken, sqlStaffTokenByHash, hash[:])
}

func (t *tx) StaffTokens(ctx context.Context, f controlplane.StaffTokenFilter) ([]controlplane.StaffToken, error) {
	return list(ctx, t, "staff tokens", scanStaffToken, sqlStaffTokens, f.StaffID)
}

func (t *tx) SaveStaffTokenUse(ctx context.Context, id string, at time.Time) error {
	return t.insert(ctx, "staff token", sqlSaveStaffTokenUse, micros(at), id)
}

func scanStaffToken(r scanner, s *controlplane.StaffToken) error {
	return r.Scan(&s.ID, &s.StaffID, &s.Username, &s.Name, &s.Confirmed, &s.SecurityVersion, hashColumn{&s.Hash},
		timeColumn{&s.CreatedAt}, &s.CreatedBy, timeColumn{&s.ExpiresAt}, timeColumn{&s.RevokedAt}, timeColumn{&s.LastUsedAt})
}
