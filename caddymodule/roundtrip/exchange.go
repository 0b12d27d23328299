package roundtrip

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"sync/atomic"
	"time"
)

const (
	// longestAlone is the longest body that is written before the answer is read. It
	// fits into the buffers that the kernels of both ends have from the start, so that
	// an upstream that writes before it reads cannot make both sides wait for ever.
	longestAlone = 32 << 10
	// writeBuffer takes such a body and its head: one write.
	writeBuffer = longestAlone + 4<<10
	// lateWriter is how long an answer that is at its end waits for the goroutine that
	// writes the request to say that it is, too.
	lateWriter = 50 * time.Millisecond
)

// exchange is one request and its answer on a connection.
type exchange struct {
	t    *Transport
	c    *conn
	ctx  context.Context
	last bool // the connection takes no other request
	// keep disarms what closes the connection when the request is cancelled, and
	// reports whether that has not happened.
	keep func() bool
	// wrote gets the outcome of a write beside the reading; nil if there is none.
	wrote chan error
	ended atomic.Bool
}

// exchange writes the request and reads the head of the answer. When it fails, the
// connection is closed and nothing reads the request's body any more.
func (t *Transport) exchange(c *conn, r *http.Request) (*http.Response, error) {
	c.begin()
	// After CONNECT an upstream may take the next request for what it has to tunnel.
	x := &exchange{t: t, c: c, ctx: r.Context(), last: r.Close || r.Method == http.MethodConnect}
	x.keep = context.AfterFunc(x.ctx, c.close)
	answer, err := x.do(r)
	if err != nil {
		return nil, x.fail(err)
	}
	if answer.Close || answer.StatusCode < 200 {
		x.last = true
	}
	if answer.Body == http.NoBody {
		x.end(true)
	} else {
		answer.Body = &body{src: answer.Body, x: x}
	}
	return answer, nil
}

func (x *exchange) do(r *http.Request) (*http.Response, error) {
	if alone(r) {
		if err := x.write(r); err != nil {
			return nil, err
		}
	} else {
		x.wrote = make(chan error, 1)
		go x.writeBeside(r)
	}
	return x.head(r)
}

// alone says whether the request is written before anything is read.
func alone(r *http.Request) bool {
	return !hasBody(r) || r.ContentLength > 0 && r.ContentLength <= longestAlone
}

// sized keeps http.Request.Write from sending the head by itself, as it does with a
// bufio.Writer: one write less, and one packet.
type sized struct{ *bufio.Writer }

func (x *exchange) write(r *http.Request) (err error) {
	from := &source{ReadCloser: r.Body}
	if hasBody(r) {
		out := *r
		out.Body = from
		r = &out
	}
	w := x.t.writer(x.c)
	if r.ContentLength > 0 || alone(r) {
		err = r.Write(sized{w})
	} else {
		err = r.Write(w) // what comes in small pieces leaves in small pieces
	}
	if err == nil {
		err = w.Flush()
	}
	w.Reset(nil)
	x.t.writers.Put(w)
	if err == nil {
		return nil
	}
	return cmp.Or(from.err, x.c.writeErr, err)
}

// source remembers why a body could not be read. http.Request.Write hides it in an
// error of its own, and reverse_proxy answers some errors in their own way (413).
type source struct {
	io.ReadCloser
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// writeBeside closes the connection of a request that cannot be written: what was
// sent of it is no request, and whoever waits for the answer waits in vain.
func (x *exchange) writeBeside(r *http.Request) {
	err := x.write(r)
	if err != nil {
		x.c.close()
	}
	x.wrote <- err
}

// head reads up to the final answer.
func (x *exchange) head(r *http.Request) (*http.Response, error) {
	var by time.Time
	if x.t.config.HeaderTimeout > 0 {
		by = time.Now().Add(x.t.config.HeaderTimeout)
	}
	x.c.expect(x.t.config.MaxHeader, by)
	trace := httptrace.ContextClientTrace(x.ctx)
	for {
		answer, err := http.ReadResponse(x.c.in, r)
		if err == nil {
			err = checkFields(answer.Header)
		}
		if err != nil {
			return nil, err
		}
		switch code := answer.StatusCode; {
		case code < 100:
			return nil, errStatus
		case code == http.StatusSwitchingProtocols:
			return nil, errSwitched
		case code >= 200:
			return answer, x.c.headRead()
		}
		if trace != nil && trace.Got1xxResponse != nil {
			if err := trace.Got1xxResponse(answer.StatusCode, textproto.MIMEHeader(answer.Header)); err != nil {
				return nil, err
			}
			x.c.expect(x.t.config.MaxHeader, by)
		}
	}
}

// fail ends an exchange without an answer.
func (x *exchange) fail(err error) error {
	x.keep()
	x.c.close()
	if x.wrote == nil {
		return cause(x.ctx, err, nil)
	}
	return cause(x.ctx, err, <-x.wrote)
}

// end gives the connection back, or closes it. whole says that the answer was read to
// its end. What is left in the buffer then would be taken for the next answer.
func (x *exchange) end(whole bool) {
	if !x.ended.CompareAndSwap(false, true) {
		return
	}
	if !x.keep() || !whole || x.last || x.c.in.Buffered() > 0 || !x.written() || !x.t.idle.put(x.c) {
		x.c.close()
	}
}

// written says whether the request was written to its end.
func (x *exchange) written() bool {
	if x.wrote == nil {
		return true
	}
	late := time.NewTimer(lateWriter)
	defer late.Stop()
	select {
	case err := <-x.wrote:
		return err == nil
	case <-late.C:
		return false
	}
}
