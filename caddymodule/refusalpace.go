package caddymodule

import (
	"context"
	"sync/atomic"
	"time"
)

// Refusals are answered at once up to refusalsAtOnce, and then refusalInterval apart;
// what comes sooner waits, but never longer than refusalWait: whoever floods from
// thousands of connections would make the answers of others late without end.
const (
	refusalInterval = time.Millisecond
	refusalsAtOnce  = 100
	refusalWait     = 250 * time.Millisecond
)

// refusalPace slows callers down whose requests are refused. Without it, 16
// connections that send such requests as fast as they are answered get 15,000 a second
// out of a core, and make requests that pass wait for it.
type refusalPace struct {
	due atomic.Int64 // when the next one would be answered, in Unix nanoseconds
}

// reserve takes a turn and says how long it is until then.
func (p *refusalPace) reserve(now time.Time) time.Duration {
	const ahead = refusalsAtOnce * refusalInterval
	for {
		old, at := p.due.Load(), now.UnixNano()
		due := max(old, at-int64(ahead))
		if wait := time.Duration(due - at); wait >= refusalWait {
			return refusalWait
		} else if p.due.CompareAndSwap(old, due+int64(refusalInterval)) {
			return max(wait, 0)
		}
	}
}

// await returns when it is the turn of a refusal, or its caller has gone.
func (p *refusalPace) await(ctx context.Context, now time.Time) {
	wait := p.reserve(now)
	if wait == 0 {
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
