package delivery

import (
	"net/http"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// finish frees the attempt's slot and lets the endpoint learn from it; o is nil if
// nothing was attempted.
func (e *Engine) finish(a *attempt, o *controlplane.AttemptOutcome, target controlplane.DeliveryTarget) {
	e.mu.Lock()
	defer e.mu.Unlock()
	ep := a.ep
	a.over = true
	ep.inflight[a.claim.Lane]--
	ep.usedAt = e.now()
	e.forget(a.claim)
	if a.slow {
		e.slowBusy--
	} else {
		e.fastBusy--
	}
	if a.hangs {
		ep.hanging--
	}
	if o != nil && o.Attempt.Fault != controlplane.FaultInternal {
		e.weigh(a, o, target)
	}
	e.turn(ep)
	e.look(ep)
	e.pump()
}

// weigh lets an endpoint's breaker, limit and condition follow from an attempt.
func (e *Engine) weigh(a *attempt, o *controlplane.AttemptOutcome, target controlplane.DeliveryTarget) {
	e.count(a.ep, o.Attempt)
	if o.Attempt.Succeeded() {
		e.succeeded(a.ep, o.Attempt)
		return
	}
	if int(a.claim.Lane) == test {
		return // somebody is trying something out
	}
	e.failed(a, o, target)
}

func (e *Engine) succeeded(ep *endpoint, a controlplane.Attempt) {
	if ep.latency += (a.Phases.Total - ep.latency) / 8; !ep.proven {
		ep.proven, ep.latency = true, a.Phases.Total
	}
	ep.limit = min(ep.limit+1, e.limits.PerEndpoint)
	if ep.breaker.succeeded() {
		// What waited is let go slowly: one at a time, and one more with each success.
		ep.limit = 1
		ep.closedAt = e.now()
		e.changed[ep.row] = ep
	}
	ep.condition.Succeeded(e.now())
	e.touch(ep)
}

func (e *Engine) failed(a *attempt, o *controlplane.AttemptOutcome, target controlplane.DeliveryTarget) {
	ep, now := a.ep, e.now()
	ep.limit = max(1, ep.limit/2)
	ep.condition.Failed(a.claim.EventID, now)
	defer e.touch(ep)
	if d := pause(o.Attempt, now); d > 0 {
		e.pauseEndpoint(ep, now.Add(d))
		return // it lives: that is no outage
	}
	if a.probe && ep.breaker.open() {
		ep.breaker.probes++
		ep.breaker.probeAt = now.Add(spread(ep.breaker.delay(), e.random))
	}
	if ep.breaker.failed() {
		ep.breaker.probeAt = now.Add(spread(ep.breaker.delay(), e.random))
		e.empty(ep)
		e.changed[ep.row] = ep
	}
	switch {
	case o.Attempt.Status == http.StatusGone:
		e.disable(ep, target.Endpoint, controlplane.DisabledGone)
	case ep.condition.Dead(target.Endpoint.EnabledAt):
		e.disable(ep, target.Endpoint, controlplane.DisabledFailing)
	}
}

// pauseEndpoint obeys a Retry-After; the longest one asked for counts.
func (e *Engine) pauseEndpoint(ep *endpoint, until time.Time) {
	if !until.After(ep.condition.PausedUntil) {
		return
	}
	ep.condition.PausedUntil = until
	e.notePause(ep)
	ep.limit = 1
	e.empty(ep)
}

// disable asks the keeper to: the operation waits for the store.
func (e *Engine) disable(ep *endpoint, target controlplane.Endpoint, reason controlplane.DisabledReason) {
	if ep.condemned {
		return
	}
	ep.condemned = true
	e.empty(ep)
	in := controlplane.DisableEndpoint{MerchantID: target.MerchantID, EndpointID: target.ID, Reason: reason}
	e.chores.disable = append(e.chores.disable, disabling{in, ep.row})
	poke(e.choreNow)
}
