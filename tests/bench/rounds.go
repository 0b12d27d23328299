package main

import (
	"context"
	"fmt"
	"os"
	"time"
)

// subject is one of those who are measured in turn.
type subject struct {
	name string
	run  func(ctx context.Context, d time.Duration) (slice, error)
}

// takeTurns warms every subject up, and then runs slices of them in turn (A B C A B C
// …). The slices come by subject.
func takeTurns(ctx context.Context, o options, what string, subjects ...subject) ([][]slice, error) {
	out := make([][]slice, len(subjects))
	for round := range o.rounds + 1 {
		for i, s := range subjects {
			d := o.slice
			if round == 0 {
				d /= 4
			}
			fmt.Fprintf(os.Stderr, "\r\x1b[K%s: round %d of %d, %s", what, round, o.rounds, s.name)
			one, err := s.run(ctx, d)
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", what, s.name, err)
			}
			if round > 0 {
				out[i] = append(out[i], one)
			}
		}
	}
	fmt.Fprintln(os.Stderr)
	return out, ctx.Err()
}

// comparison is the slices of two subjects: what is asked about, and what it is
// compared with.
type comparison struct{ gated, bare []slice }

// ratios of a figure, pair by pair.
func (c comparison) ratios(figure func(slice) float64) []float64 {
	out := make([]float64, len(c.gated))
	for i := range out {
		out[i] = figure(c.gated[i]) / figure(c.bare[i])
	}
	return out
}

// noise is the spread of the bare proxy's own CPU per request over the run: what a
// ratio of two equal things would show.
func (c comparison) noise() float64 {
	low, high := c.bare[0].cpuEach(), c.bare[0].cpuEach()
	for _, s := range c.bare {
		low, high = min(low, s.cpuEach()), max(high, s.cpuEach())
	}
	return high/low - 1
}
