package store

import (
	"context"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// The hot inserts have no RETURNING: SQLite carries it out as a trigger and keeps a
// statement journal for it, whose end takes longer the more the transaction has
// changed. In a batch of 1,000 that was two thirds of the time.
const (
	sqlInsertEvent = `INSERT INTO events (id, merchant_id, environment, type, body, created_at, key_hash, content_hash)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (key_hash) DO NOTHING`
	sqlEventRow   = `SELECT row_id FROM events WHERE merchant_id = $1 AND id = $2`
	sqlEventByKey = `SELECT row_id, id, merchant_id, environment, type, created_at, key_hash, content_hash FROM events WHERE key_hash = $1`
	sqlEvent      = `SELECT row_id, id, merchant_id, environment, type, body, created_at, key_hash, content_hash
		FROM events WHERE merchant_id = $1 AND id = $2`
)

func (t *tx) InsertEvent(ctx context.Context, e controlplane.Event) (controlplane.Event, bool, error) {
	args := []any{e.ID, e.MerchantID, e.Environment, e.Type, []byte(e.Body), micros(e.CreatedAt), e.KeyHash[:], e.ContentHash[:]}
	row, err := t.insertRow(ctx, "event", sqlInsertEvent, args, sqlEventRow, e.MerchantID, e.ID)
	if err == nil && row == 0 {
		earlier, err := one(ctx, t, "event", func(r scanner, e *controlplane.Event) error {
			return r.Scan(&e.Row, &e.ID, &e.MerchantID, &e.Environment, &e.Type, timeColumn{&e.CreatedAt}, hashColumn{&e.KeyHash}, hashColumn{&e.ContentHash})
		}, sqlEventByKey, e.KeyHash[:])
		return earlier, false, err
	}
	e.Row = row
	return e, err == nil, err
}

func (t *tx) Event(ctx context.Context, merchantID, id string) (controlplane.Event, error) {
	return one(ctx, t, "event", func(r scanner, e *controlplane.Event) error {
		return r.Scan(&e.Row, &e.ID, &e.MerchantID, &e.Environment, &e.Type, (*[]byte)(&e.Body), timeColumn{&e.CreatedAt},
			hashColumn{&e.KeyHash}, hashColumn{&e.ContentHash})
	}, sqlEvent, merchantID, id)
}
