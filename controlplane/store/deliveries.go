package store

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

const (
	sqlInsertDelivery = `INSERT INTO deliveries (id, merchant_id, environment, endpoint_row, event_row, type, state, lane, replay_of, attempts,
			created_at, next_at, first_attempt_at, last_attempt_at, last_status, last_fault, finished_at, lease, lease_until)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)`
	sqlUpdateDelivery = `UPDATE deliveries SET state = $1, lane = $2, next_at = $3, first_attempt_at = $4, finished_at = $5
		WHERE merchant_id = $6 AND id = $7 AND state <> 'inflight'`
	sqlDelivery = `SELECT d.row_id, d.id, d.merchant_id, d.environment, d.endpoint_row, e.id, d.event_row, v.id, d.type, d.state, d.lane, d.replay_of,
			d.attempts, d.created_at, d.next_at, d.first_attempt_at, d.last_attempt_at, d.last_status, d.last_fault, d.finished_at, d.lease
		FROM deliveries d JOIN endpoints e ON e.row_id = d.endpoint_row JOIN events v ON v.row_id = d.event_row
		WHERE d.merchant_id = $1 AND d.id = $2`
	sqlNewestDelivery = `SELECT d.row_id, d.id, d.merchant_id, d.environment, d.endpoint_row, e.id, d.event_row, v.id, d.type, d.state, d.lane, d.replay_of,
			d.attempts, d.created_at, d.next_at, d.first_attempt_at, d.last_attempt_at, d.last_status, d.last_fault, d.finished_at, d.lease
		FROM deliveries d JOIN endpoints e ON e.row_id = d.endpoint_row JOIN events v ON v.row_id = d.event_row
		WHERE d.merchant_id = $1 AND d.event_row = $2 AND d.endpoint_row = $3 ORDER BY d.row_id DESC LIMIT 1`
	// Two texts of one listing: each leads the database to another index.
	sqlDeliveriesOfEndpoint = `SELECT d.row_id, d.id, d.merchant_id, d.environment, d.endpoint_row, e.id, d.event_row, v.id, d.type, d.state, d.lane, d.replay_of,
			d.attempts, d.created_at, d.next_at, d.first_attempt_at, d.last_attempt_at, d.last_status, d.last_fault, d.finished_at, d.lease
		FROM endpoints e JOIN deliveries d ON d.endpoint_row = e.row_id JOIN events v ON v.row_id = d.event_row
		WHERE e.merchant_id = $1 AND e.environment = $2 AND d.row_id >= $3 AND d.row_id < $4
			AND ($5 = '' OR d.type = $5) AND ($6 = '' OR d.state = $6) AND e.id = $7 AND ($8 = '' OR v.id = $8)
		ORDER BY d.row_id DESC LIMIT $9`
	sqlDeliveriesOfEvent = `SELECT d.row_id, d.id, d.merchant_id, d.environment, d.endpoint_row, e.id, d.event_row, v.id, d.type, d.state, d.lane, d.replay_of,
			d.attempts, d.created_at, d.next_at, d.first_attempt_at, d.last_attempt_at, d.last_status, d.last_fault, d.finished_at, d.lease
		FROM events v JOIN deliveries d ON d.event_row = v.row_id JOIN endpoints e ON e.row_id = d.endpoint_row
		WHERE v.merchant_id = $1 AND v.environment = $2 AND d.row_id >= $3 AND d.row_id < $4
			AND ($5 = '' OR d.type = $5) AND ($6 = '' OR d.state = $6) AND v.id = $7
		ORDER BY d.row_id DESC LIMIT $8`
	sqlDeliveryEndpoints   = `SELECT id FROM endpoints WHERE merchant_id = $1 AND environment = $2`
	sqlDeliveryRow         = `SELECT row_id FROM deliveries WHERE merchant_id = $1 AND id = $2`
	sqlNewestDeliveryRow   = `SELECT COALESCE(MAX(row_id), 0) FROM deliveries`
	sqlDeliveryCreatedFrom = `SELECT created_at FROM deliveries WHERE row_id >= $1 ORDER BY row_id LIMIT 1`
	// The first condition is the index's own, the second ours.
	sqlCountHeld = `SELECT COUNT(*) FROM deliveries WHERE merchant_id = $1 AND endpoint_row = $2
			AND state IN ('held', 'exhausted', 'gone', 'cancelled') AND state = 'held'`

	sqlAttempts = `SELECT a.number, a.at, a.fault, a.detail, a.status, a.address, a.dns, a.connect, a.tls, a.first_byte, a.total,
			a.request_header, a.response_header, a.response_body, a.body_cut
		FROM deliveries d JOIN attempts a ON a.delivery_row = d.row_id
		WHERE d.merchant_id = $1 AND d.id = $2 ORDER BY a.number`
)

func (t *tx) InsertDelivery(ctx context.Context, d controlplane.Delivery) (int64, error) {
	args := []any{d.ID, d.MerchantID, d.Environment, d.EndpointRow, d.EventRow, d.Type,
		d.State, int64(d.Lane), d.ReplayOf, d.Attempts, micros(d.CreatedAt), micros(d.NextAt), micros(d.FirstAttemptAt), micros(d.LastAttemptAt),
		d.LastStatus, d.LastFault, micros(d.FinishedAt), d.Lease, micros(d.LeaseUntil)}
	return t.insertRow(ctx, "delivery", sqlInsertDelivery, args, sqlDeliveryRow, d.MerchantID, d.ID)
}

func (t *tx) UpdateDelivery(ctx context.Context, d controlplane.Delivery) error {
	return t.change(ctx, "delivery", sqlUpdateDelivery, d.State, int64(d.Lane), micros(d.NextAt), micros(d.FirstAttemptAt), micros(d.FinishedAt), d.MerchantID, d.ID)
}

