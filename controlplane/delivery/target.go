package delivery

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

const (
	// storePatience is how long an attempt waits before it asks a store again that
	// cannot be read.
	storePatience = time.Second
	// targetPatience is how long it waits for an answer.
	targetPatience = 10 * time.Second
	// targetKept is how long what was read is good at most.
	targetKept = 10 * time.Second
)

// target is what to send where, with the secrets to sign with.
type target struct {
	controlplane.DeliveryTarget
	opened []openSecret
}

type openSecret struct {
	controlplane.EndpointSecret
	text controlplane.Secret
}

// signing returns the secrets that sign at a moment, newest first.
func (t target) signing(at time.Time) (all []controlplane.Secret) {
	for _, s := range t.opened {
		if s.SignsAt(at) {
			all = append(all, s.text)
		}
	}
	return all
}

// open unseals the secrets of a target. Those that do not sign any more never will.
func (e *Engine) open(t controlplane.DeliveryTarget) (opened []openSecret, err error) {
	for _, s := range t.Secrets {
		if !s.SignsAt(e.now()) {
			continue
		}
		text, err := e.sealer.Unseal(controlplane.PurposeWebhookSecret, controlplane.EndpointSecretLocation(s.EndpointSecret).AAD(), s.Record)
		if err != nil {
			return nil, err
		}
		opened = append(opened, openSecret{s.EndpointSecret, controlplane.NewSecret(string(text))})
	}
	return opened, nil
}

// target is what to send where, now: neither a new URL nor a new secret waits for
// the next retry. ok is false if the engine stops, or the lease ends, before the
// store answers.
//
// Where this engine is the only one, whoever changes an endpoint says so with Wake
// before the change is answered, so what was read before is as good until then.
// Reading it for each attempt took a fifth of the time of a delivery.
func (e *Engine) target(ctx context.Context, a *attempt) (to target, ok bool) {
	to, load, changes, good := e.knownTarget(a.ep)
	if good {
		return to, true
	}
	for {
		var condition controlplane.EndpointCondition
		limited, cancel := context.WithTimeout(ctx, targetPatience)
		err := e.store.View(limited, func(tx controlplane.Tx) (err error) {
			if load {
				if condition, err = tx.EndpointCondition(limited, a.claim.MerchantID, a.claim.EndpointRow); err != nil {
					return err
				}
			}
			to.DeliveryTarget, err = tx.EndpointTarget(limited, a.claim.EndpointRow)
			return err
		})
		cancel()
		if err == nil {
			e.learn(a.ep, to.Endpoint, condition, load)
			if to.opened, err = e.open(to.DeliveryTarget); err != nil {
				e.log().Error("unseal the signing secret of an endpoint", zap.String("endpoint", to.Endpoint.ID), zap.Error(err))
				return to, true // without secrets, which is the attempt's fault
			}
			e.keepTarget(a.ep, to, changes)
			return to, true
		}
		if ctx.Err() != nil || !e.owns(a.claim) {
			return to, false
		}
		e.log().Error("read the endpoint of a delivery", zap.String("delivery", a.claim.DeliveryID), zap.Error(err))
		if !sleep(ctx, storePatience) {
			return to, false
		}
	}
}

// knownTarget is good if it need not be read; load: neither was the condition.
func (e *Engine) knownTarget(ep *endpoint) (to target, load bool, changes int, good bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return ep.target, !ep.loaded, ep.changes, ep.loaded && e.now().Before(ep.targetUntil)
}

// keepTarget keeps what was read, unless it was changed since the reading began.
func (e *Engine) keepTarget(ep *endpoint, to target, changes int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.lease == 0 && ep.changes == changes {
		ep.target, ep.targetUntil = to, e.now().Add(targetKept)
	}
}

// outdate has the target of an endpoint read again.
func (e *Engine) outdate(ep *endpoint) {
	e.mu.Lock()
	defer e.mu.Unlock()
	ep.outdate()
}

// learn takes over what the store says of an endpoint.
func (e *Engine) learn(ep *endpoint, now controlplane.Endpoint, condition controlplane.EndpointCondition, load bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if load && !ep.loaded {
		ep.condition, ep.loaded = condition, true
	}
	since := ep.known.EnabledAt
	if ep.known.Row == 0 {
		since = ep.condition.LastAttemptAt // before a restart
	}
	if ep.loaded && !since.IsZero() && now.EnabledAt.After(since) {
		ep.condition.Recover()
		ep.condition.PausedUntil, ep.condition.Told, ep.pauseTold = time.Time{}, time.Time{}, time.Time{}
		ep.breaker, ep.limit = breaker{}, e.limits.PerEndpoint
		e.touch(ep)
	} else if ep.known.Row != 0 && now.UpdatedAt.After(ep.known.UpdatedAt) && ep.breaker.open() {
		ep.breaker.probeAt = e.now() // perhaps it was mended by that
		e.touch(ep)
	}
	ep.known = now
}
