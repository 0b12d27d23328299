package caddymodule

import (
	"strconv"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// parseAuth reads the directive:
//
//	merchant_auth [<matcher>] [live|test] {
//		clock_skew   <duration>
//		max_body     <size>
//		body_timeout <duration>
//		spool_above  <size>
//		rate_limit   <events> <window>
//		docs_url     <url>|off
//		report_only
//	}
func parseAuth(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	auth := new(MerchantAuth)
	return auth, auth.UnmarshalCaddyfile(h.Dispenser)
}

// UnmarshalCaddyfile reads the directive, after its matcher was taken out.
func (h *MerchantAuth) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if d.NextArg() {
		h.Environment = d.Val()
		if h.Environment != "live" && h.Environment != "test" {
			return d.Errf("merchant_auth: %q is not an environment; write live or test, or nothing for both", h.Environment)
		}
	}
	if d.NextArg() {
		return d.ArgErr()
	}
	return readBlock(d, "merchant_auth", options{
		"clock_skew":   func(d *caddyfile.Dispenser) error { return readDuration(d, &h.ClockSkew) },
		"max_body":     func(d *caddyfile.Dispenser) error { return readSize(d, &h.MaxBody) },
		"body_timeout": func(d *caddyfile.Dispenser) error { return readDuration(d, &h.BodyTimeout) },
		"spool_above":  func(d *caddyfile.Dispenser) error { return readSize(d, &h.SpoolAbove) },
		"docs_url":     func(d *caddyfile.Dispenser) error { return readText(d, &h.DocsURL) },
		"report_only":  func(d *caddyfile.Dispenser) error { return readFlag(d, &h.ReportOnly) },
		"rate_limit":   func(d *caddyfile.Dispenser) error { h.RateLimit = new(RateLimit); return h.RateLimit.read(d) },
	})
}

func (l *RateLimit) read(d *caddyfile.Dispenser) error {
	var events, window string
	if !d.AllArgs(&events, &window) {
		return d.Err("rate_limit: give a number of requests and a window, such as 100 1s")
	}
	n, err := strconv.Atoi(events)
	if err != nil || n < 1 || n > 1_000_000 {
		return d.Errf("rate_limit: %q is not a number of requests from 1 to 1000000", events)
	}
	l.Events = n
	return parseDuration(d, "rate_limit", window, &l.Window)
}

var _ caddyfile.Unmarshaler = (*MerchantAuth)(nil)
