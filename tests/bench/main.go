// Command bench measures the gateway against bare reverse_proxy of the same
// binary: requests per second and CPU per request, as ratios of interleaved
// slices (A B A B …), so that a machine whose speed drifts does not favour one.
//
// CPU is what the operating system charged to the proxy's process. Both proxies
// run with one processor, GOGC=off and one memory limit: with the default
// collector the gate's larger heap would make it run less often and fake a win.
//
//	go run ./tests/bench [-rounds 7] [-slice 2s] [-write docs/performance.md]
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"
)

func main() {
	var o options
	flag.StringVar(&o.caddy, "caddy", "", "binary to measure; built from this checkout if empty")
	flag.IntVar(&o.rounds, "rounds", 7, "slices of each kind")
	flag.DurationVar(&o.slice, "slice", 2*time.Second, "length of a slice")
	flag.IntVar(&o.connections, "connections", 16, "keep-alive connections")
	flag.StringVar(&o.write, "write", "", "Markdown file whose measured sections are replaced")
	flag.BoolVar(&o.proxyOnly, "proxy-only", false, "leave out the Go benchmarks")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

type options struct {
	caddy       string
	rounds      int
	slice       time.Duration
	connections int
	write       string
	proxyOnly   bool
}

func run(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if o.caddy == "" {
		if o.caddy, err = build(ctx, dir); err != nil {
			return err
		}
	}
	report := newReport(o)
	if err := measureProxies(ctx, o, dir, report); err != nil {
		return err
	}
	if !o.proxyOnly {
		if err := goBenchmarks(ctx, report); err != nil {
			return err
		}
	}
	fmt.Print(report.text())
	if o.write == "" {
		return nil
	}
	return report.replaceIn(o.write)
}
