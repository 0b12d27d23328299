package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/unknownpay/merchant-gateway/controlplane/signature"
)

// sizes of bodies in bytes, and what they are called.
var sizes = [...]struct {
	name  string
	bytes int
}{{"no body", 0}, {"512 B", 512}, {"64 KiB", 64 << 10}, {"1 MiB", 1 << 20}}

// measureProxies fills the report with gated against bare.
func measureProxies(ctx context.Context, o options, dir string, report *report) (err error) {
	upstream, stopUpstream, err := startUpstream()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopUpstream()) }()
	gated, err := startProxy(ctx, o, dir, "gated", gatedSite, upstream)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, gated.stop()) }()
	bare, err := startProxy(ctx, o, dir, "bare", bareSite, upstream)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, bare.stop()) }()
	load, err := newLoader(ctx, gated, o.connections)
	if err != nil {
		return err
	}
	var rows strings.Builder
	for _, size := range sizes {
		c, err := compare(ctx, o, load, gated, bare, size.bytes)
		if err != nil {
			return fmt.Errorf("%s: %w", size.name, err)
		}
		rows.WriteString(c.row(size.name) + "\n")
	}
	how := fmt.Sprintf("%d rounds of %s each in turn, %d connections; proxy on one core, load and upstream on the rest; GOGC=off, GOMEMLIMIT=512MiB.", o.rounds, o.slice, o.connections)
	report.add("proxies", how, proxyHead+rows.String())
	return nil
}

func newLoader(ctx context.Context, gated *server, conns int) (*loader, error) {
	keyID, secret, err := gated.credentials(ctx)
	if err != nil {
		return nil, err
	}
	key, err := signature.NewMACKey([]byte(secret))
	return &loader{keyID: keyID, key: key, conns: conns}, err
}

// comparison is the slices of two proxies, in turn.
type comparison struct{ gated, bare []slice }

func compare(ctx context.Context, o options, load *loader, gated, bare *server, size int) (comparison, error) {
	var c comparison
	for _, p := range []*server{gated, bare} { // warm up
		if _, err := load.run(ctx, p, size, o.slice/4); err != nil {
			return c, fmt.Errorf("%s: %w", p.name, err)
		}
	}
	for i := range o.rounds {
		fmt.Fprintf(os.Stderr, "\r%d bytes: round %d of %d", size, i+1, o.rounds)
		g, err := load.run(ctx, gated, size, o.slice)
		if err != nil {
			return c, fmt.Errorf("gated: %w", err)
		}
		b, err := load.run(ctx, bare, size, o.slice)
		if err != nil {
			return c, fmt.Errorf("bare: %w", err)
		}
		c.gated, c.bare = append(c.gated, g), append(c.bare, b)
	}
	fmt.Fprintln(os.Stderr)
	return c, ctx.Err()
}

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
