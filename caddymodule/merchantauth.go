package caddymodule

import (
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/unknownpay/merchant-gateway/caddymodule/gate"
	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/signature"
)

// The defaults of merchant_auth.
const (
	defaultMaxBody     = 1 << 20
	defaultSpoolAbove  = 1 << 20
	defaultBodyTimeout = 30 * time.Second
)

// MerchantAuth lets a request pass only if a merchant signed it, from an address
// on the merchant's allowlist, in time, and not before. It needs the merchants app.
//
// Everything behind it sees the request as it came, with these headers added (and
// removed if the client sent them): X-Unk-Merchant-Id, X-Unk-Environment,
// X-Unk-Key-Id, X-Unk-Client-Ip, X-Unk-Request-Id. Signatures and trailers are
// removed. The same facts are placeholders: {unk.merchant_id}, {unk.environment},
// {unk.key_id}, {unk.client_ip}, {unk.request_id}.
//
// A request that may not pass is answered with a code and an explanation.
type MerchantAuth struct {
	// Which keys may be used: "live" or "test". A key of the other environment is
	// refused with ENV_MISMATCH.
	//
	// Default: both; the upstream learns which by X-Unk-Environment.
	Environment string `json:"environment,omitempty"`

	// How far the timestamp of a request may be from this machine's clock, 60s to
	// 900s. A nonce is remembered for twice as long: a wider skew needs more room in
	// the replay store.
	//
	// Default: 5m.
	ClockSkew caddy.Duration `json:"clock_skew,omitempty"`

	// The longest body in bytes. A longer one is refused with BODY_TOO_LARGE.
	//
	// Default: 1048576 (1 MiB).
	MaxBody int64 `json:"max_body,omitempty"`

	// How long a body may take to arrive, after the key, the address and the time
	// were found good. A slower one is refused with BODY_TIMEOUT.
	//
	// Default: 30s.
	BodyTimeout caddy.Duration `json:"body_timeout,omitempty"`

	// Bodies of more bytes wait in a nameless temporary file instead of memory.
	// Smaller values save memory and cost time.
	//
	// Default: 1048576 (1 MiB).
	SpoolAbove int64 `json:"spool_above,omitempty"`

	// Limits the requests of each key; more are refused with RATE_LIMITED.
	//
	// Default: no limit.
	RateLimit *RateLimit `json:"rate_limit,omitempty"`

	// The page on which merchants find the error codes, for doc_url in refusals. Its
	// anchors are the codes in lower case: <docs_url>#ip_not_allowed. "off" leaves
	// doc_url out.
	//
	// Default: docs/errors.md in this module's repository.
	DocsURL string `json:"docs_url,omitempty"`

	// Lets every request through, and logs and counts what would have been refused.
	// For the time before a gateway is switched on. Requests that would have been
	// refused reach the upstream without identity headers; those that the client
	// sent are removed all the same.
	//
	// Default: false.
	ReportOnly bool `json:"report_only,omitempty"`

	app     *App
	gate    *gate.Gate
	logger  *zap.Logger
	limits  bodyLimits
	empty   signature.Body // what a request without a body has
	docPage string
}

// RateLimit is a number of requests in a window of time.
type RateLimit struct {
	// How many requests a key may send in the window, all of them at once if it
	// likes. 1 to 1000000.
	Events int `json:"events"`
	// The window, such as 1s or 1m.
	Window caddy.Duration `json:"window"`
}

// CaddyModule returns the Caddy module information.
func (*MerchantAuth) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.merchant_auth", New: func() caddy.Module { return new(MerchantAuth) }}
}

// Provision finds the app and refuses configurations that are not safe.
func (h *MerchantAuth) Provision(ctx caddy.Context) error {
	var err error
	if h.app, err = findApp(ctx, "merchant_auth"); err != nil {
		return err
	}
	if err := checkServer(ctx, "merchant_auth"); err != nil {
		return err
	}
	if err := h.applyDefaults(); err != nil {
		return err
	}
	h.logger = h.app.data.metrics.sampled(ctx.Logger())
	return h.makeGate()
}

