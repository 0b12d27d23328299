package caddymodule

import "github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

// readMail reads the block of the merchants app:
//
//	mail {
//		smtp          <host:port>
//		from          <address>
//		username      <name>
//		password_file <path>
//		plaintext
//	}
func readMail(d *caddyfile.Dispenser) (*Mail, error) {
	m := new(Mail)
	if d.NextArg() {
		return nil, d.ArgErr()
	}
	return m, readBlock(d, "mail", options{
		"smtp":          func(d *caddyfile.Dispenser) error { return readText(d, &m.SMTP) },
		"from":          func(d *caddyfile.Dispenser) error { return readText(d, &m.From) },
		"username":      func(d *caddyfile.Dispenser) error { return readText(d, &m.Username) },
		"password_file": func(d *caddyfile.Dispenser) error { return readText(d, &m.PasswordFile) },
		"plaintext":     func(d *caddyfile.Dispenser) error { return readFlag(d, &m.Plaintext) },
	})
}
