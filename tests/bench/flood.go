package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"
)

// pace is of the requests that must pass while a flood is refused, a second.
const pace = 500

// measureFlood asks what a flood of refusals at full speed costs those who pass.
func measureFlood(ctx context.Context, o options, dir string, report *report) (err error) {
	r := &refusing{}
	defer func() { err = errors.Join(err, r.stop()) }()
	if err := r.open(ctx, o, dir); err != nil {
		return err
	}
	kinds := []struct {
		name string
		load *loader
	}{
		{"", r.live}, {"unknown key", r.live.with(faultKey)}, {"address not listed", r.live.with(faultAddress)},
		{"wrong signature, live key", r.live.with(faultSignature)}, {"wrong signature, test key", r.test.with(faultSignature)},
	}
	waits, refused := make([][]float64, len(kinds)), make([]float64, len(kinds))
	for round := range o.rounds + 1 {
		for i, k := range kinds {
			fmt.Fprintf(os.Stderr, "\r\x1b[Kflood: round %d of %d, %s", round, o.rounds, k.name)
			p99, perSecond, err := r.flooded(ctx, o, k.load, k.name != "")
			if err != nil {
				return fmt.Errorf("%s: %w", k.name, err)
			}
			if round > 0 {
				waits[i], refused[i] = append(waits[i], p99), refused[i]+perSecond/float64(o.rounds)
			}
		}
	}
	fmt.Fprintln(os.Stderr)
	rows := "| flood of | refused/s | passed, p99 ms | p99 alone, ms | ratio |\n|---|---:|---:|---:|---|\n"
	for i := 1; i < len(kinds); i++ {
		rows += fmt.Sprintf("| %s | %.0f | %.2f | %.2f | %s |\n", kinds[i].name, refused[i], median(waits[i]), median(waits[0]), spread(quotients(waits[i], waits[0])))
	}
	report.add("flood", fmt.Sprintf("%d rounds of %s each in turn; %d requests/s that pass, 512 B, over %d connections, beside %d connections whose requests are refused; gateway on one core, load and upstream on the rest.",
		o.rounds, o.slice, pace, o.connections, o.connections), rows)
	return nil
}

func quotients(a, b []float64) []float64 {
	out := make([]float64, len(a))
	for i := range out {
		out[i] = a[i] / b[i]
	}
	return out
}

// flooded sends requests that pass, at their pace, and as many of the flood as go.
func (r *refusing) flooded(ctx context.Context, o options, flood *loader, with bool) (p99ms, refusedPerSecond float64, err error) {
	var all sync.WaitGroup
	var refused slice
	var floodErr error
	if with {
		all.Go(func() { refused, floodErr = flood.run(ctx, r.server, 512, o.slice) })
	}
	times, err := r.live.paced(ctx, r.server, o.slice)
	all.Wait()
	if err = errors.Join(err, floodErr); err != nil {
		return 0, 0, err
	}
	if with {
		refusedPerSecond = refused.perSecond()
	}
	return quantile(times, 0.99), refusedPerSecond, nil
}

// paced sends requests when their time has come, and returns how long after it each
// was answered.
func (l *loader) paced(ctx context.Context, s *server, d time.Duration) ([]time.Duration, error) {
	var all sync.WaitGroup
	times, errs := make([][]time.Duration, l.conns), make([]error, l.conns)
	one := *l
	one.rate = pace
	interval := one.interval()
	start := time.Now()
	for i := range l.conns {
		all.Go(func() {
			first := start.Add(interval * time.Duration(i) / time.Duration(l.conns))
			times[i], errs[i] = l.pacedConnection(ctx, s.addr, first, start.Add(d), interval)
		})
	}
	all.Wait()
	sorted := slices.Concat(times...)
	slices.Sort(sorted)
	return sorted, errors.Join(errs...)
}

func (l *loader) pacedConnection(ctx context.Context, addr string, due, end time.Time, interval time.Duration) (times []time.Duration, err error) {
	w, err := l.open(addr, newLoad(512))
	if err != nil {
		return nil, err
	}
	defer w.Close()
	for ; due.Before(end) && ctx.Err() == nil; due = due.Add(interval) {
		time.Sleep(time.Until(due))
		if err := w.exchange(); err != nil {
			return nil, err
		}
		times = append(times, time.Since(due))
	}
	return times, ctx.Err()
}
