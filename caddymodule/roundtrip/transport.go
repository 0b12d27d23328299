// Package roundtrip is an HTTP/1.1 client for a reverse proxy: it writes a request
// and reads its answer in the goroutine that asks, where http.Transport has two
// goroutines for each connection and hands every request from one to the next.
//
// The framing is net/http's own: requests are written by http.Request.Write, answers
// read by http.ReadResponse. What is done here is what lies between them: which
// connection a request takes, when it may be used again, and how a request ends.
//
// It refuses to speak TLS, HTTP/2 and the protocols that a connection can be switched
// to, to follow proxies of the environment, and to decompress. It never uses a
// connection again that had a byte too many, an answer that was not read to its end,
// or a request that was not written to its end.
package roundtrip

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/net/http/httpguts"
)

// Config is what a Transport needs. Durations of 0 are no limit.
type Config struct {
	// Dial opens a connection. Its errors are returned as they are.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Address says where a request goes.
	Address func(*http.Request) (network, address string)

	// HeaderTimeout is how long the head of an answer may take after the request was
	// written; a body of more than 32 KiB, or of unknown length, is still on its way.
	HeaderTimeout time.Duration
	// ReadTimeout and WriteTimeout limit each single read and write.
	ReadTimeout, WriteTimeout time.Duration
	// MaxHeader is the longest head of an answer in bytes, at least 1. Informational
	// answers (1xx) count, unless somebody asked to see them.
	MaxHeader int64

	// MaxIdle is how many connections to one address wait for another request; 0 is
	// none. IdleTimeout is how long one does.
	MaxIdle     int
	IdleTimeout time.Duration
	// Clock tells how long a connection was idle.
	Clock func() time.Time
}

// Transport is an http.RoundTripper. Close it when it is not needed any more.
type Transport struct {
	config  Config
	idle    idle
	writers sync.Pool // *bufio.Writer
}

// New returns a Transport without connections.
func New(c Config) *Transport {
	return &Transport{config: c, idle: newIdle(c)}
}

var (
	// ErrScheme refuses what is not plain HTTP.
	ErrScheme = errors.New("this transport speaks plain HTTP/1.1 only: use transport http for this upstream")
	// ErrHeaderTooLong ends an answer whose head goes on and on.
	ErrHeaderTooLong = errors.New("the head of the upstream's answer is too long")

	errSwitched = errors.New("the upstream switched to a protocol that was not asked for")
	errStatus   = errors.New("the upstream's status is not one of HTTP: 100 to 999")
)

// RoundTrip sends the request and returns when the head of the answer is there. As
// with http.Transport, the request's body may still be read then if the upstream has
// answered early; it is not any more when an error is returned.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := refuse(r); err != nil {
		return nil, abandon(r, err)
	}
	r = withoutUpgrade(r)
	if c := t.reuse(r); c != nil {
		answer, err := t.exchange(c, r)
		if err == nil || !c.mayRetry(r) {
			return answer, err
		}
		if r, err = rewound(r); err != nil {
			return nil, err
		}
	}
	c, err := t.dial(r)
	if err != nil {
		return nil, abandon(r, err)
	}
	return t.exchange(c, r)
}

// refuse is what http.Transport does before it writes: http.Request.Write would put
// a line break of a header or a method on the wire.
func refuse(r *http.Request) error {
	if r.URL.Scheme != "" && r.URL.Scheme != "http" {
		return ErrScheme
	}
	// A method is a token, as the name of a field is (RFC 9110 §9.1).
	if r.Method != "" && !httpguts.ValidHeaderFieldName(r.Method) {
		return fmt.Errorf("the method %q is not one of HTTP", r.Method)
	}
	if err := errors.Join(checkFields(r.Header), checkFields(r.Trailer)); err != nil {
		return err
	}
	return context.Cause(r.Context())
}

// checkFields refuses names and values that one program would read in another way
// than the next, such as a space before the colon (RFC 9112 §5.1).
func checkFields(fields http.Header) error {
	for name, values := range fields {
		if !httpguts.ValidHeaderFieldName(name) {
			return fmt.Errorf("the header name %q is not one of HTTP", name)
		}
		for _, value := range values {
			if !httpguts.ValidHeaderFieldValue(value) {
				return fmt.Errorf("the value of the header %q has bytes that are not allowed", name)
			}
		}
	}
	return nil
}

// withoutUpgrade leaves the offer of another protocol out, which every HTTP server
// has to expect (RFC 9110 §7.8).
func withoutUpgrade(r *http.Request) *http.Request {
	if len(r.Header["Upgrade"]) == 0 {
		return r
	}
	plain := *r
	plain.Header = r.Header.Clone()
	plain.Header.Del("Upgrade")
	plain.Header.Del("Connection")
	return &plain
}

func hasBody(r *http.Request) bool { return r.Body != nil && r.Body != http.NoBody }

// abandon closes the body of a request that was not sent. The error stays what it is,
// because reverse_proxy looks at its type.
func abandon(r *http.Request, err error) error {
	if r.Body == nil {
		return err
	}
	if closing := r.Body.Close(); closing != nil {
		return errors.Join(err, closing)
	}
	return err
}

func (t *Transport) reuse(r *http.Request) *conn {
	network, address := t.config.Address(r)
	return t.idle.take(target{network, address})
}

func (t *Transport) dial(r *http.Request) (*conn, error) {
	network, address := t.config.Address(r)
	c, err := t.config.Dial(r.Context(), network, address)
	if err != nil {
		return nil, err
	}
	return newConn(c, target{network, address}, t.config.ReadTimeout, t.config.WriteTimeout), nil
}

// CloseIdleConnections closes what waits for a request. Connections in use may wait
// for another one afterwards.
func (t *Transport) CloseIdleConnections() { t.idle.clear(false) }

// Close closes what waits for a request, and what is in use after its answer.
func (t *Transport) Close() { t.idle.clear(true) }

// writer returns a buffer for a request, empty.
func (t *Transport) writer(c *conn) *bufio.Writer {
	if w, ok := t.writers.Get().(*bufio.Writer); ok {
		w.Reset(onlyWriter{c})
		return w
	}
	return bufio.NewWriterSize(onlyWriter{c}, writeBuffer)
}
