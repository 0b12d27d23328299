package caddymodule

import "github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

// UnmarshalCaddyfile reads "merchant_upstream { … }".
func (m *MerchantUpstream) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if d.NextArg() {
		return d.ArgErr()
	}
	return readBlock(d, "merchant_upstream", options{
		"dial_timeout":                  func(d *caddyfile.Dispenser) error { return readDuration(d, &m.DialTimeout) },
		"response_header_timeout":       func(d *caddyfile.Dispenser) error { return readDuration(d, &m.ResponseHeaderTimeout) },
		"read_timeout":                  func(d *caddyfile.Dispenser) error { return readDuration(d, &m.ReadTimeout) },
		"write_timeout":                 func(d *caddyfile.Dispenser) error { return readDuration(d, &m.WriteTimeout) },
		"max_response_header":           func(d *caddyfile.Dispenser) error { return readSize(d, &m.MaxResponseHeader) },
		"keepalive":                     func(d *caddyfile.Dispenser) error { return readDuration(d, &m.KeepAlive) },
		"keepalive_idle_conns_per_host": func(d *caddyfile.Dispenser) error { return readCount(d, &m.KeepAliveConns) },
	})
}

var _ caddyfile.Unmarshaler = (*MerchantUpstream)(nil)
