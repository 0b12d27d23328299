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
	return new(MerchantPortal), readBare(h, "how people sign in is said by accounts in the merchants block")
}

// parseConsole reads the directive, which has neither arguments nor options:
//
//	merchant_console [<matcher>]
func parseConsole(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	return new(MerchantConsole), readBare(h, "staff always signs in with a second factor")
}

// readBare reads a directive that has nothing to choose; instead says why.
func readBare(h httpcaddyfile.Helper, instead string) error {
	h.Next()
	name := h.Val()
	if h.NextArg() {
		return h.Errf("%s takes no argument; %q is one", name, h.Val())
	}
	if h.NextBlock(0) {
		return h.Errf("%s has no options; %s", name, instead)
	}
	return nil
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
