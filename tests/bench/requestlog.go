package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
)

// logged is a gateway with the request log as it is by default, or off, and what
// loads it.
type logged struct {
	*server
	load *loader
}

func startLogged(ctx context.Context, o options, dir, name, merchants, upstream string) (l logged, err error) {
	launched := launch{
		name: name, site: fmt.Sprintf(gatedSite, upstream), merchants: merchants,
		prefix: []string{"taskset", "-c", "0"}, env: []string{"GOMAXPROCS=1", "GOGC=off", "GOMEMLIMIT=512MiB"},
	}
	if l.server, err = launched.start(ctx, o, dir); err != nil {
		return l, err
	}
	if l.load, err = newLoader(ctx, l.server, o.connections); err != nil {
		return l, errors.Join(err, l.stop())
	}
	return l, nil
}

// measureRequestLog fills the report with the log on against the log off, for
// requests that pass and for a flood of refusals of one merchant.
func measureRequestLog(ctx context.Context, o options, dir string, report *report) (err error) {
	upstream, stopUpstream, err := startUpstream()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopUpstream()) }()
	on, err := startLogged(ctx, o, dir, "log-on", "", upstream)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, on.stop()) }()
	off, err := startLogged(ctx, o, dir, "log-off", "\t\trequest_log off", upstream)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, off.stop()) }()
	var rows strings.Builder
	for _, kind := range []struct {
		name string
		late bool
	}{{"all pass", false}, {"all refused", true}} {
		on.load.late, off.load.late = kind.late, kind.late
		c, err := compareLogged(ctx, o, kind.name, on, off)
		if err != nil {
			return fmt.Errorf("%s: %w", kind.name, err)
		}
		rows.WriteString(c.row(kind.name) + "\n")
	}
	how := fmt.Sprintf("%d rounds of %s each in turn, %d connections, no body; gateway on one core, load and upstream on the rest.", o.rounds, o.slice, o.connections)
	head := strings.NewReplacer("| body |", "| requests |", "gated ÷ bare", "on ÷ off", "gated µs", "on µs", "bare µs", "off µs", "gated req/s", "on req/s", "bare req/s", "off req/s")
	report.add("requestlog", how, head.Replace(proxyHead)+rows.String())
	return nil
}

func compareLogged(ctx context.Context, o options, name string, on, off logged) (c comparison, err error) {
	run := func(l logged) slice {
		if err != nil {
			return slice{}
		}
		var s slice
		s, err = l.load.run(ctx, l.server, 0, o.slice)
		return s
	}
	run(on) // warm up
	run(off)
	for i := range o.rounds {
		fmt.Fprintf(os.Stderr, "\r%s: round %d of %d", name, i+1, o.rounds)
		c.gated, c.bare = append(c.gated, run(on)), append(c.bare, run(off))
	}
	fmt.Fprintln(os.Stderr)
	return c, errors.Join(err, ctx.Err())
}
