package roundtrip

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"time"
)

// conn is a connection to an upstream. It belongs to one request, or waits for one.
// Its buffer is its own and goes where it goes: bytes of one answer cannot turn up in
// that of another connection.
type conn struct {
	net    net.Conn
	to     target
	in     *bufio.Reader
	probe  *probe // nil if it cannot be told whether the connection is quiet
	since  time.Time
	reused bool

	readTimeout, writeTimeout time.Duration
	headBy                    time.Time // the deadline of the head, if there is one
	headRoom                  int64     // bytes that may still be read of it

	// Of the request that it belongs to. The write side may be in a goroutine of its
	// own, which has ended when they are asked.
	answered bool  // a byte came
	written  int64 // bytes
	readErr  error
	writeErr error
}

func newConn(c net.Conn, to target, readTimeout, writeTimeout time.Duration) *conn {
	out := &conn{net: c, to: to, probe: newProbe(c), readTimeout: readTimeout, writeTimeout: writeTimeout}
	out.in = bufio.NewReader(out)
	return out
}

// begin makes the connection that of another request.
func (c *conn) begin() {
	c.answered, c.written, c.readErr, c.writeErr = false, 0, nil, nil
}

// Read reads from the upstream; only the buffer calls it.
func (c *conn) Read(p []byte) (int, error) {
	if c.headRoom <= 0 {
		return 0, ErrHeaderTooLong
	}
	if err := c.setReadDeadline(); err != nil {
		return 0, err
	}
	n, err := c.net.Read(p[:min(int64(len(p)), c.headRoom)])
	c.headRoom -= int64(n)
	c.answered = c.answered || n > 0
	if err != nil {
		c.readErr = err
	}
	return n, err
}

func (c *conn) setReadDeadline() error {
	by := c.headBy
	if c.readTimeout > 0 {
		if next := time.Now().Add(c.readTimeout); by.IsZero() || next.Before(by) {
			by = next
		}
	}
	if by.IsZero() {
		return nil
	}
	return c.net.SetReadDeadline(by)
}

// onlyWriter hides what else a connection can do, which io.Copy would use.
type onlyWriter struct{ c *conn }

func (w onlyWriter) Write(p []byte) (int, error) {
	c := w.c
	if c.writeTimeout > 0 {
		if err := c.net.SetWriteDeadline(time.Now().Add(c.writeTimeout)); err != nil {
			return 0, err
		}
	}
	n, err := c.net.Write(p)
	c.written += int64(n)
	if err != nil {
		c.writeErr = err
	}
	return n, err
}

// expect allows for a head, until a time if there is one.
func (c *conn) expect(room int64, by time.Time) { c.headRoom, c.headBy = room, by }

// headRead ends what expect began.
func (c *conn) headRead() error {
	limited := !c.headBy.IsZero()
	c.expect(math.MaxInt64, time.Time{})
	if !limited {
		return nil
	}
	return c.net.SetReadDeadline(time.Time{})
}

// mayRetry says whether the request can go to another connection after it failed on
// this one. It can if this one had waited, the upstream hung up before it said
// anything, and the request is either not written at all or may be sent twice. The
// rule for the latter is http.Transport's.
func (c *conn) mayRetry(r *http.Request) bool {
	if !c.reused || c.answered || r.Context().Err() != nil || !hungUp(c.readErr) && !hungUp(c.writeErr) {
		return false
	}
	if hasBody(r) && r.GetBody == nil {
		return false
	}
	return c.written == 0 || repeatable(r)
}

func hungUp(err error) bool {
	return err != nil && !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, net.ErrClosed)
}

func repeatable(r *http.Request) bool {
	switch r.Method {
	case "", "GET", "HEAD", "OPTIONS", "TRACE":
		return true
	}
	return len(r.Header["Idempotency-Key"]) > 0 || len(r.Header["X-Idempotency-Key"]) > 0
}

// rewound returns the request with its body from the beginning.
func rewound(r *http.Request) (*http.Request, error) {
	if !hasBody(r) {
		return r, nil
	}
	body, err := r.GetBody()
	if err != nil {
		return nil, err
	}
	again := *r
	again.Body = body
	return &again, nil
}

// cause is why a request failed: first of all because nobody wants its answer. What
// the upstream did to a connection stands behind what was done to it here.
func cause(ctx context.Context, read, write error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case write != nil && (read == nil || errors.Is(read, net.ErrClosed)):
		return write
	case errors.Is(read, io.ErrUnexpectedEOF):
		return fmt.Errorf("the upstream hung up before it had answered: %w", read)
	}
	return read
}

// close is called by whoever gives the connection up, perhaps by several.
func (c *conn) close() {
	_ = c.net.Close() // nothing can be done about a connection that cannot be closed
}

// forgetDeadlines readies the connection for a time of waiting.
func (c *conn) forgetDeadlines() error {
	if c.readTimeout == 0 && c.writeTimeout == 0 {
		return nil
	}
	return c.net.SetDeadline(time.Time{})
}
