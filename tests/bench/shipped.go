package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
)

// collectors are the settings of Go's collector that are tried.
var collectors = [...]string{"100", "200", "400", "800"}

// shippedCollector is the one in the systemd unit of docs/operating.md.
const shippedCollector = "400"

// measureShipped compares the gateway as it is shipped, by what its collector is set
// to, with Caddy as everybody gets it: bare, with Go's defaults, and built without our
// profile.
func measureShipped(ctx context.Context, o options, dir string, report *report) (err error) {
	upstream, stopUpstream, err := startUpstream()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopUpstream()) }()
	stock := o
	if stock.caddy, err = o.stockBuild(ctx, dir); err != nil {
		return err
	}
	field := []launch{shippedLaunch("stock-bare", bareSite, upstream, "100"), shippedLaunch("stock-gateway", gatedSite, upstream, shippedCollector)}
	for _, percent := range collectors {
		field = append(field, shippedLaunch("GOGC="+percent, gatedSite, upstream, percent))
	}
	var subjects []subject
	var servers []*server
	for i, l := range field {
		from := o
		if i < 2 {
			from = stock
		}
		s, err := l.start(ctx, from, dir)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.stop()) }()
		load := new(loader)
		who, err := s.credentials(ctx, "test")
		if err == nil {
			load, err = newLoader(who, o.connections)
		}
		if err != nil {
			return err
		}
		servers, subjects = append(servers, s), append(subjects, load.subjects(512, s)...)
	}
	all, err := takeTurns(ctx, o, "shipped", subjects...)
	if err != nil {
		return err
	}
	rows := "| the gateway with | CPU per request, to stock bare Caddy | requests/s, to stock bare Caddy | µs | stock µs | req/s | stock req/s | noise | memory at most, MiB |\n|---|---|---|---:|---:|---:|---:|---|---:|\n"
	for i := range all {
		memory, err := servers[i].memory()
		if err != nil {
			return err
		}
		name := strings.Replace(field[i].name, "stock-gateway", "GOGC="+shippedCollector+", without the profile", 1)
		rows += comparison{all[i], all[0]}.row(name) + fmt.Sprintf(" %d |\n", memory>>20)
	}
	report.add("shipped", fmt.Sprintf("%d rounds of %s each in turn, %d connections, 512 B; proxy on one core, load and upstream on the rest.", o.rounds, o.slice, o.connections), rows)
	return nil
}

func shippedLaunch(name, site, upstream, gogc string) launch {
	return launch{
		name: name, site: fmt.Sprintf(site, upstream),
		prefix: []string{"taskset", "-c", "0"}, env: []string{"GOMAXPROCS=1", "GOGC=" + gogc},
	}
}

// memory is the most that the process had, in bytes.
func (s *server) memory() (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	var kib int64
	_, err = fmt.Sscan(rest, &kib)
	return kib << 10, err
}

// stockBuild is without the profile. A binary that was given with -caddy may have one.
func (o options) stockBuild(ctx context.Context, dir string) (string, error) {
	if o.stock != "" {
		return o.stock, nil
	}
	return build(ctx, dir, "stock", "-pgo=off")
}
