package store

import (
	"context"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// Engines lease deliveries of every merchant: they reach them by row, which they
// learn here and nowhere else.
//
// Where a row is reached by its number, its state stands in an expression (state with an empty text joined to it).
// PostgreSQL then cannot take an index of rows in that state instead, which its
// statistics of a quiet moment would have nearly empty: in a rush it read 3,000 entries
// for each attempt.
const (
	sqlClaimable = `SELECT d.row_id, d.id, d.merchant_id, d.endpoint_row, d.lane, v.id, v.body, d.attempts, d.first_attempt_at, d.lease
		FROM deliveries d JOIN events v ON v.row_id = d.event_row JOIN endpoints e ON e.row_id = d.endpoint_row
		WHERE d.endpoint_row = $1 AND d.lane = $2 AND d.state = 'pending' AND d.next_at <= $3 AND (e.state = 'enabled' OR d.lane = 2 AND e.state = 'disabled')
		ORDER BY d.next_at LIMIT $4`
	sqlClaimableOldest = `SELECT d.row_id, d.id, d.merchant_id, d.endpoint_row, d.lane, v.id, v.body, d.attempts, d.first_attempt_at, d.lease
		FROM deliveries d JOIN events v ON v.row_id = d.event_row JOIN endpoints e ON e.row_id = d.endpoint_row
		WHERE d.endpoint_row = $1 AND d.lane = $2 AND d.state = 'pending' AND (e.state = 'enabled' OR d.lane = 2 AND e.state = 'disabled')
		ORDER BY d.row_id LIMIT $3`
	sqlClaim = `UPDATE deliveries SET state = 'inflight', lease = $1, lease_until = $2
		WHERE row_id = $3 AND lease = $4 AND state || '' = 'pending'`
	sqlNextDue = `SELECT COALESCE(MIN(d.next_at), 0) FROM deliveries d JOIN endpoints e ON e.row_id = d.endpoint_row
		WHERE d.endpoint_row = $1 AND d.lane = $2 AND d.state = 'pending' AND (e.state = 'enabled' OR d.lane = 2 AND e.state = 'disabled')`
	sqlFinishAttempt = `UPDATE deliveries SET state = $1, attempts = $2, next_at = $3, first_attempt_at = $4, last_attempt_at = $5,
			last_status = $6, last_fault = $7, finished_at = $8
		WHERE row_id = $9 AND lease = $10 AND state || '' = 'inflight'`
	sqlInsertAttempt = `INSERT INTO attempts (delivery_row, number, at, fault, detail, status, address, dns, connect, tls, first_byte, total,
			request_header, response_header, response_body, body_cut, has_body)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)`
	sqlReleaseDelivery   = `UPDATE deliveries SET state = 'pending' WHERE row_id = $1 AND lease = $2 AND state || '' = 'inflight'`
	sqlExtendLease       = `UPDATE deliveries SET lease_until = $1 WHERE row_id = $2 AND lease = $3 AND state || '' = 'inflight'`
	sqlRecoverDeliveries = `UPDATE deliveries SET state = 'pending' WHERE state = 'inflight' AND lease_until <= $1`
	// A look at the end of an index for each endpoint and lane does not take longer the
	// more there waits. The second half is what a process left that died after it had
	// deleted an endpoint.
	sqlBacklogs = `SELECT b.endpoint_row, b.merchant_id, b.lane, b.next_at, b.stopped FROM (
			SELECT e.row_id AS endpoint_row, e.merchant_id, l.lane, CASE WHEN e.state = 'enabled' THEN 0 ELSE 1 END AS stopped,
				(SELECT d.next_at FROM deliveries d WHERE d.endpoint_row = e.row_id AND d.lane = l.lane AND d.state = 'pending' ORDER BY d.next_at LIMIT 1) AS next_at
			FROM endpoints e CROSS JOIN (SELECT 0 AS lane UNION ALL SELECT 1 UNION ALL SELECT 2) l) b
		WHERE b.next_at IS NOT NULL
		UNION ALL SELECT e.row_id, e.merchant_id, 0, 0, 1 FROM endpoints e
		WHERE e.state = 'deleted' AND EXISTS (SELECT 1 FROM deliveries d WHERE d.endpoint_row = e.row_id AND d.state = 'held')
		ORDER BY 1, 3`
	// The states are asked for twice: on PostgreSQL a row may be claimed between the
	// inner look and the write.
	sqlHoldPending = `UPDATE deliveries SET state = 'held' WHERE row_id IN (
			SELECT d.row_id FROM deliveries d JOIN endpoints e ON e.row_id = d.endpoint_row
			WHERE d.endpoint_row = $1 AND d.lane < 2 AND d.state = 'pending' AND e.state = 'disabled' LIMIT $2) AND state || '' = 'pending'`
	sqlCancelPending = `UPDATE deliveries SET state = 'cancelled', finished_at = $1 WHERE row_id IN (
			SELECT d.row_id FROM deliveries d JOIN endpoints e ON e.row_id = d.endpoint_row
			WHERE d.endpoint_row = $2 AND d.state = 'pending' AND e.state = 'deleted' LIMIT $3) AND state || '' = 'pending'`
	sqlCancelHeld = `UPDATE deliveries SET state = 'cancelled', finished_at = $1 WHERE row_id IN (
			SELECT d.row_id FROM deliveries d JOIN endpoints e ON e.row_id = d.endpoint_row
			WHERE d.endpoint_row = $2 AND d.state IN ('held', 'exhausted', 'gone', 'cancelled') AND d.state = 'held' AND e.state = 'deleted' LIMIT $3) AND state || '' = 'held'`
)

func (t *tx) ClaimDeliveries(ctx context.Context, q controlplane.ClaimQuery) (out controlplane.Claimed, err error) {
	query, args := sqlClaimable, []any{q.EndpointRow, int64(q.Lane), micros(q.Due), q.Limit}
	if q.Due.IsZero() {
		query, args = sqlClaimableOldest, []any{q.EndpointRow, int64(q.Lane), q.Limit}
	}
	claims, err := list(ctx, t, "deliveries", scanClaim, query+t.dialect.claimLock(), args...)
	if err != nil {
		return out, err
	}
	bytes := 0
	for i, c := range claims {
		if bytes += len(c.Body); q.Bytes > 0 && i > 0 && bytes > q.Bytes {
			break
		}
		n, err := t.exec(ctx, "delivery", sqlClaim, c.Lease+1, micros(q.Until), c.Row, c.Lease)
		if err != nil {
			return out, err
		}
		c.Until = q.Until
		if c.Lease++; n == 1 {
			out.Claims = append(out.Claims, c)
		}
	}
	next, err := one(ctx, t, "deliveries", scanValue[int64], sqlNextDue, q.EndpointRow, int64(q.Lane))
	out.NextAt = fromMicros(next)
	return out, err
}

func scanClaim(r scanner, c *controlplane.Claim) error {
	return r.Scan(&c.Row, &c.DeliveryID, &c.MerchantID, &c.EndpointRow, (*int)(&c.Lane), &c.EventID, &c.Body, &c.Attempts,
		timeColumn{&c.FirstAttemptAt}, &c.Lease)
}

func (t *tx) FinishAttempt(ctx context.Context, o controlplane.AttemptOutcome) (bool, error) {
	a, finished := &o.Attempt, int64(0)
	if o.State != controlplane.DeliveryPending {
		finished = micros(a.At.Add(a.Phases.Total))
	}
	first := o.Claim.FirstAttemptAt
	if first.IsZero() {
		first = a.At
	}
	n, err := t.exec(ctx, "delivery", sqlFinishAttempt, o.State, a.Number, micros(o.NextAt), micros(first), micros(a.At),
		a.Status, a.Fault, finished, o.Claim.Row, o.Claim.Lease)
	if err != nil || n == 0 {
		return false, err
	}
	return true, t.insertAttempt(ctx, o.Claim.Row, a)
}

func (t *tx) insertAttempt(ctx context.Context, deliveryRow int64, a *controlplane.Attempt) error {
	request, err := headerText(a.RequestHeader)
	if err != nil {
		return err
	}
	response, err := headerText(a.ResponseHeader)
	if err != nil {
		return err
	}
	body := a.ResponseBody
	if body == nil {
		body = []byte{}
	}
	p := a.Phases
	return t.insert(ctx, "attempt", sqlInsertAttempt, deliveryRow, a.Number, micros(a.At), a.Fault, a.Detail, a.Status, addrPortText(a.Address),
		p.DNS.Microseconds(), p.Connect.Microseconds(), p.TLS.Microseconds(), p.FirstByte.Microseconds(), p.Total.Microseconds(),
		request, response, body, flag(a.BodyCut), flag(len(body) > 0))
}

func (t *tx) ReleaseDelivery(ctx context.Context, c controlplane.Claim) (bool, error) {
	n, err := t.exec(ctx, "delivery", sqlReleaseDelivery, c.Row, c.Lease)
	return n == 1, err
}

func (t *tx) ExtendLeases(ctx context.Context, claims []controlplane.Claim, until time.Time) (lost []controlplane.Claim, err error) {
	for _, c := range claims {
		n, err := t.exec(ctx, "delivery", sqlExtendLease, micros(until), c.Row, c.Lease)
		if err != nil {
			return lost, err
		}
		if n == 0 {
			lost = append(lost, c)
		}
	}
	return lost, nil
}

func (t *tx) RecoverDeliveries(ctx context.Context, at time.Time) (int64, error) {
	return t.exec(ctx, "deliveries", sqlRecoverDeliveries, micros(at))
}

func (t *tx) Backlogs(ctx context.Context) ([]controlplane.Backlog, error) {
	return list(ctx, t, "deliveries", func(r scanner, b *controlplane.Backlog) error {
		return r.Scan(&b.EndpointRow, &b.MerchantID, (*int)(&b.Lane), timeColumn{&b.NextAt}, &b.Stopped)
	}, sqlBacklogs)
}

func (t *tx) SettleStopped(ctx context.Context, endpointRow int64, at time.Time, limit int) (int64, error) {
	held, err := t.exec(ctx, "deliveries", sqlHoldPending, endpointRow, limit)
	if err != nil || held > 0 {
		return held, err
	}
	cancelled, err := t.exec(ctx, "deliveries", sqlCancelPending, micros(at), endpointRow, limit)
	if err != nil || cancelled > 0 {
		return cancelled, err
	}
	return t.exec(ctx, "deliveries", sqlCancelHeld, micros(at), endpointRow, limit)
}
