package caddymodule

import (
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
)

func init() {
	caddy.RegisterModule(new(App))
	caddy.RegisterModule(new(SQLiteStore))
	caddy.RegisterModule(new(PostgresStore))
	caddy.RegisterModule(new(MemoryReplay))
	caddy.RegisterModule(new(RedisReplay))
	caddy.RegisterModule(new(MerchantAuth))
	caddy.RegisterModule(new(MerchantPortal))
	caddy.RegisterModule(new(MerchantConsole))
	caddy.RegisterModule(new(MerchantEvents))
	caddy.RegisterModule(new(MerchantUpstream))

	httpcaddyfile.RegisterGlobalOption("merchants", parseApp)
	httpcaddyfile.RegisterHandlerDirective("merchant_auth", parseAuth)
	// Before everything that answers or rewrites: what is not signed gets nowhere.
	httpcaddyfile.RegisterDirectiveOrder("merchant_auth", httpcaddyfile.Before, "redir")
	httpcaddyfile.RegisterHandlerDirective("merchant_portal", parsePortal)
	httpcaddyfile.RegisterDirectiveOrder("merchant_portal", httpcaddyfile.Before, "reverse_proxy")
	httpcaddyfile.RegisterHandlerDirective("merchant_console", parseConsole)
	httpcaddyfile.RegisterDirectiveOrder("merchant_console", httpcaddyfile.Before, "reverse_proxy")
	httpcaddyfile.RegisterHandlerDirective("merchant_events", parseEvents)
	httpcaddyfile.RegisterDirectiveOrder("merchant_events", httpcaddyfile.Before, "reverse_proxy")
}
