package main

import (
	"context"
	"errors"
	"fmt"
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
	who, err := l.credentials(ctx, "test")
	if err == nil {
		l.load, err = newLoader(who, o.connections)
	}
	if err != nil {
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
		name  string
		fault fault
		rate  int
	}{{"all pass", faultNone, 0}, {"all refused", faultLate, refusalRate}} {
		on.load.fault, on.load.rate = kind.fault, kind.rate
		off.load.fault, off.load.rate = kind.fault, kind.rate
		all, err := takeTurns(ctx, o, kind.name, on.load.subjects(0, on.server)[0], off.load.subjects(0, off.server)[0])
		if err != nil {
			return err
		}
		rows.WriteString(comparison{all[0], all[1]}.row(kind.name) + "\n")
	}
	how := fmt.Sprintf("%d rounds of %s each in turn, %d connections, no body, refused ones at %d requests/s; gateway on one core, load and upstream on the rest.", o.rounds, o.slice, o.connections, refusalRate)
	head := strings.NewReplacer("| body |", "| requests |", "gated ÷ bare", "on ÷ off", "gated µs", "on µs", "bare µs", "off µs", "gated req/s", "on req/s", "bare req/s", "off req/s")
	report.add("requestlog", how, head.Replace(proxyHead)+rows.String())
	return nil
}
