package store

import (
	"context"
	"net/netip"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

const (
	sqlAddRequestCount = `INSERT INTO request_counts (merchant_id, environment, span, at, outcome, code, count, unlisted)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (merchant_id, environment, span, at, outcome, code)
			DO UPDATE SET count = request_counts.count + excluded.count, unlisted = request_counts.unlisted + excluded.unlisted`
	sqlRequestCounts = `SELECT merchant_id, environment, span, at, outcome, code, count, unlisted FROM request_counts
		WHERE merchant_id = $1 AND environment = $2 AND span = $3 AND at >= $4 ORDER BY at, outcome, code`
	sqlPurgeRequestCounts = `DELETE FROM request_counts WHERE (merchant_id, environment, span, at, outcome, code) IN (
			SELECT merchant_id, environment, span, at, outcome, code FROM request_counts WHERE at < $1 ORDER BY at LIMIT $2)`

	sqlAddKnownAddress = `UPDATE request_addresses SET count = count + $1 WHERE merchant_id = $2 AND hour = $3 AND environment = $4 AND address = $5`
	// The first of its name is written down only while there are few names: whoever
	// has a range of IPv6 has more addresses than any disk has room for.
	sqlAddNewAddress = `INSERT INTO request_addresses (merchant_id, hour, environment, address, count)
		SELECT $1, $2, $3, CASE WHEN COUNT(*) < $4 THEN $5 ELSE '' END, $6 FROM request_addresses WHERE merchant_id = $1 AND hour = $2
		ON CONFLICT (merchant_id, hour, environment, address) DO UPDATE SET count = request_addresses.count + excluded.count`
	sqlRequestAddresses = `SELECT merchant_id, environment, MAX(hour), address, CAST(SUM(count) AS BIGINT) FROM request_addresses
		WHERE merchant_id = $1 AND hour >= $2 GROUP BY merchant_id, environment, address ORDER BY environment, address`
	sqlPurgeRequestAddresses = `DELETE FROM request_addresses WHERE (merchant_id, hour, environment, address) IN (
			SELECT merchant_id, hour, environment, address FROM request_addresses WHERE hour < $1 ORDER BY hour LIMIT $2)`
)

func (t *tx) AddRequestCount(ctx context.Context, c controlplane.RequestCount) error {
	return t.insert(ctx, "request count", sqlAddRequestCount, c.MerchantID, c.Environment, int64(c.Span), micros(c.At), c.Outcome, c.Code, c.Count, c.Unlisted)
}

func (t *tx) RequestCounts(ctx context.Context, f controlplane.RequestCountFilter) ([]controlplane.RequestCount, error) {
	return list(ctx, t, "request counts", func(r scanner, c *controlplane.RequestCount) error {
		return r.Scan(&c.MerchantID, &c.Environment, (*int64)(&c.Span), timeColumn{&c.At}, &c.Outcome, &c.Code, &c.Count, &c.Unlisted)
	}, sqlRequestCounts, f.MerchantID, f.Environment, int64(f.Span), micros(f.Since))
}

func (t *tx) PurgeRequestCounts(ctx context.Context, p controlplane.Purge) (controlplane.Purged, error) {
	n, err := t.exec(ctx, "request counts", sqlPurgeRequestCounts, micros(p.Before), p.Limit)
	return controlplane.Purged{Rows: n, More: n == int64(p.Limit)}, err
}

func (t *tx) AddRequestAddress(ctx context.Context, a controlplane.RequestAddress) error {
	n, err := t.exec(ctx, "request address", sqlAddKnownAddress, a.Count, a.MerchantID, micros(a.Hour), a.Environment, addrText(a.IP))
	if err != nil || n > 0 {
		return err
	}
	return t.insert(ctx, "request address", sqlAddNewAddress, a.MerchantID, micros(a.Hour), a.Environment,
		controlplane.MaxRequestAddresses, addrText(a.IP), a.Count)
}

func (t *tx) RequestAddresses(ctx context.Context, merchantID string, since time.Time) ([]controlplane.RequestAddress, error) {
	return list(ctx, t, "request addresses", func(r scanner, a *controlplane.RequestAddress) error {
		a.IP = netip.Addr{}
		return r.Scan(&a.MerchantID, &a.Environment, timeColumn{&a.Hour}, addrColumn{&a.IP}, &a.Count)
	}, sqlRequestAddresses, merchantID, micros(since))
}

func (t *tx) PurgeRequestAddresses(ctx context.Context, p controlplane.Purge) (controlplane.Purged, error) {
	n, err := t.exec(ctx, "request addresses", sqlPurgeRequestAddresses, micros(p.Before), p.Limit)
	return controlplane.Purged{Rows: n, More: n == int64(p.Limit)}, err
}
