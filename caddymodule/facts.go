package caddymodule

import (
	"net/http"
	"net/netip"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/unknownpay/merchant-gateway/caddymodule/gate"
)

// facts is the request as it was received. Handlers before this one (rewrite, uri
// strip_prefix, handle_path, method) have changed r since; what Caddy has put
// aside has not changed.
func facts(r *http.Request) gate.Request {
	f := gate.Request{
		Method: r.Method, Target: r.RequestURI, Host: r.Host, TLS: r.TLS != nil,
		Header: r.Header, Trailer: r.Trailer,
		ClientIP: clientIP(r), EarlyData: earlyData(r),
	}
	if original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok {
		f.Method, f.Target = original.Method, original.RequestURI
	}
	return f
}

// clientIP is invalid, and so refused, if Caddy could not tell it either.
func clientIP(r *http.Request) netip.Addr {
	text, ok := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	if !ok {
		return netip.Addr{}
	}
	ip, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}
	}
	return ip
}

// earlyData also believes a proxy that says so (RFC 8470 §5.1); a client that says
// so of itself harms nobody.
func earlyData(r *http.Request) bool {
	if r.TLS != nil && !r.TLS.HandshakeComplete {
		return true
	}
	early := r.Header["Early-Data"]
	return len(early) > 0 && early[0] == "1"
}
