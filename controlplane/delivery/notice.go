package delivery

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

const (
	// An endpoint must have failed for failingFor before its merchant is told: a
	// restart of its server is no news. One that comes and goes is told of as one
	// outage, which is over when it has answered for recoveredFor.
	failingFor   = 5 * time.Minute
	recoveredFor = 30 * time.Minute

	// A pause of pauseNews or longer is told of, once in pauseAgain.
	pauseNews  = 5 * time.Minute
	pauseAgain = 24 * time.Hour

	// newsEvery is how often outages are looked through.
	newsEvery = 10 * time.Second
)

// news is what has been so for long enough to be told, and is not told yet.
func (e *Engine) news() (all []controlplane.EndpointNotice) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.now()
	for row, ep := range e.changed {
		open, told := ep.breaker.open(), !ep.condition.Told.IsZero()
		n := controlplane.EndpointNotice{Endpoint: ep.known, At: now}
		switch {
		case open == told:
			delete(e.changed, row)
			continue
		case ep.known.Row == 0:
			continue // after a restart, until its first attempt
		case open && now.Sub(ep.condition.FailingSince) >= failingFor:
			ep.condition.Told = ep.condition.FailingSince
			n.Kind, n.Since, n.Breaker = controlplane.NoticeEndpointFailing, ep.condition.Told, ep.breaker.why
		case !open && now.Sub(ep.closedAt) >= recoveredFor:
			n.Kind, n.Since = controlplane.NoticeEndpointRecovered, ep.condition.Told
			ep.condition.Told = time.Time{}
		default:
			continue
		}
		delete(e.changed, row)
		e.touch(ep)
		poke(e.recordNow) // perhaps nothing is attempted for long
		all = append(all, n)
	}
	return all
}

// notePause leaves word for the keeper. The lock is held.
func (e *Engine) notePause(ep *endpoint) {
	now := e.now()
	if ep.condition.PausedUntil.Sub(now) < pauseNews || now.Sub(ep.pauseTold) < pauseAgain {
		return
	}
	ep.pauseTold = now
	n := controlplane.EndpointNotice{Kind: controlplane.NoticeEndpointPaused, Endpoint: ep.known, At: now, PausedUntil: ep.condition.PausedUntil}
	e.chores.notices = append(e.chores.notices, n)
	poke(e.choreNow)
}

// note passes notices on; it reports whether one has to wait.
func (e *Engine) note(ctx context.Context, notices []controlplane.EndpointNotice) (failed bool) {
	for _, n := range notices {
		err := e.settings.Load().Operations.NoteEndpoint(ctx, n)
		if err == nil {
			e.log().Info("endpoint "+string(n.Kind), zap.String("merchant", n.Endpoint.MerchantID), zap.String("endpoint", n.Endpoint.ID))
			continue
		}
		failed = true
		e.again(ctx, "write a notice down", err, func() { e.chores.notices = append(e.chores.notices, n) })
	}
	return failed
}
