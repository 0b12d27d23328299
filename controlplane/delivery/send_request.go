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
	jsonType        = "application/json"
)

func (s *HTTPSender) request(u *url.URL, r Request, signature string) *http.Request {
	body := func() io.ReadCloser { return io.NopCloser(bytes.NewReader(r.Body)) }
	return &http.Request{
		Method: http.MethodPost,
		URL:    u,
		Host:   u.Host,
		Header: http.Header{
			headerID:        {r.EventID},
			headerTimestamp: {timestamp(r.At)},
			headerSignature: {signature},
			headerType:      {jsonType},
			"User-Agent":    {s.userAgent},
			// Not sent, but lets the transport try again when a connection that was
			// used before turns out to be closed: the webhook-id is what makes the
			// request idempotent.
			"Idempotency-Key": nil,
		},
		Body:          body(),
		GetBody:       func() (io.ReadCloser, error) { return body(), nil },
		ContentLength: int64(len(r.Body)),
	}
}

// shownRequest lists the headers as they are sent. None holds a secret: the
// signature is good for this body, id and time only.
func (s *HTTPSender) shownRequest(u *url.URL, r Request, signature string) []controlplane.Header {
	return []controlplane.Header{
		{Name: "host", Value: u.Host},
		{Name: "user-agent", Value: s.userAgent},
		{Name: "content-length", Value: strconv.Itoa(len(r.Body))},
		{Name: headerType, Value: jsonType},
		{Name: headerID, Value: r.EventID},
		{Name: headerTimestamp, Value: timestamp(r.At)},
		{Name: headerSignature, Value: signature},
	}
}
