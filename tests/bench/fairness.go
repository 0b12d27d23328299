package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"
)

const (
	// backlog waits for the endpoint that hangs, failing for each of those that
	// answer 503.
	backlog = 50_000
	failing = 1_000
	bads    = 10
	// healthyRate is of the events for the healthy endpoint, a second.
	healthyRate = 500
	// turns is how many short slices make one round: the shorter they are, the more
	// of the same noise both servers see.
	turns = 4
)

// measureFairness asks what dead endpoints cost a healthy one: two servers, one of
// them with nothing but it.
func measureFairness(ctx context.Context, o options, dir string, report *report) (err error) {
	receivers, err := startReceivers(dir, 2+bads)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, receivers.server.Close()) }()
	var labs [2]*lab
	for i, name := range []string{"calm", "troubled"} {
		l, err := newLab(ctx, o, dir, name, receivers)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, l.server.stop()) }()
		m, err := l.add(ctx, receivers.urls[0]+pathGood)
		if err != nil {
			return err
		}
		l.merchants, labs[i] = []string{m}, l
	}
	if err := labs[1].trouble(ctx); err != nil {
		return err
	}
	text, err := compareLabs(ctx, o, labs)
	how := fmt.Sprintf("%d rounds of %d slices of %s for each in turn, %d events/s to a healthy endpoint.", o.rounds, turns, o.slice, healthyRate)
	report.add("fairness", how, text)
	return err
}

// trouble fills the database with events for endpoints that take none.
func (l *lab) trouble(ctx context.Context) error {
	for i, url := range l.receivers.urls[1:] {
		path, n := pathBad, failing
		if i == 0 {
			path, n = pathDead, backlog
		}
		m, err := l.add(ctx, url+path)
		if err != nil {
			return err
		}
		for range n / failing {
			f := newFlow()
			if _, err := l.backend(kind{conns: 1, batch: failing, rate: 1}, []string{m}).send(ctx, f, 1); err != nil {
				return err
			}
		}
	}
	return nil
}

func compareLabs(ctx context.Context, o options, labs [2]*lab) (string, error) {
	k := kind{endpoints: 1, rate: healthyRate, conns: 16}
	var all [2][]time.Duration
	var ratios []float64
	for round := range o.rounds + 1 {
		fmt.Fprintf(os.Stderr, "\rfairness: round %d of %d", round, o.rounds)
		var now [2][]time.Duration
		for turn := range 2 * turns {
			p, err := labs[turn%2].pass(ctx, k)
			if err != nil {
				return "", fmt.Errorf("%s: %w", labs[turn%2].server.name, err)
			}
			now[turn%2] = append(now[turn%2], p.whole...)
		}
		if round == 0 {
			continue // it warms up
		}
		ratios = append(ratios, p99(now[1])/p99(now[0]))
		all[0], all[1] = append(all[0], now[0]...), append(all[1], now[1]...)
	}
	fmt.Fprintln(os.Stderr)
	rows := "| a healthy endpoint's events, request to arrival | p50 ms | p95 ms | p99 ms |\n|---|---:|---:|---:|\n"
	for i, name := range []string{"alone", fmt.Sprintf("beside one endpoint that hangs with %d events waiting, and %d that answer 503", backlog, bads)} {
		slices.Sort(all[i])
		rows += fmt.Sprintf("| %s | %.1f | %.1f | %.1f |\n", name, quantile(all[i], 0.5), quantile(all[i], 0.95), quantile(all[i], 0.99))
	}
	return rows + fmt.Sprintf("\np99 with to without: %s by rounds, **%.2f** over all.\n", spread(ratios), p99(all[1])/p99(all[0])), nil
}

func p99(all []time.Duration) float64 {
	slices.Sort(all)
	return quantile(all, 0.99)
}