func (h *MerchantAuth) applyDefaults() (err error) {
	if h.MaxBody < 0 || h.SpoolAbove < 0 || h.BodyTimeout < 0 {
		return errors.New("merchant_auth: max_body, spool_above and body_timeout must not be negative")
	}
	if h.MaxBody == 0 {
		h.MaxBody = defaultMaxBody
	}
	if h.SpoolAbove == 0 {
		h.SpoolAbove = defaultSpoolAbove
	}
	if h.BodyTimeout == 0 {
		h.BodyTimeout = caddy.Duration(defaultBodyTimeout)
	}
	if h.docPage, err = docPage(h.DocsURL); err != nil {
		return err
	}
	h.limits = bodyLimits{max: h.MaxBody, spool: h.SpoolAbove}
	h.empty = signature.Body{SHA256: sha256.Sum256(nil), SHA512: sha512.Sum512(nil)}
	return nil
}

// docPage refuses what a browser would not open, and an anchor, which each code is.
func docPage(configured string) (string, error) {
	switch configured {
	case "":
		return gate.DefaultDocPage, nil
	case "off":
		return "", nil
	}
	u, err := url.Parse(configured)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || strings.Contains(configured, "#") {
		return "", fmt.Errorf("merchant_auth: docs_url: %q is not the address of a page; write one like https://docs.example.com/errors, or off", configured)
	}
	return configured, nil
}

func (h *MerchantAuth) makeGate() (err error) {
	config := gate.Config{
		Snapshot: h.app.snapshot, Nonces: nonceStore{h.app}, Clock: time.Now,
		Environment: controlplane.Environment(h.Environment), Skew: time.Duration(h.ClockSkew),
	}
	if h.RateLimit != nil {
		if config.Limiter, err = h.RateLimit.limiter(); err != nil {
			return fmt.Errorf("merchant_auth: rate_limit: %w", err)
		}
	}
	h.gate, err = gate.New(config)
	if err != nil {
		return fmt.Errorf("merchant_auth: %w", err)
	}
	return nil
}

func (l *RateLimit) limiter() (*gate.Limiter, error) {
	window := time.Duration(l.Window)
	if window <= 0 {
		return nil, errors.New("the window must be longer than nothing")
	}
	return gate.NewLimiter(float64(l.Events)/window.Seconds(), l.Events)
}

// ServeHTTP verifies the request and hands it on, or refuses it.
func (h *MerchantAuth) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	d := begin(w, r, time.Now())
	held, refusal, err := h.verify(w, r, d)
	if held != nil {
		defer held.end()
	}
	if err != nil {
		d.code = codeBrokenOff
		return caddyhttp.Error(http.StatusBadRequest, fmt.Errorf("read the body: %w", err))
	}
	if refusal != nil {
		h.noteRefusal(r, d, refusal)
		if !h.ReportOnly {
			if held != nil {
				held.end() // others need its memory while this one waits
			}
			if refusal.Status() < http.StatusInternalServerError { // those are ours, not the caller's
				h.app.data.refusals.await(r.Context(), time.Now())
			}
			return refuse(w, r, d, refusal, h.docPage)
		}
	}
	d.identify(r, refusal == nil)
	return next.ServeHTTP(w, r)
}

// verify keeps the open data leased only while it decides: a request may be with
// the upstream for minutes. An error is the client's, who broke off.
func (h *MerchantAuth) verify(w http.ResponseWriter, r *http.Request, d *decision) (*heldBody, *gate.Refusal, error) {
	if h.app.leases.take() {
		defer h.app.leases.give()
	}
	request := facts(r)
	admission, refusal := h.gate.Admit(&request)
	d.facts = admission.Facts()
	if refusal != nil {
		return nil, refusal, nil
	}
	arriving := time.Now()
	held, body, refusal, err := h.body(w, r, &admission)
	if refusal != nil || err != nil {
		return held, refusal, err
	}
	arrived := time.Now()
	refusal = h.gate.Verify(r.Context(), &admission, body, held.memory())
	d.facts = admission.Facts()
	if refusal != nil {
		return held, refusal, nil
	}
	d.code = codeOK
	h.app.data.accepted(d, r)
	h.app.data.metrics.took(time.Since(arrived) + arriving.Sub(d.begun))
	return held, nil, nil
}

var (
	_ caddy.Provisioner           = (*MerchantAuth)(nil)
	_ caddyhttp.MiddlewareHandler = (*MerchantAuth)(nil)
)
