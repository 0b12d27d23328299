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

	"github.com/unknownpay/merchant-gateway/portal"
)

// MerchantPortal is where merchants sign in. It answers every request of its site:
// give it a host of its own, over HTTPS, since its cookies work nowhere else. It
// needs the merchants app.
type MerchantPortal struct {
	app    *App
	logger *zap.Logger

	making sync.Mutex
	made   http.Handler // by the first request that finds the data open
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
	if !h.app.leases.take() {
		return caddyhttp.Error(http.StatusServiceUnavailable, errors.New("merchant_portal: this configuration has ended"))
	}
	defer h.app.leases.give()
	n := h.opened(r.Context())
	if n == nil {
		w.Header().Set("Retry-After", "1")
		return caddyhttp.Error(http.StatusServiceUnavailable, errors.New("merchant_portal: the merchants are not open yet"))
	}
	pages, err := h.pages(n)
	if err != nil {
		return caddyhttp.Error(http.StatusInternalServerError, err)
	}
	pages.ServeHTTP(w, r)
	return nil
}

const (
	// openWait is how long a page waits for the data of a configuration that is just
	// starting: Caddy starts apps in any order, and people would rather wait.
	openWait = 10 * time.Second
	openLook = 5 * time.Millisecond
)

// opened returns the open data, or nil when they take too long.
func (h *MerchantPortal) opened(ctx context.Context) *node {
	ctx, cancel := context.WithTimeout(ctx, openWait)
	defer cancel()
	for {
		if n := h.app.started.Load(); n != nil {
			return n
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(openLook):
		}
	}
}

func (h *MerchantPortal) pages(n *node) (http.Handler, error) {
	h.making.Lock()
	defer h.making.Unlock()
	if h.made != nil {
		return h.made, nil
	}
	pages, err := portal.New(portal.Config{
		Service: n.service, Accounts: n.accounts, Clock: time.Now, Random: rand.Reader,
		Logger: h.logger, ClientIP: clientIP, RequestID: portalRequestID,
	})
	if err != nil {
		return nil, err
	}
	h.made = pages
	return pages, nil
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
