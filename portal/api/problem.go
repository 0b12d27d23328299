package api

import (
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

const problemMedia = "application/problem+json"

// Problem is every error, in the form of RFC 9457. Its type is "about:blank", left
// out as §4.2.1 allows: code is what programs look at.
type Problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	// Code is one of the closed set of [controlplane.Code].
	Code   controlplane.Code         `json:"code"`
	Detail string                    `json:"detail,omitempty"`
	Fields []controlplane.FieldError `json:"fields,omitempty"`
	// ApprovalID is what a change waits for, with status 202.
	ApprovalID string `json:"approval_id,omitempty"`
	RequestID  string `json:"request_id"`
}

// httpError is an error that HTTP has a status of its own for.
type httpError struct {
	domain *controlplane.Error
	status int
	allow  string
}

func (e *httpError) Error() string { return e.domain.Error() }
func (e *httpError) Unwrap() error { return e.domain }

func refused(status int, format string, args ...any) *httpError {
	return &httpError{domain: controlplane.Errorf(controlplane.CodeInvalid, format, args...), status: status}
}

func wrongMethod(methods map[string]Route) error {
	var allow []string
	for m := range methods {
		if allow = append(allow, m); m == get {
			allow = append(allow, http.MethodHead)
		}
	}
	slices.Sort(allow)
	e := refused(http.StatusMethodNotAllowed, "this address takes %s", strings.Join(allow, ", "))
	e.allow = strings.Join(allow, ", ")
	return e
}

// statusOf maps the codes, once for all routes.
func statusOf(e *controlplane.Error) int {
	switch e.Code {
	case controlplane.CodeInvalid:
		return http.StatusBadRequest
	case controlplane.CodeUnauthenticated:
		return http.StatusUnauthorized
	case controlplane.CodeDenied, controlplane.CodeSudoRequired, controlplane.CodeSuspended:
		return http.StatusForbidden
	case controlplane.CodeNotFound:
		return http.StatusNotFound
	case controlplane.CodePending:
		return http.StatusAccepted
	case controlplane.CodeConflict:
		return http.StatusConflict
	case controlplane.CodeLimit:
		if e.RetryAfter > 0 {
			return http.StatusTooManyRequests // a limit of attempts, not of things
		}
		return http.StatusConflict
	case controlplane.CodeUnavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// fail answers with a problem. What is not a typed error is a fault of ours and
// says nothing to the caller.
func (x *exchange) fail(err error) {
	x.cause = err
	e := &controlplane.Error{Code: controlplane.CodeInternal}
	if !errors.As(err, &e) || e.Code == controlplane.CodeInternal {
		e = controlplane.Errorf(controlplane.CodeInternal, "internal error; the log of the server says more, by the request id")
	}
	status := statusOf(e)
	var h *httpError
	if errors.As(err, &h) {
		e, status = h.domain, h.status
		if h.allow != "" {
			x.w.Header().Set("Allow", h.allow)
		}
	}
	x.hints(e, status)
	detail := e.Message
	if e.Code == controlplane.CodeSudoRequired {
		detail = fmt.Sprintf("%s needs a confirmed token: one issued with confirmed for a member of staff with a second factor", x.route.Operation)
	}
	x.write(status, problemMedia, Problem{
		Title: http.StatusText(status), Status: status, Code: e.Code, Detail: detail, Fields: e.Fields, ApprovalID: e.ApprovalID, RequestID: x.id,
	})
}

// hints are the headers by which HTTP says what to do next.
func (x *exchange) hints(e *controlplane.Error, status int) {
	if status == http.StatusAccepted {
		x.w.Header().Set("Location", Prefix+"/approvals/"+e.ApprovalID)
	}
	if status == http.StatusUnauthorized {
		x.w.Header().Set("WWW-Authenticate", `Bearer realm="admin"`)
	}
	wait := e.RetryAfter
	if status == http.StatusServiceUnavailable {
		wait = max(wait, time.Second)
	}
	if wait > 0 {
		x.w.Header().Set("Retry-After", strconv.Itoa(int((wait+time.Second-1)/time.Second)))
	}
}

// recoverPanic turns a panic into a problem. Its value may hold what a log must
// not: only its type and the stack are kept.
func (x *exchange) recoverPanic() {
	v := recover()
	if v == nil {
		return
	}
	if v == http.ErrAbortHandler { //nolint:errorlint // net/http compares the very value, too
		panic(v)
	}
	err := fmt.Errorf("panic of type %T\n%s", v, debug.Stack())
	if x.status != 0 {
		x.cause = err
		return
	}
	x.fail(err)
}

// log writes the one event of a request. It names the route, not the address.
func (x *exchange) log(took time.Duration) {
	fields := []zap.Field{
		zap.String("request_id", x.id), zap.String("method", x.route.Method), zap.String("route", x.route.Path), zap.Int("status", x.status),
		zap.Duration("took", took), zap.Stringer("client_ip", x.ip),
	}
	if x.actor.ID != "" {
		fields = append(fields, zap.String("staff_id", x.actor.ID), zap.String("token_id", x.actor.TokenID))
	}
	if x.cause != nil {
		fields = append(fields, zap.Error(x.cause))
	}
	x.Logger.Check(logLevel(x.status), "admin API request").Write(fields...)
}

// logLevel: what we broke is an error, what someone was refused is worth a look.
func logLevel(status int) zapcore.Level {
	switch {
	case status >= http.StatusInternalServerError:
		return zap.ErrorLevel
	case status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusTooManyRequests:
		return zap.WarnLevel
	}
	return zap.InfoLevel
}
