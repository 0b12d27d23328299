package caddymodule

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
)

// pageHost is what serves pages to people: the portal and the console.
type pageHost struct {
	directive string
	app       *App
	logger    *zap.Logger
}

// provision finds the app, and refuses a server on which clients choose their own
// address: sign-in is throttled by it.
func (h *pageHost) provision(ctx caddy.Context, directive string) (err error) {
	h.directive, h.logger = directive, ctx.Logger()
	if h.app, err = findApp(ctx, directive); err != nil {
		return err
	}
	return checkServer(ctx, directive)
}

// serve answers with a page. The data stays leased for as long: a reload must not
// close the database under a page.
func (h *pageHost) serve(w http.ResponseWriter, r *http.Request, pages func(*App, *node) (http.Handler, error)) error {
	app := h.lease()
	if app == nil {
		return retryLater(w, errors.New(h.directive+": this configuration has ended"))
	}
	defer app.leases.give()
	n := app.opened(r.Context())
	if n == nil {
		return retryLater(w, errors.New(h.directive+": the merchants are not open yet"))
	}
	handler, err := pages(app, n)
	if err != nil {
		return caddyhttp.Error(http.StatusInternalServerError, err)
	}
	handler.ServeHTTP(w, r)
	return nil
}

func retryLater(w http.ResponseWriter, err error) error {
	w.Header().Set("Retry-After", "1")
	return caddyhttp.Error(http.StatusServiceUnavailable, err)
}

// lease takes a lease on this configuration's data or, once it has ended, on those
// of the running one: for a moment after a reload, the old servers still accept
// connections.
func (h *pageHost) lease() *App {
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

// lazyPages are made by the first request for a page.
type lazyPages struct {
	making sync.Mutex
	made   http.Handler
}

func (l *lazyPages) pages(make func() (http.Handler, error)) (http.Handler, error) {
	l.making.Lock()
	defer l.making.Unlock()
	if l.made != nil {
		return l.made, nil
	}
	made, err := make()
	if err == nil {
		l.made = made
	}
	return made, err
}

// portalRequestID is the id under which the access log knows the request too.
func portalRequestID(r *http.Request) string {
	id := newRequestID(time.Now())
	if extra, ok := r.Context().Value(caddyhttp.ExtraLogFieldsCtxKey).(*caddyhttp.ExtraLogFields); ok {
		extra.Add(zap.String("request_id", id))
	}
	return id
}
