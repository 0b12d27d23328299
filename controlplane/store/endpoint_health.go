package store

import (
	"context"
	"errors"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

const (
	// The newest success and attempt are those of any engine that shares the database.
	sqlSaveCondition = `INSERT INTO endpoint_conditions (endpoint_row, merchant_id, last_success_at, last_attempt_at, failing_since, failures,
			failing_events, paused_until, breaker, probe_at, told)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		ON CONFLICT (endpoint_row) DO UPDATE SET
			last_success_at = CASE WHEN excluded.last_success_at > endpoint_conditions.last_success_at THEN excluded.last_success_at ELSE endpoint_conditions.last_success_at END,
			last_attempt_at = CASE WHEN excluded.last_attempt_at > endpoint_conditions.last_attempt_at THEN excluded.last_attempt_at ELSE endpoint_conditions.last_attempt_at END,
			failing_since = excluded.failing_since, failures = excluded.failures, failing_events = excluded.failing_events,
			paused_until = excluded.paused_until, breaker = excluded.breaker, probe_at = excluded.probe_at,
			told = excluded.told`
	sqlCondition = `SELECT endpoint_row, merchant_id, last_success_at, last_attempt_at, failing_since, failures, failing_events, paused_until, breaker, probe_at, told
		FROM endpoint_conditions WHERE merchant_id = $1 AND endpoint_row = $2`
	sqlUnhealthy = `SELECT c.endpoint_row, c.merchant_id, c.last_success_at, c.last_attempt_at, c.failing_since, c.failures, c.failing_events, c.paused_until, c.breaker,
			c.probe_at, c.told
		FROM endpoint_conditions c JOIN endpoints e ON e.row_id = c.endpoint_row
		WHERE (c.failures > 0 OR c.paused_until > $1 OR c.told > 0) AND e.state <> 'deleted' ORDER BY c.endpoint_row`
	sqlAddHealth = `INSERT INTO endpoint_health (endpoint_row, hour, bucket, count) VALUES ($1, $2, $3, $4)
		ON CONFLICT (endpoint_row, hour, bucket) DO UPDATE SET count = endpoint_health.count + excluded.count`
	sqlHealth = `SELECT h.endpoint_row, h.hour, h.bucket, h.count FROM endpoints e JOIN endpoint_health h ON h.endpoint_row = e.row_id
		WHERE e.merchant_id = $1 AND e.row_id = $2 AND h.hour >= $3 ORDER BY h.hour, h.bucket`
	sqlHealthOfMerchant = `SELECT h.hour, h.bucket, CAST(SUM(h.count) AS BIGINT) FROM endpoints e JOIN endpoint_health h ON h.endpoint_row = e.row_id
		WHERE e.merchant_id = $1 AND e.environment = $2 AND h.hour >= $3 GROUP BY h.hour, h.bucket ORDER BY h.hour, h.bucket`
)

func (t *tx) SaveEndpointCondition(ctx context.Context, c controlplane.EndpointCondition) error {
	return t.insert(ctx, "endpoint condition", sqlSaveCondition, c.EndpointRow, c.MerchantID, micros(c.LastSuccessAt), micros(c.LastAttemptAt),
		micros(c.FailingSince), c.Failures, words(c.FailingEvents), micros(c.PausedUntil), c.Breaker, micros(c.ProbeAt), micros(c.Told))
}

func (t *tx) EndpointCondition(ctx context.Context, merchantID string, endpointRow int64) (controlplane.EndpointCondition, error) {
	c, err := one(ctx, t, "endpoint condition", scanCondition, sqlCondition, merchantID, endpointRow)
	if errors.Is(err, controlplane.ErrNotFound) {
		return controlplane.EndpointCondition{EndpointRow: endpointRow, MerchantID: merchantID}, nil
	}
	return c, err
}

func (t *tx) UnhealthyEndpoints(ctx context.Context, at time.Time) ([]controlplane.EndpointCondition, error) {
	return list(ctx, t, "endpoint conditions", scanCondition, sqlUnhealthy, micros(at))
}

func scanCondition(r scanner, c *controlplane.EndpointCondition) error {
	return r.Scan(&c.EndpointRow, &c.MerchantID, timeColumn{&c.LastSuccessAt}, timeColumn{&c.LastAttemptAt}, timeColumn{&c.FailingSince},
		&c.Failures, wordsColumn[string]{&c.FailingEvents}, timeColumn{&c.PausedUntil},
		&c.Breaker, timeColumn{&c.ProbeAt}, timeColumn{&c.Told})
}

func (t *tx) AddHealth(ctx context.Context, b controlplane.HealthBucket) error {
	return t.insert(ctx, "endpoint health", sqlAddHealth, b.EndpointRow, micros(b.Hour), b.Bucket, b.Count)
}

func (t *tx) EndpointHealth(ctx context.Context, merchantID string, endpointRow int64, since time.Time) ([]controlplane.HealthBucket, error) {
	return list(ctx, t, "endpoint health", func(r scanner, b *controlplane.HealthBucket) error {
		return r.Scan(&b.EndpointRow, timeColumn{&b.Hour}, &b.Bucket, &b.Count)
	}, sqlHealth, merchantID, endpointRow, micros(since))
}

func (t *tx) MerchantHealth(ctx context.Context, merchantID string, env controlplane.Environment, since time.Time) ([]controlplane.HealthBucket, error) {
	return list(ctx, t, "webhook health", func(r scanner, b *controlplane.HealthBucket) error {
		return r.Scan(timeColumn{&b.Hour}, &b.Bucket, &b.Count)
	}, sqlHealthOfMerchant, merchantID, env, micros(since))
}
