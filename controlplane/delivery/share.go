package delivery

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

const (
	// Lease is how long a node may be silent before the others take over what it has
	// claimed. A node that is killed delays its deliveries by that, at most, and beat.
	Lease = 30 * time.Second
	// sendLimit is what an attempt takes at most, with what is around it: none begins
	// that could outlast its lease.
	sendLimit = AttemptDeadline + 2*time.Second
	minLease  = 20 * time.Second
	// skew is how much the nodes' clocks may differ.
	skew = 5 * time.Second
	// beat is how often leases are renewed and lapsed ones are looked for.
	beat = 2 * time.Second

	// pollEvery is how often an engine looks for what other nodes left in the store, and
	// pollShare how much of its time that may take, one part in so many: a look reads
	// the index of all that waits.
	pollEvery = time.Second
	pollShare = 10
	// pollsToRefresh is after how many looks an endpoint that is only probed is read
	// again: somebody may have changed it at another node.
	pollsToRefresh = 5
)

// leaseEnd is when a lease that begins now ends; zero for an engine without others.
func (e *Engine) leaseEnd() (until time.Time) {
	if e.lease > 0 {
		until = e.now().Add(e.lease)
	}
	return until
}

// lapsed is the moment by which leases have ended for certain.
func (e *Engine) lapsed() time.Time {
	if e.lease > 0 {
		return e.now().Add(-skew)
	}
	return e.now()
}

// owns reports whether an attempt that begins now ends within the claim's lease.
func (e *Engine) owns(c controlplane.Claim) bool {
	return c.Until.IsZero() || e.now().Add(sendLimit).Before(c.Until)
}

// share keeps what is this engine's and takes over what is nobody's, until ctx ends.
func (e *Engine) share(ctx context.Context) {
	renew := time.NewTicker(beat)
	defer renew.Stop()
	poll := time.NewTimer(pollEvery)
	defer poll.Stop()
	for n := 0; ; {
		select {
		case <-renew.C:
			e.renew(ctx)
		case <-poll.C:
			n++
			poll.Reset(max(pollEvery, pollShare*e.poll(ctx, n%pollsToRefresh == 0)))
		case <-ctx.Done():
			return
		}
	}
}

// renew extends the leases of queued claims in time and makes those of nodes that fell
// silent pending again. What cannot be renewed is not sent: see owns.
func (e *Engine) renew(ctx context.Context) {
	aging, until := e.aging(), e.leaseEnd()
	var lost []controlplane.Claim
	err := e.store.Update(controlplane.Concurrent(ctx), func(tx controlplane.Tx) (err error) {
		if lost, err = tx.ExtendLeases(ctx, aging, until); err != nil {
			return err
		}
		_, err = tx.RecoverDeliveries(ctx, e.lapsed())
		return err
	})
	if err != nil {
		if ctx.Err() == nil {
			e.log().Error("renew the leases of deliveries", zap.Int("deliveries", len(aging)), zap.Error(err))
		}
		return
	}
	e.renewed(aging, lost, until)
}

// aging are the queued claims whose leases are half over.
func (e *Engine) aging() (all []controlplane.Claim) {
	e.mu.Lock()
	defer e.mu.Unlock()
	half := e.now().Add((e.lease + sendLimit) / 2)
	for _, ep := range e.endpoints {
		for lane := range lanes {
			for _, c := range ep.queue[lane] {
				if c.Until.Before(half) {
					c.Body = nil
					all = append(all, c)
				}
			}
		}
	}
	return all
}

// renewed notes the new end of leases, and forgets claims that are another's now.
func (e *Engine) renewed(aging, lost []controlplane.Claim, until time.Time) {
	ends := make(map[int64]time.Time, len(aging))
	for _, c := range aging {
		ends[c.Row] = until
	}
	for _, c := range lost {
		ends[c.Row] = time.Time{}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range aging {
		ep := e.endpoint(c.EndpointRow, c.MerchantID)
		for lane := range lanes {
			e.renewLane(ep, lane, ends)
		}
	}
}

func (e *Engine) renewLane(ep *endpoint, lane int, ends map[int64]time.Time) {
	kept := ep.queue[lane][:0]
	for _, c := range ep.queue[lane] {
		end, known := ends[c.Row]
		if known && end.IsZero() {
			e.forget(c)
			continue
		}
		if known {
			c.Until = end
		}
		kept = append(kept, c)
	}
	clear(ep.queue[lane][len(kept):])
	if ep.queue[lane] = kept; len(kept) == 0 {
		ep.queue[lane] = nil
	}
}

// poll learns what waits in the store, whoever put it there, and returns how long the
// look took.
func (e *Engine) poll(ctx context.Context, refresh bool) time.Duration {
	began := time.Now()
	var backlogs []controlplane.Backlog
	err := e.store.View(ctx, func(tx controlplane.Tx) (err error) {
		backlogs, err = tx.Backlogs(ctx)
		return err
	})
	if err != nil {
		if ctx.Err() == nil {
			e.log().Error("look for deliveries", zap.Error(err))
		}
		return time.Since(began)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, b := range backlogs {
		ep := e.endpoint(b.EndpointRow, b.MerchantID)
		ep.stale = ep.stale || refresh && ep.stopped(e.now())
		e.takeUp(b)
	}
	e.chores.replays = true
	poke(e.choreNow)
	return time.Since(began)
}
