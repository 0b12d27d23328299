package store

import (
	"context"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

const (
	sqlInsertAllowlistRequest = `INSERT INTO allowlist_requests (id, merchant_id, action, cidr, reason, state, created_at, created_by,
			decided_at, decided_by, answer)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`
	sqlUpdateAllowlistRequest = `UPDATE allowlist_requests SET state = $1, decided_at = $2, decided_by = $3, answer = $4
		WHERE merchant_id = $5 AND id = $6`
	sqlAllowlistRequest = `SELECT id, merchant_id, action, cidr, reason, state, created_at, created_by, decided_at, decided_by, answer
		FROM allowlist_requests WHERE merchant_id = $1 AND id = $2`
	sqlAllowlistRequests = `SELECT id, merchant_id, action, cidr, reason, state, created_at, created_by, decided_at, decided_by, answer
		FROM allowlist_requests WHERE merchant_id = $1 AND ($2 = '' OR state = $2) AND ($3 = '' OR id < $3) ORDER BY id DESC LIMIT $4`
	sqlPendingAllowlistRequests = `SELECT id, merchant_id, action, cidr, reason, state, created_at, created_by, decided_at, decided_by, answer
		FROM allowlist_requests WHERE state = 'pending' AND id > $1 ORDER BY id LIMIT $2`
)

func (t *tx) InsertAllowlistRequest(ctx context.Context, q controlplane.AllowlistRequest) error {
	return t.insert(ctx, "allowlist request", sqlInsertAllowlistRequest, q.ID, q.MerchantID, q.Action, q.Prefix.String(), q.Reason, q.State,
		micros(q.CreatedAt), q.CreatedBy, micros(q.DecidedAt), q.DecidedBy, q.Answer)
}

func (t *tx) UpdateAllowlistRequest(ctx context.Context, q controlplane.AllowlistRequest) error {
	return t.change(ctx, "allowlist request", sqlUpdateAllowlistRequest, q.State, micros(q.DecidedAt), q.DecidedBy, q.Answer, q.MerchantID, q.ID)
}

func (t *tx) AllowlistRequest(ctx context.Context, merchantID, id string) (controlplane.AllowlistRequest, error) {
	return one(ctx, t, "allowlist request", scanAllowlistRequest, sqlAllowlistRequest, merchantID, id)
}

func (t *tx) AllowlistRequests(ctx context.Context, f controlplane.AllowlistRequestFilter) ([]controlplane.AllowlistRequest, error) {
	return list(ctx, t, "allowlist requests", scanAllowlistRequest, sqlAllowlistRequests, f.MerchantID, f.State, f.After, f.Rows())
}

func (t *tx) PendingAllowlistRequests(ctx context.Context, p controlplane.Page) ([]controlplane.AllowlistRequest, error) {
	return list(ctx, t, "allowlist requests", scanAllowlistRequest, sqlPendingAllowlistRequests, p.After, p.Rows())
}

func scanAllowlistRequest(r scanner, q *controlplane.AllowlistRequest) error {
	return r.Scan(&q.ID, &q.MerchantID, &q.Action, prefixColumn{&q.Prefix}, &q.Reason, &q.State,
		timeColumn{&q.CreatedAt}, &q.CreatedBy, timeColumn{&q.DecidedAt}, &q.DecidedBy, &q.Answer)
}
