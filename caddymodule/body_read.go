package caddymodule

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/unknownpay/merchant-gateway/caddymodule/gate"
	"github.com/unknownpay/merchant-gateway/controlplane/signature"
)

// body reads the body of an admitted request and puts what it has read in its
// place. The held body is nil when there is none.
func (h *MerchantAuth) body(w http.ResponseWriter, r *http.Request, a *gate.Admission) (*heldBody, signature.Body, *gate.Refusal, error) {
	if r.ContentLength == 0 || r.Body == nil {
		r.Body = http.NoBody
		return nil, h.empty, nil, nil
	}
	held, err := h.read(w, r, a.BodyHashes())
	if err == nil {
		held.attach(r)
		return held, held.whole(), nil, nil
	}
	refusal := h.whyUnread(a, err)
	if refusal == nil {
		return held, signature.Body{}, nil, err
	}
	if h.ReportOnly {
		held.attachPart(r)
	} else if r.ProtoMajor == 1 {
		// net/http would go on reading for a while before it answers.
		w.Header().Set("Connection", "close")
	}
	return held, signature.Body{}, refusal, nil
}

// read holds the body, within the deadline. The first read is what makes net/http
// answer "Expect: 100-continue". Without a deadline in report-only mode, since a
// body that is late has to reach the upstream all the same.
func (h *MerchantAuth) read(w http.ResponseWriter, r *http.Request, hashes signature.Hashes) (*heldBody, error) {
	bodies := &h.app.deciding().data.bodies
	if h.ReportOnly {
		return bodies.hold(r.Body, r.ContentLength, h.limits, hashes)
	}
	control := http.NewResponseController(w)
	if err := control.SetReadDeadline(time.Now().Add(time.Duration(h.BodyTimeout))); err != nil {
		return &heldBody{owner: bodies}, fmt.Errorf("%w: set a deadline: %w", errBodyStorage, err)
	}
	held, err := bodies.hold(r.Body, r.ContentLength, h.limits, hashes)
	if err != nil {
		return held, err
	}
	// A deadline that is left would end the request while the upstream works.
	if err := control.SetReadDeadline(time.Time{}); err != nil {
		return held, fmt.Errorf("%w: remove the deadline: %w", errBodyStorage, err)
	}
	return held, nil
}

// whyUnread is the refusal for a body that could not be read; nil if that is
// nobody's fault but the client's connection's.
func (h *MerchantAuth) whyUnread(a *gate.Admission, err error) *gate.Refusal {
	var tooLarge *http.MaxBytesError
	var network net.Error
	switch {
	case errors.Is(err, errBodyTooLarge):
		return a.BodyTooLarge(h.MaxBody)
	case errors.As(err, &tooLarge): // by the request_body directive
		return a.BodyTooLarge(tooLarge.Limit)
	case errors.Is(err, errBodyStorage):
		return a.Unavailable(err)
	case errors.As(err, &network) && network.Timeout():
		return a.BodyTimeout(time.Duration(h.BodyTimeout))
	}
	return nil
}

// attachPart puts the part that was read back in front of the rest.
func (h *heldBody) attachPart(r *http.Request) {
	if h.size == 0 {
		return
	}
	h.first.body = h
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(&h.first, r.Body), r.Body}
}
