package main

import (
	"context"
	"fmt"
)

// Both sites have an access log, so that the fields of the gateway are made; the
// servers write no log, so that it does not hide what they cost.
const gatedSite = `
	log
	merchant_auth test
	reverse_proxy %s`

const bareSite = `
	log
	reverse_proxy %s`

// startProxy runs Caddy on one processor, with the collector off up to a limit
// that both kinds share.
func startProxy(ctx context.Context, o options, dir, name, site, upstream string) (*server, error) {
	return launch{
		name: name, site: fmt.Sprintf(site, upstream),
		prefix: []string{"taskset", "-c", "0"}, env: []string{"GOMAXPROCS=1", "GOGC=off", "GOMEMLIMIT=512MiB"},
	}.start(ctx, o, dir)
}
