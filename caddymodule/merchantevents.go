package caddymodule

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/unknownpay/merchant-gateway/caddymodule/gate"
	"github.com/unknownpay/merchant-gateway/controlplane"
)

const (
	eventsPath = "/v1/events"
	// maxEventsBody bounds a request: a batch of 1,000 events of 8 KiB, or 32 of
	// the longest.
	maxEventsBody = 8 << 20
	// maxRest is how much of a longer one is read before it is refused.
	maxRest = 64 << 20
	// eventsTimeout is how long a body may take to arrive.
	eventsTimeout = 30 * time.Second

	headerIdempotencyKey = "Idempotency-Key"
)

// MerchantEvents takes in what happened on the platform, for merchants to be told
// of: POST /v1/events with a service token and one event, or up to 1,000. It
// answers 202 when they are durable, and lets every other path pass. Give it a site
// that only the platform's backends reach. It needs the merchants app.
type MerchantEvents struct {
	app    *App
	logger *zap.Logger
	wrong  *wrongTokens
}

// CaddyModule returns the Caddy module information.
func (*MerchantEvents) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.merchant_events", New: func() caddy.Module { return new(MerchantEvents) }}
}

// Provision finds the app, and refuses a server on which clients choose their own
// address: wrong tokens are counted by it.
func (h *MerchantEvents) Provision(ctx caddy.Context) (err error) {
	if h.app, err = findApp(ctx, "merchant_events"); err != nil {
		return err
	}
	h.logger, h.wrong = h.app.data.metrics.sampled(ctx.Logger()), newWrongTokens()
	return checkServer(ctx, "merchant_events")
}

// ServeHTTP takes events in.
func (h *MerchantEvents) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if r.URL.Path != eventsPath {
		return next.ServeHTTP(w, r)
	}
	i := beginIntake(w, r)
	out, err := h.takeIn(w, r, i)
	if errors.Is(err, errBrokenOff) {
		i.code = codeBrokenOff
		return caddyhttp.Error(http.StatusBadRequest, err)
	}
	if err != nil {
		return h.refuse(w, i, asIntakeError(err))
	}
	i.code = codeAccepted
	h.app.data.metrics.webhooks.events.WithLabelValues(i.code).Inc()
	return writeJSON(w, http.StatusAccepted, out)
}

// takeIn returns what to answer. The database stays leased for as long: a reload
// must not close it under a commit.
func (h *MerchantEvents) takeIn(w http.ResponseWriter, r *http.Request, i *intake) (any, error) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return nil, &intakeError{status: http.StatusMethodNotAllowed, code: "METHOD_NOT_ALLOWED", message: "use POST"}
	}
	app := h.app.deciding()
	if !app.leases.take() {
		return nil, unavailable("this configuration has ended", nil)
	}
	defer app.leases.give()
	n := app.node()
	if n == nil {
		return nil, unavailable("the merchants are not open yet", nil)
	}
	actor, err := h.authenticate(r, n, i)
	if err != nil {
		return nil, err
	}
	s, err := h.submission(w, r, app)
	if err != nil {
		return nil, err
	}
	i.events = len(s.events)
	return s.ingest(r.Context(), n.service, actor)
}

// authenticate looks at the token before it counts, so that a backend with a right
// one is served beside one with a wrong one. Guessing is hopeless: a token has 190
// bits.
func (h *MerchantEvents) authenticate(r *http.Request, n *node, i *intake) (controlplane.Actor, error) {
	token, given := bearerToken(r.Header)
	actor, err := n.service.AuthenticateServiceToken(r.Context(), controlplane.NewSecret(token))
	if controlplane.CodeOf(err) == controlplane.CodeDenied {
		if wait := h.wrong.count(i.client, time.Now()); wait > 0 {
			return actor, &intakeError{status: http.StatusTooManyRequests, code: "RATE_LIMITED", retryAfter: wait,
				message: "too many requests without a valid service token came from this address"}
		}
		return actor, &intakeError{status: http.StatusUnauthorized, code: string(controlplane.CodeUnauthenticated), challenge: challenge(given),
			message: `the service token is missing, unknown or revoked; send "Authorization: Bearer unks_svc_…"`}
	}
	i.tokenID, actor.RequestID = actor.ID, i.requestID
	return actor, err
}

func bearerToken(h http.Header) (token string, given bool) {
	values := h["Authorization"]
	if len(values) != 1 {
		return "", len(values) > 0
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", false
	}
	return strings.TrimSpace(token), true
}

// challenge is as RFC 6750 §3 has it: without an error if there was no token.
func challenge(given bool) string {
	if given {
		return `Bearer realm="events", error="invalid_token"`
	}
	return `Bearer realm="events"`
}

