package delivery

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// healthCounts are counts of attempts that are not written yet.
type healthCounts map[healthKey]int64

type healthKey struct {
	row    int64
	hour   int64
	bucket int
}

// count adds an attempt to its endpoint's hour. The lock is held.
func (e *Engine) count(ep *endpoint, a controlplane.Attempt) {
	bucket := 0
	if a.Succeeded() {
		bucket = controlplane.LatencyBucket(a.Phases.Total)
	}
	e.health[healthKey{ep.row, a.At.Truncate(time.Hour).UnixMicro(), bucket}]++
}

// touch marks a condition to be written. The lock is held.
func (e *Engine) touch(ep *endpoint) {
	ep.condition.Breaker, ep.condition.ProbeAt = ep.breaker.why, ep.breaker.probeAt
	e.dirty[ep.row] = ep
}

func (e *Engine) rollUpDue() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.health)+len(e.dirty) > 0
}

// writeHealth writes counts and conditions. What cannot be written is counted
// again next time.
func (e *Engine) writeHealth() {
	e.mu.Lock()
	counts := e.health
	e.health = healthCounts{}
	var conditions []controlplane.EndpointCondition
	for _, ep := range e.dirty {
		conditions = append(conditions, ep.condition)
	}
	clear(e.dirty)
	e.mu.Unlock()
	if len(counts)+len(conditions) == 0 {
		return
	}
	ctx := context.Background()
	err := e.store.Update(controlplane.Concurrent(ctx), func(tx controlplane.Tx) error { return saveHealth(ctx, tx, counts, conditions) })
	if err == nil {
		return
	}
	e.log().Error("write the health of endpoints", zap.Error(err))
	e.mu.Lock()
	defer e.mu.Unlock()
	for key, n := range counts {
		e.health[key] += n
	}
	for _, c := range conditions {
		e.touch(e.endpoint(c.EndpointRow, c.MerchantID))
	}
}

func saveHealth(ctx context.Context, tx controlplane.Tx, counts healthCounts, conditions []controlplane.EndpointCondition) error {
	for key, n := range counts {
		b := controlplane.HealthBucket{EndpointRow: key.row, Hour: time.UnixMicro(key.hour).UTC(), Bucket: key.bucket, Count: n}
		if err := tx.AddHealth(ctx, b); err != nil {
			return err
		}
	}
	for _, c := range conditions {
		if err := tx.SaveEndpointCondition(ctx, c); err != nil {
			return err
		}
	}
	return nil
}
