package signature

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// DefaultBodyLimit is how many bytes of a body without GetBody a [Transport]
// buffers: the default limit of the gateway itself.
const DefaultBodyLimit = 1 << 20

// The errors of [Transport.RoundTrip] that a caller may want to tell apart.
var (
	// ErrForeignOrigin: the request, or a redirect, leads to another scheme,
	// host or port than the transport signs for. Nothing was sent.
	ErrForeignOrigin = errors.New("signature: refused to send to another origin than the transport signs for")
	// ErrBodyTooLarge: the body has no GetBody and exceeds the limit.
	ErrBodyTooLarge = errors.New("signature: the body must be hashed before it is sent and is too large to buffer: set Request.GetBody or raise WithBodyLimit")
)

// Transport is an http.RoundTripper that signs every request it sends, with
// the time and a new nonce of that attempt. It is safe for concurrent use.
//
// It sends to one origin only. A request or redirect to any other scheme, host
// or port fails with [ErrForeignOrigin] and is not sent, neither signed nor
// unsigned: a redirect with 307 or 308 would carry the body along. Request.Host
// may differ from the URL's host; it is signed as sent.
//
// A body with GetBody (http.NewRequest sets it for bytes and strings) is read
// twice and never buffered. Any other body is buffered up to the limit of
// [WithBodyLimit].
//
// net/http may itself send a request again when a kept-alive connection turns
// out to be dead. Such a copy carries the same nonce, so at most one of them is
// let through, and the other is answered REQUEST_REPLAYED.
type Transport struct {
	base   http.RoundTripper
	origin origin
	signer *Signer
	clock  func() time.Time
	random io.Reader
	limit  int64
	sign   func(*http.Request, [sha256.Size]byte, time.Time, string) error
}

// Option changes a default of a [Transport].
type Option func(*Transport)

// WithClock replaces time.Now, for tests and for machines whose clock is known
// to be off.
func WithClock(clock func() time.Time) Option {
	return func(t *Transport) { t.clock = clock }
}

// WithRandom replaces crypto/rand.Reader as the source of nonces. The reader
// must be safe for concurrent use.
func WithRandom(random io.Reader) Option {
	return func(t *Transport) { t.random = random }
}

// WithBodyLimit replaces [DefaultBodyLimit], in bytes.
func WithBodyLimit(bytes int64) Option {
	return func(t *Transport) { t.limit = bytes }
}

// WithRFC9421 signs with HTTP Message Signatures and Content-Digest in place of
// UNK1.
func WithRFC9421() Option {
	return func(t *Transport) { t.sign = t.signer.SignRFC9421 }
}

// NewTransport returns a transport that signs for an origin such as
// https://api.example.com, with a key id and its secret as the portal showed
// them. A nil base means http.DefaultTransport. It refuses an empty secret, a
// text that is not a key id, and an origin that is more or less than scheme,
// host and port.
func NewTransport(base http.RoundTripper, originURL, keyID, secret string, opts ...Option) (*Transport, error) {
	signer, err := NewSigner(keyID, secret)
	if err != nil {
		return nil, err
	}
	o, err := parseOrigin(originURL)
	if err != nil {
		return nil, err
	}
	if base == nil {
		base = http.DefaultTransport
	}
	t := &Transport{base: base, origin: o, signer: signer, clock: time.Now, random: rand.Reader, limit: DefaultBodyLimit, sign: signer.Sign}
	for _, opt := range opts {
		opt(t)
	}
	return t, nil
}

// origin is a scheme and a normalised host, so that https://h and https://H:443
// are one.
type origin struct{ scheme, host string }

func parseOrigin(text string) (origin, error) {
	u, err := url.Parse(text)
	if err != nil {
		return origin{}, errors.New("signature: the origin is not a URL")
	}
	if u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.RequestURI() != "/" || u.Fragment != "" {
		return origin{}, errors.New("signature: the origin must be a scheme and a host, such as https://api.example.com")
	}
	return originOf(u)
}

func originOf(u *url.URL) (origin, error) {
	host, err := Host(u.Host, u.Scheme)
	return origin{scheme: u.Scheme, host: host}, err
}

// RoundTrip signs a copy of req and sends it. As http.RoundTripper demands, it
// leaves req as it is but for its body, which is always closed.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	signed, err := t.signedCopy(req)
	if err != nil {
		closeBody(req)
		return nil, err
	}
	return t.base.RoundTrip(signed)
}

// Format keeps the key out of logs, whatever the verb.
func (t Transport) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "transport to %s://%s, %s", t.origin.scheme, t.origin.host, t.signer)
}

// CloseIdleConnections lets http.Client.CloseIdleConnections reach the base.
func (t *Transport) CloseIdleConnections() {
	if c, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

func (t *Transport) signedCopy(req *http.Request) (*http.Request, error) {
	if req.URL == nil {
		return nil, errNoURL
	}
	if o, err := originOf(req.URL); err != nil || o != t.origin {
		return nil, errors.Join(ErrForeignOrigin, err)
	}
	signed := req.Clone(req.Context())
	hash, err := t.hashBody(signed)
	if err != nil {
		return nil, err
	}
	nonce, err := NewNonce(t.random)
	if err != nil {
		return nil, err
	}
	if err := t.sign(signed, hash, t.clock(), nonce); err != nil {
		return nil, err
	}
	return signed, nil
}

// hashBody returns the SHA-256 of the body and leaves req with a body that can
// still be sent.
func (t *Transport) hashBody(req *http.Request) (hash [sha256.Size]byte, err error) {
	body := req.Body
	switch {
	case body == nil || body == http.NoBody:
		return sha256.Sum256(nil), nil
	case req.GetBody == nil:
		return t.bufferBody(req)
	}
	if body, err = req.GetBody(); err != nil {
		return hash, fmt.Errorf("signature: get the body to hash it: %w", err)
	}
	digest := sha256.New()
	if _, err = io.Copy(digest, body); err != nil {
		return hash, errors.Join(fmt.Errorf("signature: read the body to hash it: %w", err), body.Close())
	}
	digest.Sum(hash[:0])
	return hash, body.Close()
}

func (t *Transport) bufferBody(req *http.Request) (hash [sha256.Size]byte, err error) {
	var buf bytes.Buffer
	n, err := buf.ReadFrom(io.LimitReader(req.Body, t.limit+1))
	if err != nil {
		return hash, fmt.Errorf("signature: read the body to hash it: %w", err)
	}
	if n > t.limit {
		return hash, ErrBodyTooLarge
	}
	if err := req.Body.Close(); err != nil {
		return hash, fmt.Errorf("signature: close the body: %w", err)
	}
	req.Body = http.NoBody
	if n > 0 {
		req.GetBody = func() (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(buf.Bytes())), nil
		}
		req.Body, err = req.GetBody()
	}
	if req.ContentLength <= 0 { // net/http refuses a declared length that is wrong
		req.ContentLength = n
	}
	return sha256.Sum256(buf.Bytes()), err
}

// closeBody drops the error of Close: nothing was sent, and the caller gets the
// reason for that.
func closeBody(req *http.Request) {
	if req.Body != nil {
		req.Body.Close()
	}
}
