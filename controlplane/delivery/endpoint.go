package delivery

import (
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

const (
	lanes = int(controlplane.Lanes)
	live  = int(controlplane.LaneLive)
	bulk  = int(controlplane.LaneBulk)
	test  = int(controlplane.LaneTest)

	// slowAfter makes an endpoint slow that takes longer for an answer.
	slowAfter = 2 * time.Second
	// bulkShare: bulk replays take at most a fifth of an endpoint's slots.
	bulkShare = 5
)

// endpoint is what the engine knows of one endpoint. The engine's lock guards it.
type endpoint struct {
	row        int64
	merchantID string

	// queue holds claims, oldest first; reserved is room for those to come.
	queue    [lanes][]controlplane.Claim
	reserved int
	inflight [lanes]int
	// stored is when the first of what waits in the store is due; zero if nothing
	// is known to wait there.
	stored  [lanes]time.Time
	loading bool
	// turning: it is in a rotation.
	turning bool
	// lookAt is its place in the loader's heap, -1 if it is in none.
	lookAt time.Time
	index  int

	// limit is how many attempts may run at once. It halves with a failure and
	// grows by one with a success: a dead endpoint gives its slots up, and one
	// that comes back is not flooded.
	limit   int
	breaker breaker
	// latency is a moving average over successes; proven: there was one.
	latency time.Duration
	proven  bool
	hanging int
	picks   int

	condition controlplane.EndpointCondition
	// loaded: condition was read from the store, and may be written.
	loaded bool
	// stale: somebody changed it; read it again before anything else. condemned: it
	// is about to be disabled; until then nothing is sent.
	stale     bool
	condemned bool
	// known is what was read of it last.
	known  controlplane.Endpoint
	usedAt time.Time
	// target is what was read to send by, good until targetUntil; changes counts what
	// ended that before its time.
	target      target
	targetUntil time.Time
	changes     int
	// closedAt is when its breaker last closed, pauseTold when its merchant was last
	// told of a pause.
	closedAt, pauseTold time.Time
}

// outdate has the target read again.
func (ep *endpoint) outdate() { ep.changes, ep.targetUntil = ep.changes+1, time.Time{} }

// remember takes over what the store knows from before.
func (ep *endpoint) remember(c controlplane.EndpointCondition, now time.Time) {
	ep.condition, ep.loaded, ep.closedAt = c, true, now
	if c.Breaker != "" {
		ep.breaker = breaker{why: c.Breaker, probeAt: now}
	}
}

// slow endpoints share a quarter of the slots, and so do those that have not
// answered yet: how long they will take is not known.
func (ep *endpoint) slow() bool {
	return !ep.proven || ep.hanging > 0 || ep.breaker.row > 0 || ep.latency > slowAfter
}

// busy is how many attempts run; tests do not count.
func (ep *endpoint) busy() int { return ep.inflight[live] + ep.inflight[bulk] }

// stopped reports whether nothing but tests and probes may be sent.
func (ep *endpoint) stopped(now time.Time) bool {
	return ep.breaker.open() || ep.condemned || ep.paused(now)
}

func (ep *endpoint) paused(now time.Time) bool { return now.Before(ep.condition.PausedUntil) }

// lane is the one to take the next claim from; ok is false if nothing may be sent
// now.
func (ep *endpoint) lane() (lane int, ok bool) {
	if len(ep.queue[test]) > 0 && ep.inflight[test] == 0 {
		return test, true
	}
	if ep.busy() >= ep.limit || ep.breaker.open() && ep.busy() > 0 {
		return 0, false
	}
	bulkMay := len(ep.queue[bulk]) > 0 && ep.inflight[bulk] < max(1, ep.limit/bulkShare)
	if bulkMay && (len(ep.queue[live]) == 0 || ep.picks%bulkShare == 0) {
		return bulk, true
	}
	return live, len(ep.queue[live]) > 0
}

// take removes the next claim of a lane.
func (ep *endpoint) take(lane int) controlplane.Claim {
	c := ep.queue[lane][0]
	ep.queue[lane][0] = controlplane.Claim{} // lets go of the body
	if ep.queue[lane] = ep.queue[lane][1:]; len(ep.queue[lane]) == 0 {
		ep.queue[lane] = nil
	}
	ep.inflight[lane]++
	ep.picks++
	return c
}

// stores notes that something waits in the store, due at a time.
func (ep *endpoint) stores(lane int, at time.Time) {
	if ep.stored[lane].IsZero() || at.Before(ep.stored[lane]) {
		ep.stored[lane] = at
	}
}

// idle reports whether forgetting the endpoint loses nothing.
func (ep *endpoint) idle(now time.Time) bool {
	for lane := range lanes {
		if len(ep.queue[lane]) > 0 || ep.inflight[lane] > 0 || !ep.stored[lane].IsZero() {
			return false
		}
	}
	if ep.reserved > 0 || ep.loading || ep.stale || ep.condemned || ep.turning || now.Sub(ep.usedAt) <= forgetAfter {
		return false
	}
	// What a deleted endpoint did is of no more use.
	return ep.known.State == controlplane.EndpointDeleted ||
		ep.condition.Failures == 0 && !ep.stopped(now) && ep.condition.Told.IsZero() && now.Sub(ep.pauseTold) > pauseAgain
}
