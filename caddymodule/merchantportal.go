package caddymodule

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/portal"
)

// MerchantPortal is where merchants sign in. It answers every request of its site:
// give it a host of its own, over HTTPS, since its cookies work nowhere else. It
// needs the merchants app.
type MerchantPortal struct {
	app    *App
	logger *zap.Logger
}

// CaddyModule returns the Caddy module information.
func (*MerchantPortal) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.merchant_portal", New: func() caddy.Module { return new(MerchantPortal) }}
}

// Provision finds the app, and refuses a server on which clients choose their own
// address: sign-in is throttled by it.
func (h *MerchantPortal) Provision(ctx caddy.Context) (err error) {
	h.logger = ctx.Logger()
	if h.app, err = findApp(ctx, "merchant_portal"); err != nil {
		return err
	}
	return checkServer(ctx, "merchant_portal")
}

// ServeHTTP answers with a page. The data stays leased for as long: a reload must
// not close the database under a page.
func (h *MerchantPortal) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	app := h.lease()
	if app == nil {
		return retryLater(w, errors.New("merchant_portal: this configuration has ended"))
	}
	defer app.leases.give()
	n := app.opened(r.Context())
	if n == nil {
		return retryLater(w, errors.New("merchant_portal: the merchants are not open yet"))
	}
	pages, err := n.accounts.portal(n.service, h.logger)
	if err != nil {
		return caddyhttp.Error(http.StatusInternalServerError, err)
	}
	pages.ServeHTTP(w, r)
	return nil
}

func retryLater(w http.ResponseWriter, err error) error {
	w.Header().Set("Retry-After", "1")
	return caddyhttp.Error(http.StatusServiceUnavailable, err)
}

// lease takes a lease on this configuration's data or, once it has ended, on those
// of the running one: for a moment after a reload, the old servers still accept
// connections.
func (h *MerchantPortal) lease() *App {
	if h.app.leases.take() {
		return h.app
	}
	ctx := caddy.ActiveContext()
	running, err := ctx.AppIfConfigured("merchants")
	if err != nil {
		return nil
	}
	app := running.(*App)
	if !app.leases.take() {
		return nil
	}
	return app
}

const (
	// openWait is how long a page waits for the data of a configuration that is just
	// starting: Caddy starts apps in any order, and people would rather wait.
	openWait = 10 * time.Second
	openLook = 5 * time.Millisecond
)

// opened returns the open data, or nil when they take too long.
func (a *App) opened(ctx context.Context) *node {
	ctx, cancel := context.WithTimeout(ctx, openWait)
	defer cancel()
	for {
		if n := a.started.Load(); n != nil {
			return n
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(openLook):
		}
	}
}

// lazyPortal is made by the first request for a page.
type lazyPortal struct {
	making sync.Mutex
	made   http.Handler
}

func (a *accounts) portal(s *controlplane.Service, logger *zap.Logger) (http.Handler, error) {
	a.pages.making.Lock()
	defer a.pages.making.Unlock()
	if a.pages.made != nil {
		return a.pages.made, nil
	}
	pages, err := portal.New(portal.Config{
		Service: s, Accounts: a, Clock: time.Now, Random: rand.Reader,
		Logger: logger, ClientIP: clientIP, RequestID: portalRequestID,
	})
	if err == nil {
		a.pages.made = pages
	}
	return pages, err
}

// portalRequestID is the id under which the access log knows the request too.
func portalRequestID(r *http.Request) string {
	id := newRequestID(time.Now())
	if extra, ok := r.Context().Value(caddyhttp.ExtraLogFieldsCtxKey).(*caddyhttp.ExtraLogFields); ok {
		extra.Add(zap.String("request_id", id))
	}
	return id
}

var (
	_ caddy.Provisioner           = (*MerchantPortal)(nil)
	_ caddyhttp.MiddlewareHandler = (*MerchantPortal)(nil)
)
