package caddymodule

import "github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

// UnmarshalCaddyfile reads "postgres <url> { … }".
func (s *PostgresStore) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if !d.NextArg() {
		return d.Err("store postgres needs the URL of the database: postgres://user@host:5432/database")
	}
	s.URL = d.Val()
	if d.NextArg() {
		return d.ArgErr()
	}
	return readBlock(d, "store postgres", options{
		"password_file": func(d *caddyfile.Dispenser) error { return readText(d, &s.PasswordFile) },
		"state_dir":     func(d *caddyfile.Dispenser) error { return readText(d, &s.StateDir) },
		"readers":       func(d *caddyfile.Dispenser) error { return readConnections(d, &s.Readers) },
		"writers":       func(d *caddyfile.Dispenser) error { return readConnections(d, &s.Writers) },

		"last_known_good": func(d *caddyfile.Dispenser) error { return readText(d, &s.LastKnownGood) },
		"max_stale":       func(d *caddyfile.Dispenser) error { return readDuration(d, &s.MaxStale) },
	})
}

func readConnections(d *caddyfile.Dispenser, into *int) error {
	var n int64
	err := readCount(d, &n)
	*into = int(min(n, maxConnections+1))
	return err
}

var _ caddyfile.Unmarshaler = (*PostgresStore)(nil)
