package caddymodule

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// intakeError is an answer to events that were not taken in.
type intakeError struct {
	status     int
	code       string
	message    string
	fields     []controlplane.FieldError
	challenge  string
	retryAfter time.Duration
	cause      error // for the log
}

func (e *intakeError) Error() string { return e.message }

// soon is when a backend shall try again that did nothing wrong.
const soon = time.Second

func unavailable(message string, cause error) *intakeError {
	return &intakeError{status: http.StatusServiceUnavailable, code: string(controlplane.CodeUnavailable), message: message + "; try again", retryAfter: soon, cause: cause}
}

func bodyTooLarge() *intakeError {
	return &intakeError{status: http.StatusRequestEntityTooLarge, code: "TOO_LARGE", message: fmt.Sprintf("the body is longer than %d bytes; send fewer events at once", maxEventsBody)}
}

// asIntakeError says what an operation's failure is in HTTP. Causes stay here.
func asIntakeError(err error) *intakeError {
	var own *intakeError
	if errors.As(err, &own) {
		return own
	}
	e := &intakeError{status: http.StatusInternalServerError, code: string(controlplane.CodeOf(err)), cause: err}
	var typed *controlplane.Error
	if errors.As(err, &typed) {
		e.message, e.fields, e.retryAfter = typed.Message, typed.Fields, typed.RetryAfter
	}
	switch controlplane.Code(e.code) {
	case controlplane.CodeInvalid:
		e.status, e.cause = http.StatusBadRequest, nil
	case controlplane.CodeConflict:
		e.status, e.cause = http.StatusConflict, nil
	case controlplane.CodeDenied:
		e.status, e.cause = http.StatusForbidden, nil
	case controlplane.CodeLimit:
		e.status, e.retryAfter, e.cause = http.StatusTooManyRequests, max(soon, e.retryAfter), nil
	case controlplane.CodeUnavailable:
		e.status, e.retryAfter = http.StatusServiceUnavailable, max(soon, e.retryAfter)
	default:
		e.code, e.message = string(controlplane.CodeInternal), "internal error; the log of the server has more under this request_id"
	}
	return e
}

// maxShownFields bounds an answer: a batch can have thousands of mistakes, and one
// kind of them at that.
const maxShownFields = 100

// refusedEvents is the body of a refusal.
type refusedEvents struct {
	Error refusedEventsError `json:"error"`
}

type refusedEventsError struct {
	Code      string                    `json:"code"`
	Message   string                    `json:"message"`
	Fields    []controlplane.FieldError `json:"fields,omitempty"`
	RequestID string                    `json:"request_id"`
}

func (h *MerchantEvents) refuse(w http.ResponseWriter, i *intake, e *intakeError) error {
	i.code = e.code
	h.app.data.metrics.webhooks.events.WithLabelValues(e.code).Inc()
	h.log(i, e)
	if e.message == "" {
		e.message = "the events were not taken in; fields says why"
	}
	if more := len(e.fields) - maxShownFields; more > 0 {
		e.message += fmt.Sprintf("; %d more mistakes are not shown", more)
		e.fields = e.fields[:maxShownFields]
	}
	if e.challenge != "" {
		w.Header().Set("WWW-Authenticate", e.challenge)
	}
	if e.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(int64((e.retryAfter+time.Second-1)/time.Second), 10))
	}
	return writeJSON(w, e.status, refusedEvents{refusedEventsError{e.code, e.message, e.fields, i.requestID}})
}

// log says nothing of what was sent: names of fields are the caller's, too.
func (h *MerchantEvents) log(i *intake, e *intakeError) {
	level := zapcore.InfoLevel
	if e.cause != nil {
		level = zapcore.ErrorLevel
	}
	entry := h.logger.Check(level, "events refused: "+e.code)
	if entry == nil {
		return
	}
	fields := []zap.Field{zap.Inline(i), zap.Stringer("client_ip", i.client), zap.Int("status", e.status), zap.Int("mistakes", len(e.fields))}
	if e.cause != nil {
		fields = append(fields, zap.Error(e.cause))
	}
	entry.Write(fields...)
}

const (
	// wrongTokenLimit is how many requests without a valid token an address gets the
	// reason for in a window.
	wrongTokenLimit  = 10
	wrongTokenWindow = time.Minute
	// wrongTokenPlaces bounds the addresses that are remembered.
	wrongTokenPlaces = 4096
)

// wrongTokens counts requests without a valid token by address, IPv6 by /64.
type wrongTokens struct {
	mu     sync.Mutex
	places map[netip.Prefix]*wrongPlace
}

type wrongPlace struct {
	until time.Time
	count int
}

func newWrongTokens() *wrongTokens { return &wrongTokens{places: map[netip.Prefix]*wrongPlace{}} }

// count returns how long the address has to wait; 0 while it is within the limit.
func (t *wrongTokens) count(ip netip.Addr, now time.Time) time.Duration {
	bits := 64
	if ip = ip.Unmap(); ip.Is4() {
		bits = 32
	}
	place, err := ip.WithZone("").Prefix(bits)
	if err != nil {
		place = netip.Prefix{} // those whose address nobody knows share one
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.places[place]
	if p == nil || !now.Before(p.until) {
		if p == nil && len(t.places) >= wrongTokenPlaces && !t.forget(now) {
			return wrongTokenWindow
		}
		p = &wrongPlace{until: now.Add(wrongTokenWindow)}
		t.places[place] = p
	}
	if p.count++; p.count <= wrongTokenLimit {
		return 0
	}
	return p.until.Sub(now)
}

// forget makes room; false if everybody's window still runs.
func (t *wrongTokens) forget(now time.Time) bool {
	for place, p := range t.places {
		if !now.Before(p.until) {
			delete(t.places, place)
		}
	}
	return len(t.places) < wrongTokenPlaces
}
