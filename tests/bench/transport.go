package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

const fastSite = `
	merchant_auth test
	reverse_proxy %s {
		transport merchant_upstream
	}`

const fastBareSite = `
	reverse_proxy %s {
		transport merchant_upstream
	}`

// measureTransport fills the report with the gateway on its own transport against
// bare reverse_proxy on Caddy's, and with bare against bare, which is what the
// transport alone makes of it.
func measureTransport(ctx context.Context, o options, dir string, report *report) (err error) {
	upstream, stopUpstream, err := startUpstream()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopUpstream()) }()
	proxies := map[string]*server{}
	for name, site := range map[string]string{"fast": fastSite, "fast-bare": fastBareSite, "stock": bareSite} {
		if proxies[name], err = startProxy(ctx, o, dir, name, site, upstream); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, proxies[name].stop()) }()
	}
	load, err := newLoader(ctx, proxies["fast"], o.connections)
	if err != nil {
		return err
	}
	var rows strings.Builder
	for _, kind := range []struct{ name, is string }{{"fast", "gated"}, {"fast-bare", "not gated"}} {
		for _, size := range sizes {
			c, err := compare(ctx, o, load, proxies[kind.name], proxies["stock"], size.bytes)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", kind.name, size.name, err)
			}
			rows.WriteString(c.row(kind.is+", "+size.name) + "\n")
		}
	}
	how := fmt.Sprintf("%d rounds of %s each in turn, %d connections; proxy on one core, load and upstream on the rest; GOGC=off, GOMEMLIMIT=512MiB.", o.rounds, o.slice, o.connections)
	head := strings.NewReplacer("gated ÷ bare", "merchant_upstream ÷ stock bare", "gated µs", "µs", "bare µs", "stock µs", "gated req/s", "req/s", "bare req/s", "stock req/s")
	report.add("transport", how, head.Replace(proxyHead)+rows.String())
	return nil
}
