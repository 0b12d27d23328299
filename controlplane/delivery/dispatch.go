package delivery

import (
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// endpoint returns what is known of one, at first nothing. The lock is held.
func (e *Engine) endpoint(row int64, merchantID string) *endpoint {
	ep, ok := e.endpoints[row]
	if !ok {
		ep = &endpoint{row: row, merchantID: merchantID, limit: e.limits.PerEndpoint, index: -1, usedAt: e.now()}
		ep.condition.EndpointRow, ep.condition.MerchantID = row, merchantID
		e.endpoints[row] = ep
	}
	return ep
}

// Reserve implements [controlplane.Dispatcher]. An endpoint with a backlog in the
// store gets no room: what is new has to wait behind what is old, and a dead
// endpoint must not fill the memory.
func (e *Engine) Reserve(row int64, merchantID string, size int) (until time.Time, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.running || e.claims >= e.limits.Claims || e.bytes+size > e.limits.Bytes {
		return until, false
	}
	ep := e.endpoint(row, merchantID)
	if !ep.stored[live].IsZero() || ep.loading || ep.stale || ep.stopped(e.now()) || len(ep.queue[live])+ep.reserved >= e.limits.Queue {
		return until, false
	}
	ep.reserved++
	e.claims++
	e.bytes += size
	return e.leaseEnd(), true
}

// Dispatch implements [controlplane.Dispatcher].
func (e *Engine) Dispatch(claims []controlplane.Claim) {
	if len(claims) == 0 {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range claims {
		ep := e.endpoint(c.EndpointRow, c.MerchantID)
		ep.reserved--
		e.enqueue(ep, c)
	}
	e.pump()
}

// Unreserve implements [controlplane.Dispatcher].
func (e *Engine) Unreserve(claims []controlplane.Claim) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range claims {
		e.endpoint(c.EndpointRow, c.MerchantID).reserved--
		e.forget(c)
	}
}

// Wake implements [controlplane.Dispatcher].
func (e *Engine) Wake(row int64, merchantID string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	// What happens while the engine stands still is for its next start.
	ep := e.endpoint(row, merchantID)
	ep.stale = true
	ep.outdate()
	e.chores.replays = true
	e.settleSoon(row)
	for lane := range lanes {
		if e.starting {
			e.wake(row, merchantID, controlplane.Lane(lane), e.now())
		}
	}
}

// settleSoon hands an endpoint that may have been stopped to the keeper. The lock is
// held.
func (e *Engine) settleSoon(row int64) {
	e.chores.settle[row] = true
	poke(e.choreNow)
}

// Pending implements [controlplane.Dispatcher].
func (e *Engine) Pending(row int64, merchantID string, lane controlplane.Lane) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.starting {
		e.wake(row, merchantID, lane, e.now())
	}
}

// wake notes that something of a lane is due in the store. The lock is held.
func (e *Engine) wake(row int64, merchantID string, lane controlplane.Lane, at time.Time) {
	ep := e.endpoint(row, merchantID)
	ep.stores(int(lane), at)
	e.look(ep)
}

// takeUp notes what waits for an endpoint. Without a time that is only what was held.
func (e *Engine) takeUp(b controlplane.Backlog) {
	if !b.NextAt.IsZero() {
		e.wake(b.EndpointRow, b.MerchantID, b.Lane, b.NextAt)
	}
	if b.Stopped {
		e.chores.settle[b.EndpointRow] = true
	}
}

// forget takes a claim out of the memory's account.
func (e *Engine) forget(c controlplane.Claim) {
	e.claims--
	e.bytes -= len(c.Body)
}

// enqueue takes a claim whose room is accounted for. One that cannot be sent soon
// goes back to the store.
func (e *Engine) enqueue(ep *endpoint, c controlplane.Claim) {
	probe := ep.breaker.open() && ep.busy() == 0 && len(ep.queue[live])+len(ep.queue[bulk]) == 0
	if !e.running || c.Lane != controlplane.LaneTest && ep.stopped(e.now()) && (!probe || ep.condemned || ep.paused(e.now())) {
		e.giveBack(c)
		return
	}
	ep.usedAt = e.now()
	ep.queue[c.Lane] = append(ep.queue[c.Lane], c)
	e.turn(ep)
}

// giveBack makes the recorder release a claim.
func (e *Engine) giveBack(c controlplane.Claim) {
	e.forget(c)
	c.Body = nil
	e.release = append(e.release, c)
	poke(e.recordNow)
}

// empty gives everything back that is queued, tests excepted while running.
func (e *Engine) empty(ep *endpoint) {
	for lane := range lanes {
		if lane == test && e.running {
			continue
		}
		for _, c := range ep.queue[lane] {
			e.giveBack(c)
		}
		ep.queue[lane] = nil
	}
}

// turn puts an endpoint into its rotation if it may send.
func (e *Engine) turn(ep *endpoint) {
	if _, ok := ep.lane(); !ok || ep.turning {
		return
	}
	if ep.slow() {
		e.slow.push(ep)
	} else {
		e.fast.push(ep)
	}
}

// pump begins attempts while there are slots and turns. The lock is held.
func (e *Engine) pump() {
	for e.running {
		ep := e.next()
		if ep == nil {
			return
		}
		lane, ok := ep.lane()
		if !ok {
			continue // something changed since its turn was asked for
		}
		c := ep.take(lane)
		if !e.owns(c) {
			ep.inflight[lane]--
			e.giveBack(c)
			e.turn(ep)
			e.look(ep)
			continue
		}
		e.begin(ep, c)
		e.turn(ep)
		e.look(ep) // its queue may have run low
	}
}

// next is the endpoint whose turn it is. A quarter of the slots is for the slow,
// and the rest is not: where they met, a dead endpoint raised a healthy one's
// median to 24 s. The two take turns.
func (e *Engine) next() *endpoint {
	quarter := max(1, e.limits.Slots/4)
	// Attempts that turn out to hang are moved to the slow, beyond their quarter;
	// this bounds how many those can be.
	if e.fastBusy+e.slowBusy >= 2*e.limits.Slots {
		return nil
	}
	for range 2 {
		e.slowTurn = !e.slowTurn
		from, busy, limit := &e.fast, e.fastBusy, max(1, e.limits.Slots-quarter)
		if e.slowTurn {
			from, busy, limit = &e.slow, e.slowBusy, quarter
		}
		if busy < limit {
			if ep := e.popOf(from); ep != nil {
				return ep
			}
		}
	}
	return nil
}

// popOf takes turns until one is of the right kind: an endpoint may have become
// slow, or fast, while it waited.
func (e *Engine) popOf(r *rotation) *endpoint {
	for ep := r.pop(); ep != nil; ep = r.pop() {
		if ep.slow() == (r == &e.slow) {
			return ep
		}
		e.turn(ep)
	}
	return nil
}

// begin starts an attempt.
func (e *Engine) begin(ep *endpoint, c controlplane.Claim) {
	a := &attempt{ep: ep, claim: c, slow: ep.slow(), probe: ep.breaker.open() && int(c.Lane) != test}
	if a.slow {
		e.slowBusy++
	} else {
		e.fastBusy++
	}
	ctx := e.attemptContext
	e.attempts.Go(func() { e.perform(ctx, a) })
}
