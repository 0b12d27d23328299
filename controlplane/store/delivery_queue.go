package store

import (
	"context"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// One statement for each state: each has a small index of its own, which it reads
// from end to end.
const (
	sqlCountPending   = `SELECT COUNT(*), COALESCE(MIN(row_id), 0) FROM deliveries WHERE state = 'pending'`
	sqlCountInflight  = `SELECT COUNT(*), COALESCE(MIN(row_id), 0) FROM deliveries WHERE state = 'inflight'`
	sqlCountAllHeld   = `SELECT COUNT(*) FROM deliveries WHERE state = 'held'`
	sqlDeliveryMadeAt = `SELECT created_at FROM deliveries WHERE row_id = $1`
)

// queued is a number of deliveries and the row of the oldest.
type queued struct{ count, oldest int64 }

func scanQueued(r scanner, q *queued) error { return r.Scan(&q.count, &q.oldest) }

func (t *tx) DeliveryQueue(ctx context.Context) (out controlplane.DeliveryQueue, err error) {
	inflight, err := one(ctx, t, "deliveries in flight", scanQueued, sqlCountInflight)
	if err != nil {
		return out, err
	}
	pending, err := one(ctx, t, "pending deliveries", scanQueued, sqlCountPending)
	if err != nil {
		return out, err
	}
	if out.Held, err = one(ctx, t, "held deliveries", scanValue[int64], sqlCountAllHeld); err != nil {
		return out, err
	}
	out.Inflight, out.Pending = inflight.count, pending.count
	if pending.count == 0 {
		return out, nil
	}
	at, err := one(ctx, t, "deliveries", scanValue[int64], sqlDeliveryMadeAt, pending.oldest)
	out.OldestPending = fromMicros(at)
	return out, err
}
