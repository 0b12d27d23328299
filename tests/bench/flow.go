package main

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"
)

// maxFlow is how many events a slice has at most.
const maxFlow = 400_000

// flow is one slice of events on their way from a backend to the receivers.
type flow struct {
	start time.Time
	// When each event was sent and answered by the backend, and arrived at its
	// receiver: nanoseconds since start, 0 if it has not happened.
	sent, answered, arrived []atomic.Int64
	arrivals, twice         atomic.Int64
}

func newFlow() *flow {
	return &flow{start: time.Now(), sent: make([]atomic.Int64, maxFlow), answered: make([]atomic.Int64, maxFlow), arrived: make([]atomic.Int64, maxFlow)}
}

func (f *flow) now() int64 { return max(1, time.Since(f.start).Nanoseconds()) }

func (f *flow) arrive(n int64) {
	if n < 0 || n >= maxFlow {
		return // of the bare loop
	}
	if !f.arrived[n].CompareAndSwap(0, f.now()) {
		f.twice.Add(1)
		return
	}
	f.arrivals.Add(1)
}

// patience is how long a slice waits for the last events to arrive.
const patience = 2 * time.Minute

// await waits for the first n events.
func (f *flow) await(ctx context.Context, n int64) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for f.arrivals.Load() < n {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d of %d events arrived", f.arrivals.Load(), n)
		case <-time.After(time.Millisecond):
		}
	}
	if twice := f.twice.Load(); twice > 0 {
		return fmt.Errorf("%d events arrived twice", twice)
	}
	return nil
}

// passage is what one slice of events came to.
type passage struct {
	events int64
	// wall is until the last arrival, intake until the last answer.
	wall, intake time.Duration
	cpu          time.Duration
	written      int64
	// answer is from a request to its answer, whole from the request to the arrival,
	// commit from the answer to the arrival. Each is sorted.
	answer, whole, commit []time.Duration
}

func (p passage) perSecond() float64  { return float64(p.events) / p.wall.Seconds() }
func (p passage) intakeRate() float64 { return float64(p.events) / p.intake.Seconds() }

// cpuMillis is the server's, for 1,000 events.
func (p passage) cpuMillis() float64 {
	return 1000 * float64(p.cpu.Milliseconds()) / float64(p.events)
}

// writtenKB is what the server wrote to its disk, for one event.
func (p passage) writtenKB() float64 { return float64(p.written) / 1000 / float64(p.events) }

// passed reads the times of the first n events.
func (f *flow) passed(n int64) (p passage) {
	p.events = n
	for i := range n {
		sent, answered, arrived := f.sent[i].Load(), f.answered[i].Load(), f.arrived[i].Load()
		p.intake = max(p.intake, time.Duration(answered))
		p.wall = max(p.wall, time.Duration(arrived), time.Duration(answered))
		p.answer = append(p.answer, time.Duration(answered-sent))
		if arrived == 0 {
			continue // nobody was to be told
		}
		p.whole = append(p.whole, time.Duration(arrived-sent))
		// The backend may still be reading its answer when the webhook is there.
		p.commit = append(p.commit, time.Duration(max(0, arrived-answered)))
	}
	for _, all := range [][]time.Duration{p.answer, p.whole, p.commit} {
		slices.Sort(all)
	}
	return p
}

// quantile of sorted durations, in milliseconds.
func quantile(sorted []time.Duration, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return float64(sorted[int(q*float64(len(sorted)-1))].Microseconds()) / 1000
}
