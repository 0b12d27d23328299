package delivery

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// The header names of Standard Webhooks 1.0.0, which are lower case on the wire
// too.
const (
	headerID        = "webhook-id"
	headerTimestamp = "webhook-timestamp"
	headerSignature = "webhook-signature"
	headerType      = "content-type"
	headerUserAgent = "User-Agent"
)

func (s *HTTPSender) request(u *url.URL, r Request, signature string) *http.Request {
	body := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(r.Body)), nil }
	first, _ := body() // cannot fail
	return &http.Request{
		Method: http.MethodPost,
		URL:    u,
		Host:   u.Host,
		Header: http.Header{
			headerID:        {r.EventID},
			headerTimestamp: {timestamp(r.At)},
			headerSignature: {signature},
			headerType:      {"application/json"},
			headerUserAgent: {s.userAgent},
			// Not sent, but lets the transport try again when a connection that was
			// used before turns out to be closed: the webhook-id is what makes the
			// request idempotent.
			"Idempotency-Key": nil,
		},
		Body:          first,
		GetBody:       body,
		ContentLength: int64(len(r.Body)),
	}
}

// shownRequest lists the headers as they are sent. None holds a secret: the
// signature is good for this body, id and time only.
func shownRequest(req *http.Request) []controlplane.Header {
	shown := []controlplane.Header{
		{Name: "host", Value: req.Host},
		{Name: "user-agent", Value: req.Header[headerUserAgent][0]},
		{Name: "content-length", Value: strconv.FormatInt(req.ContentLength, 10)},
	}
	for _, name := range []string{headerType, headerID, headerTimestamp, headerSignature} {
		shown = append(shown, controlplane.Header{Name: name, Value: req.Header[name][0]})
	}
	return shown
}