// submission reads and decodes the body.
func (h *MerchantEvents) submission(w http.ResponseWriter, r *http.Request, app *App) (submission, error) {
	if !isJSON(r.Header.Get("Content-Type")) || r.Header.Get("Content-Encoding") != "" {
		return submission{}, &intakeError{status: http.StatusUnsupportedMediaType, code: "UNSUPPORTED_MEDIA_TYPE",
			message: "send JSON with Content-Type: application/json and without Content-Encoding"}
	}
	if r.ContentLength > maxEventsBody {
		return submission{}, tooLong(w, r)
	}
	size := r.ContentLength
	if size < 0 {
		size = maxEventsBody
	}
	budget := &app.data.bodies.budget
	if !budget.reserve(size) {
		return submission{}, unavailable("too many bodies are being read", nil)
	}
	defer budget.release(size)
	body, err := readEvents(w, r)
	if err != nil {
		return submission{}, err
	}
	return decodeSubmission(body, r.Header.Values(headerIdempotencyKey))
}

func isJSON(contentType string) bool {
	if contentType == gate.MediaJSON {
		return true
	}
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && media == gate.MediaJSON
}

// errBrokenOff: the client did, and there is nobody to answer.
var errBrokenOff = errors.New("the body broke off")

func readEvents(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	control := http.NewResponseController(w)
	if err := control.SetReadDeadline(time.Now().Add(eventsTimeout)); err != nil {
		return nil, unavailable("the body could not be read", err)
	}
	// Room for all of it, and for the read that finds the end.
	body := bytes.NewBuffer(make([]byte, 0, max(r.ContentLength, 0)+bytes.MinRead))
	_, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, maxEventsBody))
	var network net.Error
	switch {
	case err == nil:
		// A deadline that is left would end the request while it waits for the commit.
		return body.Bytes(), control.SetReadDeadline(time.Time{})
	case errors.As(err, new(*http.MaxBytesError)):
		return nil, tooLong(w, r)
	case errors.As(err, &network) && network.Timeout():
		return nil, &intakeError{status: http.StatusRequestTimeout, code: "BODY_TIMEOUT", message: "the body took longer than 30 seconds to arrive"}
	}
	return nil, errors.Join(errBrokenOff, err)
}

// ingest takes the events in and returns what to answer.
func (s submission) ingest(ctx context.Context, to *controlplane.Service, a controlplane.Actor) (any, error) {
	if !s.batch {
		out, err := to.IngestEvent(ctx, a, s.events[0])
		return out, headerFault(err)
	}
	out, err := to.IngestEvents(ctx, a, s.events)
	return map[string]any{"events": out}, err
}

// headerFault names the header where the operation names its input.
func headerFault(err error) error {
	var e *controlplane.Error
	if !errors.As(err, &e) {
		return err
	}
	named := *e
	named.Fields = slices.Clone(e.Fields)
	for i, f := range named.Fields {
		if f.Field == "idempotency_key" {
			named.Fields[i].Field = headerIdempotencyKey
		}
	}
	return &named
}

// codeAccepted is for the access log and metrics.
const codeAccepted = "ACCEPTED"

// intake is what becomes of one request, for the access log. It holds neither the
// token nor anything of the events.
type intake struct {
	requestID string
	client    netip.Addr
	code      string
	tokenID   string
	events    int
}

func beginIntake(w http.ResponseWriter, r *http.Request) *intake {
	i := &intake{requestID: newRequestID(time.Now()), client: clientIP(r)}
	w.Header()[gate.HeaderRequestID] = []string{i.requestID}
	if extra, ok := r.Context().Value(caddyhttp.ExtraLogFieldsCtxKey).(*caddyhttp.ExtraLogFields); ok {
		extra.Add(zap.Inline(i))
	}
	return i
}

// MarshalLogObject adds the fields of the access log.
func (i *intake) MarshalLogObject(e zapcore.ObjectEncoder) error {
	e.AddString("request_id", i.requestID)
	e.AddString("event_code", i.code)
	if i.tokenID != "" {
		e.AddString("service_token_id", i.tokenID)
		e.AddInt("events", i.events)
	}
	return nil
}

var (
	_ caddy.Provisioner           = (*MerchantEvents)(nil)
	_ caddyhttp.MiddlewareHandler = (*MerchantEvents)(nil)
)

// tooLong lets a backend send the rest before it is refused, within bounds. Caddy
// wraps bodies, which keeps net/http from its own pause before it closes
// (closedRequestBodyEarly): the connection would be reset under a client that still
// writes, and the answer lost.
func tooLong(w http.ResponseWriter, r *http.Request) error {
	if r.Header.Get("Expect") != "" {
		return bodyTooLarge() // it waits for the answer
	}
	if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(eventsTimeout)); err != nil {
		return unavailable("the body could not be read", err)
	}
	if _, err := io.CopyN(io.Discard, r.Body, maxRest); err != nil && !errors.Is(err, io.EOF) {
		return errors.Join(errBrokenOff, err)
	}
	return bodyTooLarge()
}
