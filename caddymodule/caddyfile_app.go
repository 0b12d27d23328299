package caddymodule

import (
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
)

// parseApp reads the global option:
//
//	merchants {
//		store sqlite [<path>]
//		store postgres <url> {
//			password_file <path>
//			last_known_good <path>|off
//			max_stale       <duration>
//			state_dir     <directory>
//			readers       <n>
//			writers       <n>
//		}
//		replay memory [<state_dir>] {
//			state_dir <directory>
//			capacity  <nonces>
//		}
//		replay redis <url> {
//			password_file <path>
//			ca_file       <path>
//			plaintext
//			prefix        <text>
//			timeout       <duration>
//			dial_timeout  <duration>
//		}
//		keyring              <path>
//		node_name            <name>
//		allow_private_ranges
//		body_budget          <size>
//		accounts {
//			require_second_factor
//			password_life <duration>
//		}
//		mail {
//			smtp <host:port>
//			from <address>
//			username <name>
//			password_file <path>
//			plaintext
//		}
//		request_log off
//		request_log {
//			sample <share>
//			queue  <n>
//		}
//		delivery {
//			workers <n>
//			per_endpoint <n>
//			memory <size>
//			allowed_ports <port...>
//			allowed_private_ranges <cidr...>
//			trusted_ca_certs <file...>
//		}
//	}
//
// Everything has a default; an empty block is a working gateway.
func parseApp(d *caddyfile.Dispenser, existing any) (any, error) {
	if existing != nil {
		return nil, d.Err("there is a merchants block already; put everything into one")
	}
	app := new(App)
	if err := app.UnmarshalCaddyfile(d); err != nil {
		return nil, err
	}
	return httpcaddyfile.App{Name: "merchants", Value: caddyconfig.JSON(app, nil)}, nil
}

// UnmarshalCaddyfile reads the merchants block.
func (a *App) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if d.NextArg() {
		return d.ArgErr()
	}
	return readBlock(d, "merchants", options{
		"store": func(d *caddyfile.Dispenser) (err error) {
			a.StoreRaw, err = readGuest(d, "merchants.stores")
			return err
		},
		"replay": func(d *caddyfile.Dispenser) (err error) {
			a.ReplayRaw, err = readGuest(d, "merchants.replay")
			return err
		},
		"node_name":            func(d *caddyfile.Dispenser) error { return readText(d, &a.NodeName) },
		"keyring":              func(d *caddyfile.Dispenser) error { return readText(d, &a.Keyring) },
		"allow_private_ranges": func(d *caddyfile.Dispenser) error { return readFlag(d, &a.AllowPrivateRanges) },
		"mail": func(d *caddyfile.Dispenser) (err error) {
			a.Mail, err = readMail(d)
			return err
		},
		"accounts": func(d *caddyfile.Dispenser) (err error) {
			a.Accounts, err = readAccounts(d)
			return err
		},
		"delivery": func(d *caddyfile.Dispenser) (err error) {
			a.Delivery, err = readDelivery(d)
			return err
		},
		"request_log": func(d *caddyfile.Dispenser) (err error) {
			a.RequestLog, err = readRequestLog(d)
			return err
		},
		"body_budget": func(d *caddyfile.Dispenser) error { return readSize(d, &a.BodyBudget) },
	})
}

// readGuest reads "<option> <module> …" and lets the module read the rest.
func readGuest(d *caddyfile.Dispenser, namespace string) ([]byte, error) {
	option, known := d.Val(), guestNames(namespace)
	if !d.NextArg() {
		return nil, d.Errf("%s needs the name of one: %s", option, strings.Join(known, ", "))
	}
	name := d.Val()
	if !slices.Contains(known, name) {
		return nil, d.Errf("%s: there is no %q, only: %s", option, name, strings.Join(known, ", "))
	}
	guest, err := caddyfile.UnmarshalModule(d, namespace+"."+name)
	if err != nil {
		return nil, err
	}
	return caddyconfig.JSONModuleObject(guest, "module", name, nil), nil
}

func guestNames(namespace string) (names []string) {
	for _, m := range caddy.GetModules(namespace) {
		names = append(names, m.ID.Name())
	}
	return names
}

// UnmarshalCaddyfile reads "sqlite [<path>]".
func (s *SQLiteStore) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if d.NextArg() {
		s.Path = d.Val()
	}
	if d.NextArg() {
		return d.ArgErr()
	}
	return readBlock(d, "store sqlite", nil)
}

// UnmarshalCaddyfile reads "memory [<state_dir>] { … }".
func (m *MemoryReplay) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if d.NextArg() {
		m.StateDir = d.Val()
	}
	if d.NextArg() {
		return d.ArgErr()
	}
	return readBlock(d, "replay memory", options{
		"state_dir": func(d *caddyfile.Dispenser) error {
			if m.StateDir != "" {
				return d.Err("replay memory: the directory is given twice")
			}
			return readText(d, &m.StateDir)
		},
		"capacity": func(d *caddyfile.Dispenser) error { return readCount(d, &m.Capacity) },
	})
}

var (
	_ caddyfile.Unmarshaler = (*App)(nil)
	_ caddyfile.Unmarshaler = (*SQLiteStore)(nil)
	_ caddyfile.Unmarshaler = (*MemoryReplay)(nil)
)
