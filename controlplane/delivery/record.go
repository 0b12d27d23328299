package delivery

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

const (
	// maxRecords is how many outcomes one transaction writes, and maxWaiting how many
	// may wait for it before attempts do: in front of a transaction that takes a batch
	// of events in, some wait.
	maxRecords = 512
	maxWaiting = 2048
	// recordLinger is how long the first outcome waits for others. Nobody waits for
	// it, and a transaction of its own for each took half of the processor time of a
	// delivery where there are few. A process that is killed forgets as much, and
	// sends it again.
	recordLinger = 10 * time.Millisecond
	// rollUpEvery is how often conditions and counts are written; a crash loses at
	// most what was counted since.
	rollUpEvery = time.Second
	// recordPatience is the longest wait between two tries to write.
	recordPatience = 5 * time.Second
)

// outcome is what the recorder writes: an attempt, or the release of a claim.
type outcome struct {
	o        controlplane.AttemptOutcome
	released bool
}

// record writes outcomes until the results are closed and everything is written.
// Whatever waits when a transaction ends goes into the next one.
func (e *Engine) record() {
	defer close(e.recorder)
	rollUp := time.NewTimer(rollUpEvery)
	rollUp.Stop()
	defer rollUp.Stop()
	armed := false
	for open := true; open; {
		var batch []outcome
		flush := false
		select {
		case o, ok := <-e.results:
			if open = ok; ok {
				batch = append(batch, o)
			}
		case <-e.recordNow:
		case <-rollUp.C:
			flush = true
		}
		if len(batch) > 0 && !flush {
			batch, open = e.linger(batch)
		}
		batch = e.drain(batch)
		if len(batch) > 0 {
			e.write(batch)
		}
		switch {
		case flush || !open:
			armed = false
			e.writeHealth()
		case !armed && e.rollUpDue():
			// Not again for what comes until then: a steady flow would put it off for ever.
			armed = true
			rollUp.Reset(rollUpEvery)
		}
	}
}

// linger waits for outcomes to go with the first; open is false if there will be no
// more.
func (e *Engine) linger(batch []outcome) (_ []outcome, open bool) {
	over := time.NewTimer(recordLinger)
	defer over.Stop()
	for len(batch) < maxRecords {
		select {
		case o, ok := <-e.results:
			if !ok {
				return batch, false
			}
			batch = append(batch, o)
		case <-over.C:
			return batch, true
		}
	}
	return batch, true
}

// drain adds what waits, without waiting for more.
func (e *Engine) drain(batch []outcome) []outcome {
	e.mu.Lock()
	for _, c := range e.release {
		batch = append(batch, outcome{released: true, o: controlplane.AttemptOutcome{Claim: c}})
	}
	e.release = nil
	e.mu.Unlock()
	for len(batch) < maxRecords {
		select {
		case o, ok := <-e.results:
			if !ok {
				return batch
			}
			batch = append(batch, o)
		default:
			return batch
		}
	}
	return batch
}

// write does not give up while the engine runs: an attempt that was made must be
// written down, or it is made again. When the engine stops, the store may be gone
// for good; the claims are then recovered by the next start.
func (e *Engine) write(batch []outcome) {
	ctx := context.Background()
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, recordPatience) {
		err := e.store.Update(controlplane.Concurrent(ctx), func(tx controlplane.Tx) error { return writeOutcomes(ctx, tx, batch) })
		if err == nil {
			break
		}
		e.log().Error("write delivery attempts", zap.Int("attempts", len(batch)), zap.Error(err))
		if e.attemptContext.Err() != nil || !sleep(e.attemptContext, wait) {
			return
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, b := range batch {
		if e.running && (b.released || b.o.State == controlplane.DeliveryPending) {
			e.waits(b)
		}
	}
}

// waits notes a delivery that waits in the store again. Its endpoint may have been
// disabled while it was out, and what waited for it settled without it.
func (e *Engine) waits(b outcome) {
	c, at := b.o.Claim, b.o.NextAt
	if b.released {
		at = e.now()
	}
	e.wake(c.EndpointRow, c.MerchantID, c.Lane, at)
	if ep := e.endpoint(c.EndpointRow, c.MerchantID); ep.stale || ep.loading || ep.condemned || ep.known.State != controlplane.EndpointEnabled {
		e.settleSoon(ep.row)
	}
}

// writeOutcomes ignores claims whose lease was lost: whoever has it now tells.
func writeOutcomes(ctx context.Context, tx controlplane.Tx, batch []outcome) (err error) {
	for _, b := range batch {
		if b.released {
			_, err = tx.ReleaseDelivery(ctx, b.o.Claim)
		} else {
			_, err = tx.FinishAttempt(ctx, b.o)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
