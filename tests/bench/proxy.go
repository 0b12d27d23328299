package main

import (
	"context"
	"fmt"
)

const gatedSite = `
	merchant_auth test
	reverse_proxy %s`

const bareSite = `
	reverse_proxy %s`

// startProxy runs Caddy on one processor, with the collector off up to a limit
// that both kinds share.
func startProxy(ctx context.Context, o options, dir, name, site, upstream string) (*server, error) {
	return launch{
		name: name, site: fmt.Sprintf(site, upstream),
		prefix: []string{"taskset", "-c", "0"}, env: []string{"GOMAXPROCS=1", "GOGC=off", "GOMEMLIMIT=512MiB"},
	}.start(ctx, o, dir)
}
