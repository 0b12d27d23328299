package caddymodule

import (
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// parsePortal reads the directive, which has neither arguments nor options:
//
//	merchant_portal [<matcher>]
func parsePortal(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h.Next()
	if h.NextArg() {
		return nil, h.Errf("merchant_portal takes no argument; %q is one", h.Val())
	}
	if h.NextBlock(0) {
		return nil, h.Errf("merchant_portal has no options; how people sign in is said by accounts in the merchants block")
	}
	return new(MerchantPortal), nil
}

// readAccounts reads the block of the merchants app:
//
//	accounts {
//		require_second_factor
//		password_life <duration>
//	}
func readAccounts(d *caddyfile.Dispenser) (*AccountRules, error) {
	r := new(AccountRules)
	if d.NextArg() {
		return nil, d.ArgErr()
	}
	return r, readBlock(d, "accounts", options{
		"require_second_factor": func(d *caddyfile.Dispenser) error { return readFlag(d, &r.RequireSecondFactor) },
		"password_life":         func(d *caddyfile.Dispenser) error { return readDuration(d, &r.PasswordLife) },
	})
}
