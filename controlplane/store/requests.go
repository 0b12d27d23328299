package store

import (
	"context"
	"encoding/json"
	"fmt"
	"math"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

const (
	sqlInsertRequest = `INSERT INTO requests (id, at, merchant_id, environment, key_id, client_ip, method, path, outcome, code, why, string_to_sign)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`
	sqlRequest = `SELECT row_id, id, at, merchant_id, environment, key_id, client_ip, method, path, outcome, code, why, string_to_sign
		FROM requests WHERE merchant_id = $1 AND id = $2`
	sqlRequests = `SELECT row_id, id, at, merchant_id, environment, key_id, client_ip, method, path, outcome, code, why, ''
		FROM requests
		WHERE merchant_id = $1 AND environment = $2 AND at >= $3 AND (at, row_id) < ($4, $5)
			AND ($6 = '' OR outcome = $6) AND ($7 = '' OR code = $7) AND ($8 = '' OR key_id = $8) AND ($9 = '' OR client_ip = $9)
			AND substr(path, 1, length($10)) = $10
		ORDER BY at DESC, row_id DESC LIMIT $11`

	// Rows are numbered as they come, about in order of time, so that the oldest are
	// found without an index of times.
	sqlPurgeRequests = `DELETE FROM requests WHERE row_id IN (
			SELECT row_id FROM (SELECT row_id, at FROM requests ORDER BY row_id LIMIT $1) AS oldest WHERE at < $2)`
	sqlPurgeAccepted = `DELETE FROM requests WHERE row_id IN (
			SELECT row_id FROM (SELECT row_id, at FROM requests WHERE outcome = 'accepted' ORDER BY row_id LIMIT $1) AS oldest WHERE at < $2)`
	sqlTrimRequests = `DELETE FROM requests WHERE row_id IN (
			SELECT row_id FROM requests WHERE row_id <= (SELECT MAX(row_id) FROM requests) - $1 ORDER BY row_id LIMIT $2)`
)

func (t *tx) InsertRequest(ctx context.Context, r controlplane.LoggedRequest) error {
	why, err := json.Marshal(r.Why)
	if err != nil {
		return fmt.Errorf("request: %w", err)
	}
	return t.insert(ctx, "request", sqlInsertRequest, r.ID, micros(r.At), r.MerchantID, r.Environment, r.KeyID, addrText(r.ClientIP),
		r.Method, r.Path, r.Outcome, r.Code, string(why), r.StringToSign)
}

func (t *tx) Request(ctx context.Context, merchantID, id string) (controlplane.LoggedRequest, error) {
	return one(ctx, t, "request", scanRequest, sqlRequest, merchantID, id)
}

func (t *tx) Requests(ctx context.Context, f controlplane.RequestFilter) ([]controlplane.LoggedRequest, error) {
	// One upper bound, not one for the time and one for the page: SQLite would walk the
	// index from the first, through all pages before.
	at, row := int64(math.MaxInt64), int64(math.MaxInt64)
	if f.Before != "" {
		last, err := t.Request(ctx, f.MerchantID, f.Before)
		if err != nil {
			return nil, err
		}
		at, row = micros(last.At), last.Row
	}
	if until := micros(f.Until); !f.Until.IsZero() && until <= at {
		at, row = until, 0
	}
	return list(ctx, t, "requests", scanRequest, sqlRequests, f.MerchantID, f.Environment, micros(f.Since), at, row,
		f.Outcome, f.Code, f.KeyID, addrText(f.IP), f.PathPrefix, f.Rows())
}

func (t *tx) UnknownRequests(ctx context.Context, before string, limit int) ([]controlplane.LoggedRequest, error) {
	return t.Requests(ctx, controlplane.RequestFilter{Before: before, Limit: limit})
}

func (t *tx) PurgeRequests(ctx context.Context, p controlplane.Purge) (controlplane.Purged, error) {
	n, err := t.exec(ctx, "requests", sqlPurgeRequests, p.Limit, micros(p.Before))
	return controlplane.Purged{Rows: n, More: n == int64(p.Limit)}, err
}

func (t *tx) PurgeAcceptedRequests(ctx context.Context, p controlplane.Purge) (controlplane.Purged, error) {
	n, err := t.exec(ctx, "requests", sqlPurgeAccepted, p.Limit, micros(p.Before))
	return controlplane.Purged{Rows: n, More: n == int64(p.Limit)}, err
}

func (t *tx) TrimRequests(ctx context.Context, keep int64, limit int) (controlplane.Purged, error) {
	n, err := t.exec(ctx, "requests", sqlTrimRequests, keep, limit)
	return controlplane.Purged{Rows: n, More: n == int64(limit)}, err
}

func scanRequest(r scanner, q *controlplane.LoggedRequest) error {
	return r.Scan(&q.Row, &q.ID, timeColumn{&q.At}, &q.MerchantID, &q.Environment, &q.KeyID, addrColumn{&q.ClientIP}, &q.Method, &q.Path,
		&q.Outcome, &q.Code, whyColumn{&q.Why}, &q.StringToSign)
}

type whyColumn struct{ w *controlplane.RequestWhy }

func (c whyColumn) Scan(src any) error {
	text, ok := src.(string)
	if !ok {
		return fmt.Errorf("the why of a request is stored as %T", src)
	}
	*c.w = controlplane.RequestWhy{}
	return json.Unmarshal([]byte(text), c.w)
}
