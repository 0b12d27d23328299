package delivery

import (
	"context"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// attempt is one that runs.
type attempt struct {
	ep    *endpoint
	claim controlplane.Claim
	// slow: it is charged to the slots of the slow; probe: it is the breaker's.
	slow, probe, hangs, over bool
}

// perform makes one attempt and hands its outcome to the recorder. What was not
// attempted, or cut off by a stop, goes back to the store as it was.
func (e *Engine) perform(ctx context.Context, a *attempt) {
	var o *controlplane.AttemptOutcome
	to, ok := e.target(ctx, a)
	// The store may have taken its time, and the lease be over.
	if ok && a.may(to.Endpoint.State) && e.owns(a.claim) {
		done := e.send(ctx, a, to)
		if ctx.Err() == nil {
			o = e.judge(a.claim, done)
		}
	}
	if o != nil {
		e.results <- outcome{o: *o}
	} else {
		e.results <- outcome{released: true, o: controlplane.AttemptOutcome{Claim: a.claim}}
	}
	e.finish(a, o, to.DeliveryTarget)
}

// may reports whether an endpoint in a state is sent to.
func (a *attempt) may(s controlplane.EndpointState) bool {
	return s == controlplane.EndpointEnabled || s == controlplane.EndpointDisabled && a.claim.Lane == controlplane.LaneTest
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// send signs and sends.
func (e *Engine) send(ctx context.Context, a *attempt, to target) controlplane.Attempt {
	at := e.now()
	done := controlplane.Attempt{Number: a.claim.Attempts + 1, At: at}
	secrets := to.signing(at)
	if len(secrets) == 0 {
		e.outdate(a.ep)
		e.log().Error("no signing secret for a delivery", zap.String("endpoint", to.Endpoint.ID))
		done.Fault, done.Detail = controlplane.FaultInternal, "the signing secret could not be read; it will be tried again"
		return done
	}
	timer := time.AfterFunc(slowAfter, func() { e.hang(a) })
	r := e.settings.Load().Sender.Send(ctx, Request{EventID: a.claim.EventID, URL: to.Endpoint.URL, Secrets: secrets, Body: a.claim.Body, At: at})
	timer.Stop()
	done.Fault, done.Detail, done.Status, done.Address, done.Phases = r.Fault, r.Detail, r.Status, r.Address, r.Phases
	done.RequestHeader, done.ResponseHeader, done.ResponseBody, done.BodyCut = r.RequestHeader, r.Header, r.Body, r.BodyCut
	return done
}

// hang moves an attempt that takes long to the slots of the slow.
func (e *Engine) hang(a *attempt) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if a.over {
		return // the timer went off as the answer came
	}
	a.hangs = true
	a.ep.hanging++
	if !a.slow {
		a.slow = true
		e.fastBusy--
		e.slowBusy++
		e.pump()
	}
}

// judge decides what an attempt leads to.
func (e *Engine) judge(c controlplane.Claim, a controlplane.Attempt) *controlplane.AttemptOutcome {
	o := &controlplane.AttemptOutcome{Claim: c, Attempt: a, State: controlplane.DeliveryPending}
	switch {
	case a.Succeeded():
		o.State = controlplane.DeliveryDelivered
		return o
	case c.Lane == controlplane.LaneTest:
		o.State = controlplane.DeliveryExhausted
		return o
	case a.Status == http.StatusGone:
		o.State = controlplane.DeliveryGone
		return o
	}
	now := e.now()
	first := c.FirstAttemptAt
	if first.IsZero() {
		first = a.At
	}
	o.NextAt = now.Add(max(spread(retryDelay(a.Number), e.random), pause(a, now)))
	if o.NextAt.Sub(first) > giveUpAfter {
		o.State, o.NextAt = controlplane.DeliveryExhausted, time.Time{}
	}
	return o
}
