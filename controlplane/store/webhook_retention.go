package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// Every slice looks at the oldest rows only, in the order of their numbers: a
// condition on time alone would read the whole table to find that nothing is old.
const (
	sqlPurgeBodies = `UPDATE attempts SET response_body = $1, has_body = 0 WHERE row_id IN (
			SELECT row_id FROM (SELECT row_id, at FROM attempts WHERE has_body = 1 ORDER BY row_id LIMIT $2) AS oldest WHERE at < $3)`
	sqlPurgeAttempts = `DELETE FROM attempts WHERE row_id IN (
			SELECT row_id FROM (SELECT row_id, at FROM attempts ORDER BY row_id LIMIT $1) AS oldest WHERE at < $2)`
	sqlOldestEvents    = `SELECT row_id, created_at FROM events WHERE row_id > $1 ORDER BY row_id LIMIT $2`
	sqlPurgeDeliveries = `DELETE FROM deliveries WHERE event_row = $1 AND created_at < $2 AND state NOT IN ('pending', 'inflight')
			AND NOT EXISTS (SELECT 1 FROM attempts WHERE delivery_row = deliveries.row_id)`
	sqlPurgeEvent  = `DELETE FROM events WHERE row_id = $1 AND NOT EXISTS (SELECT 1 FROM deliveries WHERE event_row = $1)`
	sqlPurgeHealth = `DELETE FROM endpoint_health WHERE (endpoint_row, hour, bucket) IN (
			SELECT endpoint_row, hour, bucket FROM endpoint_health WHERE hour < $1 ORDER BY hour LIMIT $2)`
	sqlPurgeReplays = `DELETE FROM replays WHERE row_id IN (
			SELECT row_id FROM (SELECT row_id, finished_at FROM replays ORDER BY row_id LIMIT $1) AS oldest WHERE finished_at > 0 AND finished_at < $2)`
)

func (t *tx) PurgeResponseBodies(ctx context.Context, p controlplane.Purge) (controlplane.Purged, error) {
	n, err := t.exec(ctx, "attempts", sqlPurgeBodies, []byte{}, p.Limit, micros(p.Before))
	return controlplane.Purged{Rows: n, More: n == int64(p.Limit)}, err
}

func (t *tx) PurgeAttempts(ctx context.Context, p controlplane.Purge) (controlplane.Purged, error) {
	n, err := t.exec(ctx, "attempts", sqlPurgeAttempts, p.Limit, micros(p.Before))
	return controlplane.Purged{Rows: n, More: n == int64(p.Limit)}, err
}

func (t *tx) PurgeEvents(ctx context.Context, p controlplane.Purge) (controlplane.Purged, error) {
	out := controlplane.Purged{Last: p.After}
	old, more, err := t.oldEvents(ctx, p)
	out.More = more
	for _, row := range old {
		if out.Rows >= int64(p.Limit) {
			out.More = true
			break
		}
		deliveries, err := t.exec(ctx, "deliveries", sqlPurgeDeliveries, row, micros(p.Before))
		if err != nil {
			return out, err
		}
		events, err := t.exec(ctx, "event", sqlPurgeEvent, row)
		if err != nil {
			return out, err
		}
		out.Rows, out.Last = out.Rows+deliveries+events, row
	}
	return out, err
}

// oldEvents lists the next events that are old enough; more: there may be others.
func (t *tx) oldEvents(ctx context.Context, p controlplane.Purge) (rows []int64, more bool, err error) {
	seen := 0
	err = t.each(ctx, "events", sqlOldestEvents, []any{p.After, p.Limit}, func(r *sql.Rows) error {
		var row int64
		var created time.Time
		if err := r.Scan(&row, timeColumn{&created}); err != nil {
			return t.fail("events", err)
		}
		if seen++; created.Before(p.Before) {
			rows = append(rows, row)
		}
		return nil
	})
	return rows, seen == p.Limit && len(rows) == seen, err
}

func (t *tx) PurgeHealth(ctx context.Context, p controlplane.Purge) (controlplane.Purged, error) {
	n, err := t.exec(ctx, "endpoint health", sqlPurgeHealth, micros(p.Before), p.Limit)
	if err != nil {
		return controlplane.Purged{}, err
	}
	replays, err := t.exec(ctx, "replays", sqlPurgeReplays, p.Limit, micros(p.Before))
	return controlplane.Purged{Rows: n + replays, More: n == int64(p.Limit) || replays == int64(p.Limit)}, err
}
