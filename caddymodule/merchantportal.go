package caddymodule

import (
	"crypto/rand"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/unknownpay/merchant-gateway/portal"
)

// MerchantPortal is where merchants sign in. It answers every request of its site:
// give it a host of its own, over HTTPS, since its cookies work nowhere else. It
// needs the merchants app.
type MerchantPortal struct{ pageHost }

// CaddyModule returns the Caddy module information.
func (*MerchantPortal) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.merchant_portal", New: func() caddy.Module { return new(MerchantPortal) }}
}

// Provision finds the app.
func (h *MerchantPortal) Provision(ctx caddy.Context) error {
	return h.provision(ctx, "merchant_portal")
}

// ServeHTTP answers with a page.
func (h *MerchantPortal) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	return h.serve(w, r, func(_ *App, n *node) (http.Handler, error) {
		return n.accounts.pages(func() (http.Handler, error) { return portal.New(n.pageConfig(n.accounts, h.logger)) })
	})
}

// pageConfig is what the portal and the console have in common.
func (n *node) pageConfig(a *accounts, logger *zap.Logger) portal.Config {
	return portal.Config{
		Service: n.service, Accounts: a, Clock: time.Now, Random: rand.Reader,
		Logger: logger, ClientIP: clientIP, RequestID: portalRequestID,
	}
}

var (
	_ caddy.Provisioner           = (*MerchantPortal)(nil)
	_ caddyhttp.MiddlewareHandler = (*MerchantPortal)(nil)
)