func (t *tx) Delivery(ctx context.Context, merchantID, id string) (controlplane.Delivery, error) {
	return one(ctx, t, "delivery", scanDelivery, sqlDelivery, merchantID, id)
}

func (t *tx) NewestDelivery(ctx context.Context, merchantID string, eventRow, endpointRow int64) (controlplane.Delivery, error) {
	return one(ctx, t, "delivery", scanDelivery, sqlNewestDelivery, merchantID, eventRow, endpointRow)
}

func (t *tx) CountHeld(ctx context.Context, merchantID string, endpointRow int64) (int64, error) {
	return one(ctx, t, "held deliveries", scanValue[int64], sqlCountHeld, merchantID, endpointRow)
}

func (t *tx) NewestDeliveryRow(ctx context.Context) (int64, error) {
	return one(ctx, t, "deliveries", scanValue[int64], sqlNewestDeliveryRow)
}

func (t *tx) Deliveries(ctx context.Context, f controlplane.DeliveryFilter) ([]controlplane.Delivery, error) {
	from, before, err := t.deliveryRange(ctx, f)
	if err != nil {
		return nil, err
	}
	args := []any{f.MerchantID, f.Environment, from, before, f.Type, f.State}
	switch {
	case f.EndpointID != "":
		return list(ctx, t, "deliveries", scanDelivery, sqlDeliveriesOfEndpoint, append(args, f.EndpointID, f.EventID, f.Rows())...)
	case f.EventID != "":
		return list(ctx, t, "deliveries", scanDelivery, sqlDeliveriesOfEvent, append(args, f.EventID, f.Rows())...)
	}
	return t.deliveriesOfAll(ctx, f, from, before)
}

// deliveriesOfAll merges the newest of each endpoint, deleted ones too.
func (t *tx) deliveriesOfAll(ctx context.Context, f controlplane.DeliveryFilter, from, before int64) (newest []controlplane.Delivery, err error) {
	ids, err := list(ctx, t, "endpoints", scanValue[string], sqlDeliveryEndpoints, f.MerchantID, f.Environment)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		page, err := list(ctx, t, "deliveries", scanDelivery, sqlDeliveriesOfEndpoint,
			f.MerchantID, f.Environment, from, before, f.Type, f.State, id, "", f.Rows())
		if err != nil {
			return nil, err
		}
		newest = append(newest, page...)
		slices.SortFunc(newest, func(a, b controlplane.Delivery) int { return cmp.Compare(b.Row, a.Row) })
		if len(newest) >= f.Rows() {
			newest = newest[:f.Rows()]
			from = newest[len(newest)-1].Row // what is older than these does not count
		}
	}
	return newest, nil
}

// deliveryRange turns the times of a filter, and where its page begins, into rows:
// rows are numbered as they come, so that no index of times is needed.
func (t *tx) deliveryRange(ctx context.Context, f controlplane.DeliveryFilter) (from, before int64, err error) {
	before = math.MaxInt64
	if !f.Since.IsZero() {
		if from, err = t.deliveryRowAt(ctx, f.Since); err != nil {
			return 0, 0, err
		}
	}
	if !f.Until.IsZero() {
		if before, err = t.deliveryRowAt(ctx, f.Until); err != nil {
			return 0, 0, err
		}
	}
	if f.Before != "" {
		row, err := one(ctx, t, "delivery", scanValue[int64], sqlDeliveryRow, f.MerchantID, f.Before)
		if err != nil {
			return 0, 0, err
		}
		before = min(before, row)
	}
	return from, before, nil
}

// deliveryRowAt is the first row that was made at a moment or later.
func (t *tx) deliveryRowAt(ctx context.Context, at time.Time) (int64, error) {
	newest, err := t.NewestDeliveryRow(ctx)
	low, high := int64(0), newest+1
	for err == nil && low < high {
		middle := low + (high-low)/2
		var created int64
		if created, err = one(ctx, t, "delivery", scanValue[int64], sqlDeliveryCreatedFrom, middle); err == nil {
			if created < micros(at) {
				low = middle + 1
			} else {
				high = middle
			}
		}
	}
	return low, err
}

func (t *tx) Attempts(ctx context.Context, merchantID, deliveryID string) ([]controlplane.Attempt, error) {
	return list(ctx, t, "attempts", scanAttempt, sqlAttempts, merchantID, deliveryID)
}

func scanDelivery(r scanner, d *controlplane.Delivery) error {
	return r.Scan(&d.Row, &d.ID, &d.MerchantID, &d.Environment, &d.EndpointRow, &d.EndpointID, &d.EventRow, &d.EventID, &d.Type, &d.State,
		(*int)(&d.Lane), &d.ReplayOf, &d.Attempts, timeColumn{&d.CreatedAt}, timeColumn{&d.NextAt}, timeColumn{&d.FirstAttemptAt},
		timeColumn{&d.LastAttemptAt}, &d.LastStatus, &d.LastFault, timeColumn{&d.FinishedAt}, &d.Lease)
}

func scanAttempt(r scanner, a *controlplane.Attempt) error {
	p := &a.Phases
	return r.Scan(&a.Number, timeColumn{&a.At}, &a.Fault, &a.Detail, &a.Status, addrPortColumn{&a.Address},
		durationColumn{&p.DNS}, durationColumn{&p.Connect}, durationColumn{&p.TLS}, durationColumn{&p.FirstByte}, durationColumn{&p.Total},
		headerColumn{&a.RequestHeader}, headerColumn{&a.ResponseHeader}, &a.ResponseBody, &a.BodyCut)
}
