package store

import (
	"context"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

const (
	// Of an event's deliveries to an endpoint only the newest counts: what was
	// replayed already is not replayed again.
	sqlReplayCandidates = `SELECT d.row_id, d.id, d.merchant_id, d.environment, d.endpoint_row, e.id, d.event_row, v.id, d.type, d.state, d.lane, d.replay_of,
			d.attempts, d.created_at, d.next_at, d.first_attempt_at, d.last_attempt_at, d.last_status, d.last_fault, d.finished_at, d.lease
		FROM deliveries d JOIN endpoints e ON e.row_id = d.endpoint_row JOIN events v ON v.row_id = d.event_row
		WHERE d.merchant_id = $1 AND d.endpoint_row = $2 AND d.row_id > $3 AND d.row_id <= $4
			AND d.state IN ('held', 'exhausted', 'gone', 'cancelled') AND d.state <> 'cancelled' AND d.lane < 2
			AND (($5 = 'failed' AND d.attempts > 0 AND d.last_attempt_at >= $6) OR ($5 = 'never_attempted' AND d.attempts = 0))
			AND NOT EXISTS (SELECT 1 FROM deliveries n WHERE n.event_row = d.event_row AND n.endpoint_row = d.endpoint_row AND n.row_id > d.row_id)
		ORDER BY d.row_id LIMIT $7`
	sqlCountReplayCandidates = `SELECT COUNT(*) FROM deliveries d
		WHERE d.merchant_id = $1 AND d.endpoint_row = $2 AND d.row_id > $3 AND d.row_id <= $4
			AND d.state IN ('held', 'exhausted', 'gone', 'cancelled') AND d.state <> 'cancelled' AND d.lane < 2
			AND (($5 = 'failed' AND d.attempts > 0 AND d.last_attempt_at >= $6) OR ($5 = 'never_attempted' AND d.attempts = 0))
			AND NOT EXISTS (SELECT 1 FROM deliveries n WHERE n.event_row = d.event_row AND n.endpoint_row = d.endpoint_row AND n.row_id > d.row_id)`

	sqlInsertReplay = `INSERT INTO replays (id, merchant_id, endpoint_row, kind, since, cursor, through, deliveries, created_at, created_by, finished_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING row_id`
	sqlUpdateReplay = `UPDATE replays SET cursor = $1, deliveries = $2, finished_at = $3 WHERE merchant_id = $4 AND row_id = $5`
	sqlReplays      = `SELECT r.row_id, r.id, r.merchant_id, r.endpoint_row, e.id, r.kind, r.since, r.cursor, r.through, r.deliveries,
			r.created_at, r.created_by, r.finished_at
		FROM replays r JOIN endpoints e ON e.row_id = r.endpoint_row
		WHERE r.merchant_id = $1 AND r.endpoint_row = $2 ORDER BY r.row_id DESC LIMIT $3`
	sqlRunningReplay = `SELECT r.row_id, r.id, r.merchant_id, r.endpoint_row, e.id, r.kind, r.since, r.cursor, r.through, r.deliveries,
			r.created_at, r.created_by, r.finished_at
		FROM replays r JOIN endpoints e ON e.row_id = r.endpoint_row
		WHERE r.merchant_id = $1 AND r.endpoint_row = $2 AND r.kind = $3 AND r.finished_at = 0`
	sqlRunningReplays = `SELECT r.row_id, r.id, r.merchant_id, r.endpoint_row, e.id, r.kind, r.since, r.cursor, r.through, r.deliveries,
			r.created_at, r.created_by, r.finished_at
		FROM replays r JOIN endpoints e ON e.row_id = r.endpoint_row
		WHERE r.finished_at = 0 ORDER BY r.row_id LIMIT $1`
)

func (t *tx) ReplayCandidates(ctx context.Context, r controlplane.Replay, limit int) ([]controlplane.Delivery, error) {
	return list(ctx, t, "deliveries", scanDelivery, sqlReplayCandidates,
		r.MerchantID, r.EndpointRow, r.Cursor, r.Through, r.Kind, micros(r.Since), limit)
}

func (t *tx) CountReplayCandidates(ctx context.Context, r controlplane.Replay) (int64, error) {
	return one(ctx, t, "deliveries", scanValue[int64], sqlCountReplayCandidates,
		r.MerchantID, r.EndpointRow, r.Cursor, r.Through, r.Kind, micros(r.Since))
}

func (t *tx) InsertReplay(ctx context.Context, r controlplane.Replay) (controlplane.Replay, error) {
	row, err := one(ctx, t, "replay", scanValue[int64], sqlInsertReplay, r.ID, r.MerchantID, r.EndpointRow, r.Kind, micros(r.Since),
		r.Cursor, r.Through, r.Deliveries, micros(r.CreatedAt), r.CreatedBy, micros(r.FinishedAt))
	r.Row = row
	return r, err
}

func (t *tx) UpdateReplay(ctx context.Context, r controlplane.Replay) error {
	return t.change(ctx, "replay", sqlUpdateReplay, r.Cursor, r.Deliveries, micros(r.FinishedAt), r.MerchantID, r.Row)
}

func (t *tx) RunningReplay(ctx context.Context, merchantID string, endpointRow int64, kind controlplane.ReplayKind) (controlplane.Replay, error) {
	return one(ctx, t, "replay", scanReplay, sqlRunningReplay, merchantID, endpointRow, kind)
}

func (t *tx) Replays(ctx context.Context, merchantID string, endpointRow int64, limit int) ([]controlplane.Replay, error) {
	return list(ctx, t, "replays", scanReplay, sqlReplays, merchantID, endpointRow, limit)
}

func (t *tx) RunningReplays(ctx context.Context, limit int) ([]controlplane.Replay, error) {
	return list(ctx, t, "replays", scanReplay, sqlRunningReplays, limit)
}

func scanReplay(r scanner, p *controlplane.Replay) error {
	return r.Scan(&p.Row, &p.ID, &p.MerchantID, &p.EndpointRow, &p.EndpointID, &p.Kind, timeColumn{&p.Since}, &p.Cursor, &p.Through, &p.Deliveries,
		timeColumn{&p.CreatedAt}, &p.CreatedBy, timeColumn{&p.FinishedAt})
}
