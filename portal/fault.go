package portal

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// httpError is a failure that is an error page of its own.
type httpError struct {
	status     int
	retryAfter time.Duration
	cause      error
}

func (e httpError) Error() string {
	if e.cause == nil {
		return http.StatusText(e.status)
	}
	return http.StatusText(e.status) + ": " + e.cause.Error()
}

func (e httpError) Unwrap() error { return e.cause }

// asHTTPError maps every error to an answer, once for all pages. What is not a
// typed error is a fault of ours and says nothing to the reader.
func asHTTPError(err error) httpError {
	var h httpError
	if errors.As(err, &h) {
		return h
	}
	var tooBig *http.MaxBytesError
	if errors.As(err, &tooBig) {
		return httpError{status: http.StatusRequestEntityTooLarge, cause: err}
	}
	h = httpError{status: http.StatusInternalServerError, cause: err}
	var e *controlplane.Error
	if errors.As(err, &e) {
		h.status, h.retryAfter = StatusOf(e.Code), e.RetryAfter
		if e.Code == controlplane.CodeLimit && e.RetryAfter > 0 {
			h.status = http.StatusTooManyRequests // a limit of attempts, not of things
		}
	}
	return h
}

// StatusOf is the HTTP status of a code, in pages and in the admin API.
func StatusOf(c controlplane.Code) int {
	switch c {
	case controlplane.CodeInvalid:
		return http.StatusBadRequest
	case controlplane.CodeNotFound:
		return http.StatusNotFound
	case controlplane.CodePending:
		return http.StatusAccepted
	case controlplane.CodeConflict, controlplane.CodeLimit:
		return http.StatusConflict
	case controlplane.CodeDenied, controlplane.CodeSudoRequired, controlplane.CodeSuspended:
		return http.StatusForbidden
	case controlplane.CodeUnavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// errorPage says what happened, what to do, and by which id we can find it.
type errorPage struct {
	Status int
	// Name selects the texts: the status, or "suspended".
	Name string
	// Detail is the operation's own message; it is in English.
	Detail    string
	RequestID string
}

// pageStatus is the status whose texts explain e.
func pageStatus(status int) int {
	switch status {
	case 400, 403, 404, 405, 409, 413, 429, 500, 503:
		return status
	}
	if status < 500 {
		return http.StatusBadRequest
	}
	return http.StatusInternalServerError
}

// fail answers with an error page. A confirmation or a session that ran out while
// a form was filled in leads there instead.
func (x *exchange) fail(err error) {
	x.cause = err
	switch controlplane.CodeOf(err) {
	case controlplane.CodeSudoRequired:
		x.askSudo()
		return
	case controlplane.CodePending: // done, as far as one person may
		x.setNotice("approval_waits")
		http.Redirect(x.w, x.r, x.at("approvals"), http.StatusSeeOther)
		return
	case controlplane.CodeUnauthenticated: // it ended after the middleware looked
		x.session = Session{State: StateAnonymous}
		x.lead()
		return
	}
	h := asHTTPError(err)
	page := errorPage{Status: h.status, Name: strconv.Itoa(pageStatus(h.status)), RequestID: x.requestID}
	var e *controlplane.Error
	if errors.As(err, &e) {
		switch e.Code {
		case controlplane.CodeSuspended:
			page.Name = "suspended"
		case controlplane.CodeConflict, controlplane.CodeLimit:
			page.Detail = e.Message
		}
	}
	x.retryAfter(h.retryAfter)
	if err := x.render(h.status, "error", page); err != nil {
		x.cause = fmt.Errorf("%w; and then the error page: %w", x.cause, err)
		x.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		http.Error(x.w, "Internal error. Request id: "+x.requestID, http.StatusInternalServerError)
	}
}

// retryAfter says when to come back, in whole seconds.
func (x *exchange) retryAfter(d time.Duration) {
	if d > 0 {
		x.w.Header().Set("Retry-After", strconv.Itoa(int(max(d, time.Second)/time.Second)))
	}
}

func (p errorPage) title() (string, []any) { return "error." + p.Name + ".title", nil }
