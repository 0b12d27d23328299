package controlplane

import (
	"math"
	"slices"
	"time"
)

// The disable policy: see [EndpointCondition.Dead].
const (
	deadWithoutSuccess = 5 * 24 * time.Hour
	deadFailures       = 10
	deadFailingFor     = 12 * time.Hour
	deadEvents         = 3
)

// EndpointCondition is how an endpoint has been doing since its last success.
type EndpointCondition struct {
	EndpointRow   int64     `json:"-"`
	MerchantID    string    `json:"-"`
	LastSuccessAt time.Time `json:"last_success_at,omitzero"`
	LastAttemptAt time.Time `json:"last_attempt_at,omitzero"`
	// FailingSince is the first failed attempt since the last success; zero while
	// there is none.
	FailingSince time.Time `json:"failing_since,omitzero"`
	Failures     int       `json:"failures"`
	// FailingEvents are the first three events whose attempts failed.
	FailingEvents []string `json:"-"`
	// PausedUntil is what its Retry-After asked for.
	PausedUntil time.Time `json:"paused_until,omitzero"`
	// Breaker says why only probes are sent; empty while everything is.
	Breaker BreakerReason `json:"breaker,omitempty"`
	// ProbeAt is before which no probe is sent; zero while the breaker is closed.
	ProbeAt time.Time `json:"probe_at,omitzero"`
	// Told is the FailingSince of the outage that the merchant's people were told of;
	// zero when they know of none.
	Told time.Time `json:"-"`
}

// BreakerReason is what opened an endpoint's breaker.
type BreakerReason string

const (
	// BreakerInARow: five attempts in a row failed.
	BreakerInARow BreakerReason = "in_a_row"
	// BreakerHalf: half of the last twenty attempts failed.
	BreakerHalf BreakerReason = "half"
)

// Failed counts a failed attempt.
func (c *EndpointCondition) Failed(eventID string, at time.Time) {
	if c.FailingSince.IsZero() {
		c.FailingSince = at
	}
	c.LastAttemptAt = at
	c.Failures++
	if len(c.FailingEvents) < deadEvents && !slices.Contains(c.FailingEvents, eventID) {
		c.FailingEvents = append(c.FailingEvents, eventID)
	}
}

// Succeeded counts an attempt that was answered with 2xx.
func (c *EndpointCondition) Succeeded(at time.Time) {
	c.LastSuccessAt, c.LastAttemptAt = at, at
	c.Recover()
}

// Recover forgets the failures.
func (c *EndpointCondition) Recover() {
	c.FailingSince, c.Failures, c.FailingEvents = time.Time{}, 0, nil
	c.Breaker, c.ProbeAt = "", time.Time{}
}

// Dead reports whether the endpoint is to be disabled: five days without a
// success, and at least 10 failed attempts, over at least 12 h, on at least 3
// events, so that neither a quiet endpoint nor a single bad event ends it.
// enabledAt is when it was made or last enabled.
func (c *EndpointCondition) Dead(enabledAt time.Time) bool {
	return c.Failures >= deadFailures && len(c.FailingEvents) >= deadEvents &&
		c.LastAttemptAt.Sub(c.FailingSince) >= deadFailingFor && c.silent(enabledAt, c.LastAttemptAt)
}

// silent reports whether there was no success for so long that the endpoint may be
// disabled.
func (c *EndpointCondition) silent(enabledAt, now time.Time) bool {
	good := enabledAt
	if c.LastSuccessAt.After(good) {
		good = c.LastSuccessAt
	}
	return now.Sub(good) >= deadWithoutSuccess
}

// HealthBucket is a count of attempts of one endpoint in one hour: failed ones in
// bucket 0, successes by how long they took in the others.
type HealthBucket struct {
	EndpointRow int64
	Hour        time.Time
	Bucket      int
	Count       int64
}

// healthBuckets covers 1 ms to 15 s, four buckets to each doubling.
const healthBuckets = 56

// LatencyBucket is the bucket of a success that took d.
func LatencyBucket(d time.Duration) int {
	if d <= time.Millisecond {
		return 1
	}
	return min(healthBuckets, 1+int(math.Ceil(4*math.Log2(float64(d)/float64(time.Millisecond)))))
}

// bucketTop is the longest time of a bucket.
func bucketTop(bucket int) time.Duration {
	return time.Duration(float64(time.Millisecond) * math.Exp2(float64(bucket-1)/4)).Round(time.Microsecond)
}

// Health sums attempts up. P50 and P95 are of successes, and at most 19 % more
// than the exact value.
type Health struct {
	// Hour is the beginning of the hour, or of the day that is summed up; zero in a
	// sum over any other time.
	Hour      time.Time     `json:"hour,omitzero"`
	Succeeded int64         `json:"succeeded"`
	Failed    int64         `json:"failed"`
	P50       time.Duration `json:"p50"`
	P95       time.Duration `json:"p95"`
}

// SuccessRate is between 0 and 1, and 1 if nothing was attempted.
func (h Health) SuccessRate() float64 {
	if h.Succeeded+h.Failed == 0 {
		return 1
	}
	return float64(h.Succeeded) / float64(h.Succeeded+h.Failed)
}

// sumHealth adds buckets up, whatever their hours.
func sumHealth(buckets []HealthBucket) (h Health) {
	var counts [healthBuckets + 1]int64
	for _, b := range buckets {
		if b.Bucket <= 0 || b.Bucket > healthBuckets {
			h.Failed += b.Count
			continue
		}
		h.Succeeded += b.Count
		counts[b.Bucket] += b.Count
	}
	h.P50, h.P95 = quantile(counts[:], h.Succeeded, 0.5), quantile(counts[:], h.Succeeded, 0.95)
	return h
}

// healthBy sums each hour, or each day of UTC, up; buckets are ordered by hour.
func healthBy(span time.Duration, buckets []HealthBucket) (sums []Health) {
	for len(buckets) > 0 {
		first := buckets[0].Hour.Truncate(span)
		n := slices.IndexFunc(buckets, func(b HealthBucket) bool { return !b.Hour.Truncate(span).Equal(first) })
		if n < 0 {
			n = len(buckets)
		}
		h := sumHealth(buckets[:n])
		h.Hour = first
		sums, buckets = append(sums, h), buckets[n:]
	}
	return sums
}

func quantile(counts []int64, total int64, q float64) time.Duration {
	rank := int64(math.Ceil(q * float64(total)))
	for bucket, n := range counts {
		if rank -= n; rank <= 0 && n > 0 {
			return bucketTop(bucket)
		}
	}
	return 0
}
