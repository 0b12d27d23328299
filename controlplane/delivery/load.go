package delivery

import (
	"container/heap"
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

const (
	// maxLoads bounds how many claims one transaction makes.
	maxLoads = 256
	// bulkLoad is how many of a bulk replay are held in memory.
	bulkLoad = 16
	// loadPatience is how long a look waits that found the memory full, or the store
	// away.
	loadPatience = 100 * time.Millisecond
)

// lookHeap orders the endpoints by when to look for them in the store.
type lookHeap []*endpoint

func (h lookHeap) Len() int           { return len(h) }
func (h lookHeap) Less(i, j int) bool { return h[i].lookAt.Before(h[j].lookAt) }
func (h lookHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *lookHeap) Push(x any) {
	ep := x.(*endpoint)
	ep.index = len(*h)
	*h = append(*h, ep)
}

func (h *lookHeap) Pop() any {
	old := *h
	ep := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	ep.index = -1
	return ep
}

// look puts an endpoint where it belongs in the heap. The lock is held.
func (e *Engine) look(ep *endpoint) {
	at := e.lookTime(ep)
	switch {
	case at.IsZero() && ep.index >= 0:
		heap.Remove(&e.looks, ep.index)
	case at.IsZero():
	case ep.index >= 0:
		ep.lookAt = at
		heap.Fix(&e.looks, ep.index)
	default:
		ep.lookAt = at
		heap.Push(&e.looks, ep)
	}
	if len(e.looks) > 0 && e.looks[0] == ep {
		poke(e.lookNow)
	}
}

// lookTime is when the store has something for an endpoint that may be sent, zero
// if that is not known.
func (e *Engine) lookTime(ep *endpoint) (first time.Time) {
	if ep.loading {
		return first
	}
	if ep.stale {
		return e.now()
	}
	for lane := range lanes {
		at := e.laneTime(ep, lane)
		if !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return first
}

func (e *Engine) laneTime(ep *endpoint, lane int) time.Time {
	at := ep.stored[lane]
	if at.IsZero() || len(ep.queue[lane]) > e.room(lane)/4 {
		return time.Time{}
	}
	if lane == test {
		return at
	}
	if ep.condemned {
		return time.Time{}
	}
	if ep.breaker.open() {
		if ep.busy() > 0 || len(ep.queue[live])+len(ep.queue[bulk]) > 0 {
			return time.Time{} // one probe at a time
		}
		// A delivery that waits alone keeps to its own schedule.
		at = later(at, ep.breaker.probeAt)
	}
	return later(at, ep.condition.PausedUntil)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// room is how many claims of a lane an endpoint holds in memory.
func (e *Engine) room(lane int) int {
	if lane == live {
		return e.limits.Queue
	}
	return bulkLoad
}

// load claims what is due, until ctx ends.
func (e *Engine) load(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-e.lookNow:
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		for {
			wait, more := e.loadDue(ctx)
			if !more {
				timer.Reset(wait)
				break
			}
		}
	}
}

// loadDue makes one round; more: there may be another right away, else wait says
// when.
func (e *Engine) loadDue(ctx context.Context) (wait time.Duration, more bool) {
	due, bytes, wait := e.takeDue()
	if len(due) == 0 {
		return wait, false
	}
	var found []loaded
	err := e.store.Update(controlplane.Concurrent(ctx), func(tx controlplane.Tx) error {
		found = found[:0]
		left := bytes
		for _, q := range due {
			l, err := q.run(ctx, tx, &left)
			if err != nil {
				return err
			}
			found = append(found, l)
		}
		return nil
	})
	if err != nil {
		if ctx.Err() == nil {
			e.log().Error("claim deliveries", zap.Error(err))
		}
		e.unload(due)
		return loadPatience, ctx.Err() == nil && sleep(ctx, loadPatience)
	}
	for _, l := range found {
		e.take(l)
	}
	return 0, true
}

// dueLook is what to ask the store about one endpoint.
type dueLook struct {
	ep      *endpoint
	refresh bool
	queries []controlplane.ClaimQuery
}

// loaded is the store's answer; claimed has one for each query.
type loaded struct {
	dueLook
	endpoint controlplane.Endpoint
	claimed  []controlplane.Claimed
}

// run asks; left is how many bytes of bodies there is room for.
func (q dueLook) run(ctx context.Context, tx controlplane.Tx, left *int) (l loaded, err error) {
	l.dueLook = q
	if q.refresh {
		target, err := tx.EndpointTarget(ctx, q.ep.row)
		if err != nil {
			return l, err
		}
		l.endpoint = target.Endpoint
	}
	for _, query := range q.queries {
		query.Bytes = max(1, *left)
		claimed, err := tx.ClaimDeliveries(ctx, query)
		if err != nil {
			return l, err
		}
		for _, c := range claimed.Claims {
			*left -= len(c.Body)
		}
		l.claimed = append(l.claimed, claimed)
	}
	return l, nil
}

// takeDue takes endpoints off the heap whose time has come, and says how many bytes
// there is room for; wait is until the next one if there are none.
func (e *Engine) takeDue() (due []dueLook, bytes int, wait time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.now()
	budget := min(maxLoads, e.limits.Claims-e.claims)
	if bytes = e.limits.Bytes - e.bytes; bytes <= 0 {
		budget = 0
	}
	for len(e.looks) > 0 && !e.looks[0].lookAt.After(now) && budget > 0 {
		ep := heap.Pop(&e.looks).(*endpoint)
		q := dueLook{ep: ep, refresh: ep.stale, queries: e.queries(ep, now, budget)}
		for _, query := range q.queries {
			budget -= query.Limit
			// What is noted from here on is news, and outlives the answer.
			ep.stored[query.Lane] = time.Time{}
		}
		ep.loading, ep.stale = true, false
		due = append(due, q)
	}
	switch {
	case len(due) > 0 || len(e.looks) == 0:
		return due, bytes, time.Hour // a look puts its own time in
	case budget <= 0:
		return nil, 0, loadPatience
	}
	return nil, 0, max(0, e.looks[0].lookAt.Sub(now))
}

// queries asks for what is due of each lane.
func (e *Engine) queries(ep *endpoint, now time.Time, budget int) (all []controlplane.ClaimQuery) {
	for lane := range lanes {
		at := e.laneTime(ep, lane)
		if at.IsZero() || at.After(now) || budget <= 0 {
			continue
		}
		q := controlplane.ClaimQuery{EndpointRow: ep.row, Lane: controlplane.Lane(lane), Due: now, Until: e.leaseEnd(), Limit: min(budget, e.room(lane)-len(ep.queue[lane]))}
		if lane != test && ep.breaker.open() {
			q.Due, q.Limit = time.Time{}, 1
		}
		all = append(all, q)
		if budget -= q.Limit; lane != test && ep.breaker.open() {
			break // one probe
		}
	}
	return all
}

// take takes over what was claimed for an endpoint.
func (e *Engine) take(l loaded) {
	if l.refresh {
		e.learn(l.ep, l.endpoint, controlplane.EndpointCondition{}, false)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	ep := l.ep
	ep.loading = false
	if l.refresh {
		ep.condemned = false
	}
	for i, q := range l.queries {
		if at := l.claimed[i].NextAt; !at.IsZero() {
			if e.lease > 0 && len(l.claimed[i].Claims) == 0 {
				// What is due, and was not to be had, another engine is claiming.
				at = later(at, e.now().Add(loadPatience))
			}
			ep.stores(int(q.Lane), at)
		} else if len(l.claimed[i].Claims) == 0 {
			e.settleSoon(ep.row) // what should wait there may wait for a stopped endpoint
		}
		for _, c := range l.claimed[i].Claims {
			e.claims++
			e.bytes += len(c.Body)
			e.enqueue(ep, c)
		}
	}
	e.look(ep)
	e.pump()
}

// unload puts looks back that came to nothing.
func (e *Engine) unload(due []dueLook) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, q := range due {
		q.ep.loading, q.ep.stale = false, q.ep.stale || q.refresh
		for _, query := range q.queries {
			q.ep.stores(int(query.Lane), e.now())
		}
		e.look(q.ep)
	}
}
