package delivery

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

const (
	// How long payloads, attempts and the bodies of answers are kept.
	keepPayloads = 90 * 24 * time.Hour
	keepAttempts = 30 * 24 * time.Hour
	keepBodies   = 7 * 24 * time.Hour

	// slice is how many rows one transaction deletes or moves: others wait for the
	// writer meanwhile.
	slice = 1000
	// purgeEvery is how often the retention, and the memory of idle endpoints, are
	// looked through.
	purgeEvery = time.Hour
	// forgetAfter is how long an idle endpoint is remembered.
	forgetAfter = 10 * time.Minute
	// chorePatience is how long a chore waits that failed.
	chorePatience = 5 * time.Second
)

// chores are what the keeper has to do. The engine's lock guards them.
type chores struct {
	// settle are endpoints that may have been disabled or deleted.
	settle  map[int64]bool
	disable []disabling
	notices []controlplane.EndpointNotice
	replays bool
}

type disabling struct {
	controlplane.DisableEndpoint
	row int64
}

func newChores() chores { return chores{settle: map[int64]bool{}, replays: true} }

// keep does what must not hold up deliveries, until ctx ends.
func (e *Engine) keep(ctx context.Context) {
	purge := time.NewTicker(purgeEvery)
	defer purge.Stop()
	news := time.NewTicker(newsEvery)
	defer news.Stop()
	poke(e.choreNow)
	for {
		select {
		case <-e.choreNow:
			e.work(ctx)
		case <-purge.C:
			e.purge(ctx)
			e.forgetIdle()
		case <-news.C:
			e.note(ctx, e.news())
		case <-ctx.Done():
			return
		}
	}
}

// work does every chore there is. One that fails is tried again later.
func (e *Engine) work(ctx context.Context) {
	e.mu.Lock()
	todo := e.chores
	e.chores = newChores()
	e.chores.replays = false
	e.mu.Unlock()
	for _, in := range todo.disable {
		e.carryOut(ctx, in)
	}
	failed := false
	for row := range todo.settle {
		if err := e.settle(ctx, row); err != nil {
			failed = true
			e.again(ctx, "settle the deliveries of an endpoint", err, func() { e.chores.settle[row] = true })
		}
	}
	if todo.replays {
		more, err := e.settings.Load().Operations.StepReplays(ctx)
		if more || err != nil {
			failed = failed || err != nil
			e.again(ctx, "carry a bulk replay on", err, func() { e.chores.replays = true })
		}
	}
	if e.note(ctx, todo.notices) || failed {
		sleep(ctx, chorePatience)
	}
}

// again puts a chore back.
func (e *Engine) again(ctx context.Context, what string, err error, put func()) {
	if err != nil && ctx.Err() == nil {
		e.log().Error(what, zap.Error(err))
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	put()
	poke(e.choreNow)
}

// carryOut disables an endpoint. If it cannot, the next failed attempt asks again.
func (e *Engine) carryOut(ctx context.Context, in disabling) {
	_, err := e.settings.Load().Operations.DisableEndpoint(ctx, controlplane.DeliveryActor(), in.DisableEndpoint)
	// Whatever became of it, the endpoint has to be looked at anew.
	e.Wake(in.row, in.MerchantID)
	switch controlplane.CodeOf(err) {
	case controlplane.CodeConflict:
		e.relearn(in.row, in.MerchantID) // somebody was faster, or reaches it
		return
	case controlplane.CodeNotFound:
		return
	}
	if err != nil {
		e.log().Error("disable an endpoint", zap.String("endpoint", in.EndpointID), zap.Error(err))
	}
}

// relearn has the condition read again before the next attempt, with the newest
// success of any engine.
func (e *Engine) relearn(row int64, merchantID string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.endpoint(row, merchantID).loaded = false
}

// settle holds or cancels what waits for an endpoint that was stopped.
func (e *Engine) settle(ctx context.Context, row int64) error {
	for {
		var n int64
		err := e.store.Update(controlplane.Concurrent(ctx), func(tx controlplane.Tx) (err error) {
			n, err = tx.SettleStopped(ctx, row, e.now(), slice)
			return err
		})
		if err != nil || n == 0 {
			return err
		}
	}
}

// purge deletes what is old.
func (e *Engine) purge(ctx context.Context) {
	type step func(controlplane.Tx, context.Context, controlplane.Purge) (controlplane.Purged, error)
	for _, p := range []struct {
		what string
		keep time.Duration
		step step
	}{
		{"the bodies of answers", keepBodies, controlplane.Tx.PurgeResponseBodies},
		{"attempts", keepAttempts, controlplane.Tx.PurgeAttempts},
		{"events", keepPayloads, controlplane.Tx.PurgeEvents},
		{"the health of endpoints", keepPayloads, controlplane.Tx.PurgeHealth},
	} {
		if err := e.purgeAll(ctx, p.keep, p.step); err != nil && ctx.Err() == nil {
			e.log().Error("delete old "+p.what, zap.Error(err))
		}
	}
}

func (e *Engine) purgeAll(ctx context.Context, keep time.Duration, step func(controlplane.Tx, context.Context, controlplane.Purge) (controlplane.Purged, error)) error {
	next := controlplane.Purge{Before: e.now().Add(-keep), Limit: slice}
	for {
		var done controlplane.Purged
		err := e.store.Update(controlplane.Concurrent(ctx), func(tx controlplane.Tx) (err error) {
			done, err = step(tx, ctx, next)
			return err
		})
		if err != nil || !done.More {
			return err
		}
		next.After = done.Last
	}
}

// forgetIdle bounds the memory by the endpoints in use.
func (e *Engine) forgetIdle() {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.now()
	for row, ep := range e.endpoints {
		if ep.idle(now) && e.dirty[row] == nil {
			delete(e.endpoints, row)
		}
	}
}
