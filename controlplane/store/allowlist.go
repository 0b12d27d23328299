package store

import (
	"context"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

const (
	sqlInsertAllowlistEntry = `INSERT INTO allowlist_entries (id, merchant_id, cidr, note, created_at, created_by, last_match_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING row_id`
	sqlDeleteAllowlistEntry = `DELETE FROM allowlist_entries WHERE merchant_id = $1 AND id = $2`
	sqlAllowlistEntry       = `SELECT row_id, id, merchant_id, cidr, note, created_at, created_by, last_match_at
		FROM allowlist_entries WHERE merchant_id = $1 AND id = $2`
	sqlAllowlist = `SELECT row_id, id, merchant_id, cidr, note, created_at, created_by, last_match_at
		FROM allowlist_entries WHERE merchant_id = $1 ORDER BY id`
	sqlUpdateAllowlistNote = `UPDATE allowlist_entries SET note = $1 WHERE merchant_id = $2 AND id = $3`
	sqlSaveAllowlistMatch  = `UPDATE allowlist_entries SET last_match_at = $1 WHERE row_id = $2 AND last_match_at < $1`
)

func (t *tx) InsertAllowlistEntry(ctx context.Context, e controlplane.AllowlistEntry) (controlplane.AllowlistEntry, error) {
	row, err := one(ctx, t, "allowlist entry", scanValue[int64], sqlInsertAllowlistEntry,
		e.ID, e.MerchantID, e.Prefix.String(), e.Note, micros(e.CreatedAt), e.CreatedBy, micros(e.LastMatchAt))
	e.Row = row
	return e, err
}

func (t *tx) DeleteAllowlistEntry(ctx context.Context, merchantID, id string) error {
	return t.change(ctx, "allowlist entry", sqlDeleteAllowlistEntry, merchantID, id)
}

func (t *tx) UpdateAllowlistNote(ctx context.Context, merchantID, id, note string) error {
	return t.change(ctx, "allowlist entry", sqlUpdateAllowlistNote, note, merchantID, id)
}

func (t *tx) AllowlistEntry(ctx context.Context, merchantID, id string) (controlplane.AllowlistEntry, error) {
	return one(ctx, t, "allowlist entry", scanAllowlistEntry, sqlAllowlistEntry, merchantID, id)
}

func (t *tx) Allowlist(ctx context.Context, merchantID string) ([]controlplane.AllowlistEntry, error) {
	return list(ctx, t, "allowlist", scanAllowlistEntry, sqlAllowlist, merchantID)
}

func (t *tx) SaveAllowlistMatches(ctx context.Context, matches []controlplane.AllowlistMatch) error {
	for _, m := range matches {
		if _, err := t.exec(ctx, "allowlist entry", sqlSaveAllowlistMatch, micros(m.At), m.Row); err != nil {
			return err
		}
	}
	return nil
}

func scanAllowlistEntry(r scanner, e *controlplane.AllowlistEntry) error {
	return r.Scan(&e.Row, &e.ID, &e.MerchantID, prefixColumn{&e.Prefix}, &e.Note,
		timeColumn{&e.CreatedAt}, &e.CreatedBy, timeColumn{&e.LastMatchAt})
}
