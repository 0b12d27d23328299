package caddymodule

import (
	"errors"
	"reflect"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// checkServer refuses a server on which a client can choose its own address: with
// trusted_proxies, Caddy takes the leftmost address of X-Forwarded-For, which the
// client wrote, unless trusted_proxies_strict makes it read from the right.
func checkServer(ctx caddy.Context, directive string) error {
	// The http app puts the server that it provisions into the context.
	server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok || server.TrustedProxiesStrict > 0 || !trustsProxies(server) {
		return nil
	}
	return errors.New(directive + ": this server sets trusted_proxies without trusted_proxies_strict, so that clients behind the proxy could pretend to be at any address of an allowlist: " +
		"add trusted_proxies_strict to the servers global option")
}

// findApp returns the merchants app, which says where everything is kept, and tells it
// of the directive.
func findApp(ctx caddy.Context, directive string) (*App, error) {
	app, err := ctx.AppIfConfigured("merchants")
	if errors.Is(err, caddy.ErrNotConfigured) {
		return nil, errors.New(directive + " needs the merchants app, which says where keys and allowlists are kept: add a merchants block to the global options")
	}
	if err != nil {
		return nil, err
	}
	found := app.(*App)
	found.directives = append(found.directives, directive)
	return found, nil
}

// trustsProxies looks at an unexported field, because Caddy forgets the exported
// one (TrustedProxiesRaw) before it provisions handlers. If a later Caddy renames
// it, every server counts as trusting proxies until this line follows.
func trustsProxies(server *caddyhttp.Server) bool {
	if server.TrustedProxiesUnix || len(server.TrustedProxiesRaw) > 0 {
		return true
	}
	field := reflect.ValueOf(server).Elem().FieldByName("trustedProxies")
	return !field.IsValid() || field.Kind() != reflect.Interface || !field.IsNil()
}
