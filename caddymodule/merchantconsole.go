package caddymodule

import (
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/unknownpay/merchant-gateway/portal"
	"github.com/unknownpay/merchant-gateway/portal/api"
)

// MerchantConsole is where the platform's own people manage merchants. It answers
// every request of its site: give it a host of its own, over HTTPS, and one that the
// Internet need not reach. It needs the merchants app.
type MerchantConsole struct{ pageHost }

// CaddyModule returns the Caddy module information.
func (*MerchantConsole) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.merchant_console", New: func() caddy.Module { return new(MerchantConsole) }}
}

// Provision finds the app.
func (h *MerchantConsole) Provision(ctx caddy.Context) error {
	return h.provision(ctx, "merchant_console")
}

// ServeHTTP answers with a page.
func (h *MerchantConsole) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	return h.serve(w, r, func(app *App, n *node) (http.Handler, error) {
		return n.staff.pages(func() (http.Handler, error) { return h.host(callNode{n, app.nodeConfig()}) })
	})
}

// host has the pages, and for programs the admin API.
func (h *MerchantConsole) host(n callNode) (http.Handler, error) {
	config := n.pageConfig(n.staff, h.logger)
	config.Status = n.consoleStatus
	pages, err := portal.NewConsole(config)
	if err != nil {
		return nil, err
	}
	programs, err := n.adminAPI(h.logger.Named("api"))
	if err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, api.Prefix+"/") {
			programs.ServeHTTP(w, r)
			return
		}
		pages.ServeHTTP(w, r)
	}), nil
}

var (
	_ caddy.Provisioner           = (*MerchantConsole)(nil)
	_ caddyhttp.MiddlewareHandler = (*MerchantConsole)(nil)
)
