// Command caddy is Caddy with its standard modules and the merchant gateway. It
// is what xcaddy builds, for those who would rather call go build.
package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/unknownpay/merchant-gateway/caddymodule"
)

func main() { caddycmd.Main() }
