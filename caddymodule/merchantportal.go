package caddymodule

import (
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
	pages, err := h.pages()
	if err != nil {
		w.Header().Set("Retry-After", "1")
		return caddyhttp.Error(http.StatusServiceUnavailable, err)
	}
	pages.ServeHTTP(w, r)
	return nil
}

func (h *MerchantPortal) pages() (http.Handler, error) {
	h.making.Lock()
	defer h.making.Unlock()
	if h.made != nil {
		return h.made, nil
	}
	n := h.app.started.Load()
	if n == nil {
		return nil, errors.New("merchant_portal: the merchants are not open yet")
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
