package caddymodule

import (
	"fmt"
	"net/netip"
	"reflect"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// ownAddresses is where this server listens: its sites, and Caddy's admin API. A
// webhook that came in there would come from a trusted machine. It is known when
// all apps of the configuration are provisioned.
func ownAddresses(ctx caddy.Context) ([]netip.AddrPort, error) {
	var own []netip.AddrPort
	for _, text := range append(siteListeners(ctx), adminListeners(ctx)...) {
		addresses, err := listenerAddresses(text)
		if err != nil {
			return nil, err
		}
		own = append(own, addresses...)
	}
	return own, nil
}

func siteListeners(ctx caddy.Context) (all []string) {
	app, err := ctx.AppIfConfigured("http")
	if err != nil {
		return nil // no sites
	}
	sites, ok := app.(*caddyhttp.App)
	if !ok {
		return nil
	}
	for _, server := range sites.Servers {
		all = append(all, server.Listen...)
	}
	return all
}

// adminListeners looks at an unexported field, because Caddy tells nobody where its
// admin API listens. If a later Caddy renames it, this is the preset address until
// the line follows.
func adminListeners(ctx caddy.Context) []string {
	config := reflect.ValueOf(ctx).FieldByName("cfg")
	if !config.IsValid() || config.Kind() != reflect.Pointer || config.IsNil() {
		return []string{caddy.DefaultAdminListen}
	}
	admin := config.Elem().FieldByName("Admin")
	if !admin.IsValid() || admin.IsNil() {
		return []string{caddy.DefaultAdminListen}
	}
	var all []string
	if !admin.Elem().FieldByName("Disabled").Bool() {
		all = append(all, orDefault(admin.Elem().FieldByName("Listen").String(), caddy.DefaultAdminListen))
	}
	if remote := admin.Elem().FieldByName("Remote"); !remote.IsNil() {
		all = append(all, orDefault(remote.Elem().FieldByName("Listen").String(), caddy.DefaultRemoteAdminListen))
	}
	return all
}

func orDefault(text, preset string) string {
	if text == "" {
		return preset
	}
	return caddy.NewReplacer().ReplaceKnown(text, "")
}

// listenerAddresses is empty for a listener that is no port. A host that is a name
// counts as every address of the machine.
func listenerAddresses(text string) (all []netip.AddrPort, err error) {
	a, err := caddy.ParseNetworkAddressWithDefaults(text, "tcp", 0)
	if err != nil {
		return nil, fmt.Errorf("the address %q that this server listens on: %w", text, err)
	}
	if a.IsUnixNetwork() || a.IsFdNetwork() {
		return nil, nil
	}
	host, err := netip.ParseAddr(a.Host)
	if err != nil {
		host = netip.IPv6Unspecified()
	}
	for port := a.StartPort; port <= a.EndPort; port++ {
		all = append(all, netip.AddrPortFrom(host.WithZone(""), uint16(port)))
	}
	return all, nil
}
