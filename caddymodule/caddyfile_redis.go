package caddymodule

import "github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

// UnmarshalCaddyfile reads "redis <url> { … }".
func (r *RedisReplay) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if !d.NextArg() {
		return d.Err("replay redis needs the URL of the Redis: rediss://host:6379/0")
	}
	r.URL = d.Val()
	if d.NextArg() {
		return d.ArgErr()
	}
	return readBlock(d, "replay redis", options{
		"password_file": func(d *caddyfile.Dispenser) error { return readText(d, &r.PasswordFile) },
		"ca_file":       func(d *caddyfile.Dispenser) error { return readText(d, &r.CAFile) },
		"plaintext":     func(d *caddyfile.Dispenser) error { return readFlag(d, &r.Plaintext) },
		"prefix":        func(d *caddyfile.Dispenser) error { return readText(d, &r.Prefix) },
		"timeout":       func(d *caddyfile.Dispenser) error { return readDuration(d, &r.Timeout) },
		"dial_timeout":  func(d *caddyfile.Dispenser) error { return readDuration(d, &r.DialTimeout) },
	})
}

var _ caddyfile.Unmarshaler = (*RedisReplay)(nil)
