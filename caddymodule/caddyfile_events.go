package caddymodule

import (
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// parseEvents reads the directive, which has neither arguments nor options:
//
//	merchant_events [<matcher>]
func parseEvents(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h.Next()
	if h.NextArg() {
		return nil, h.Errf("merchant_events takes no argument; %q is one", h.Val())
	}
	if h.NextBlock(0) {
		return nil, h.Errf("merchant_events has no options; how events are sent on is said by delivery in the merchants block")
	}
	return new(MerchantEvents), nil
}
