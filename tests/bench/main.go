// Command bench measures the gateway against bare reverse_proxy of the same
// binary, and against HAProxy and nginx that check the same: requests per second
// and CPU per request, as ratios of interleaved slices (A B A B …), so that a
// machine whose speed drifts does not favour one.
//
// CPU is what the operating system charged to the proxy's process. All run on one
// processor, Caddy with GOGC=off and one memory limit: with the default collector
// the gate's larger heap would make it run less often and fake a win.
//
// Webhooks are measured in the same way, against a bare loop of the HTTP client
// that sends them: backend, server and receivers share all processors.
//
//	go run ./tests/bench [-parts proxies,refusals,…] [-peers=false] [-rounds 7] [-slice 2s] [-write docs/performance.md]
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"
)

func main() {
	var o options
	flag.StringVar(&o.caddy, "caddy", "", "binary to measure; built from this checkout if empty")
	flag.StringVar(&o.stock, "stock", "", "binary without the profile for the part shipped; built if empty")
	flag.IntVar(&o.rounds, "rounds", 7, "slices of each kind")
	flag.DurationVar(&o.slice, "slice", 2*time.Second, "length of a slice")
	flag.IntVar(&o.connections, "connections", 16, "keep-alive connections")
	flag.StringVar(&o.write, "write", "", "Markdown file whose measured sections are replaced")
	flag.StringVar(&o.parts, "parts", "proxies,shipped,transport,refusals,flood,requestlog,delivery,fairness,recovery,postgres,redis,units", "what to measure")
	flag.BoolVar(&o.peers, "peers", true, "measure the proxies beside HAProxy and nginx, which are installed")
	flag.StringVar(&o.profile, "profile", profileFile, "where the part of that name, which -parts has to ask for, writes the CPU profile for the compiler")
	flag.StringVar(&o.only, "only", "", "of the ways to load the delivery, those whose name holds this text")
	loop := flag.String("loop", "", "be the bare loop of another bench, to receivers whose certificates the authority in this file signed")
	flag.StringVar(&o.note, "note", "", "what to say of the machine beside the figures")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := error(nil)
	if *loop != "" {
		err = serveLoop(ctx, *loop, os.Stdin, os.Stdout)
	} else {
		err = run(ctx, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

type options struct {
	caddy       string
	stock       string
	rounds      int
	slice       time.Duration
	connections int
	write       string
	parts       string
	only        string
	peers       bool
	profile     string
	note        string
}

func run(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if o.caddy == "" {
		if o.caddy, err = build(ctx, dir, "caddy", "-pgo="+profileFile); err != nil {
			return err
		}
	}
	report := newReport(o)
	for _, part := range strings.Split(o.parts, ",") {
		measure, known := measures()[part]
		if !known {
			return fmt.Errorf("-parts: there is no %q", part)
		}
		if err := measure(ctx, o, dir, report); err != nil {
			return fmt.Errorf("%s: %w", part, err)
		}
	}
	fmt.Print(report.text())
	if o.write == "" {
		return nil
	}
	return report.replaceIn(o.write)
}

func measures() map[string]func(context.Context, options, string, *report) error {
	return map[string]func(context.Context, options, string, *report) error{
		"proxies": measureProxies, "shipped": measureShipped, "transport": measureTransport, "refusals": measureRefusals, "flood": measureFlood, "profile": measureProfile,
		"requestlog": measureRequestLog, "delivery": measureDelivery, "fairness": measureFairness, "recovery": measureRecovery, "units": measureUnits,
		"postgres": withServers(measurePostgres), "redis": withServers(measureRedis),
	}
}
