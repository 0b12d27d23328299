package caddymodule

import "github.com/caddyserver/caddy/v2"

func init() {
	caddy.RegisterModule(new(App))
	caddy.RegisterModule(SQLiteStore{})
	caddy.RegisterModule(MemoryReplay{})
}
