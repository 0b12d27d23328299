package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

const fastSite = `
	log
	merchant_auth test
	reverse_proxy %s {
		transport merchant_upstream
	}`

const fastBareSite = `
	log
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
	who, err := proxies["fast"].credentials(ctx, "test")
	if err != nil {
		return err
	}
	load, err := newLoader(who, o.connections)
	if err != nil {
		return err
	}
	var gated, bare strings.Builder
	for _, size := range sizes {
		all, err := takeTurns(ctx, o, size.name, load.subjects(size.bytes, proxies["fast"], proxies["fast-bare"], proxies["stock"])...)
		if err != nil {
			return err
		}
		gated.WriteString(comparison{all[0], all[2]}.row("gated, "+size.name) + "\n")
		bare.WriteString(comparison{all[1], all[2]}.row("not gated, "+size.name) + "\n")
	}
	how := fmt.Sprintf("%d rounds of %s each in turn, %d connections; proxy on one core, load and upstream on the rest; GOGC=off, GOMEMLIMIT=512MiB.", o.rounds, o.slice, o.connections)
	head := strings.NewReplacer("gated ÷ bare", "merchant_upstream ÷ stock bare", "gated µs", "µs", "bare µs", "stock µs", "gated req/s", "req/s", "bare req/s", "stock req/s")
	report.add("transport", how, head.Replace(proxyHead)+gated.String()+bare.String())
	return nil
}
