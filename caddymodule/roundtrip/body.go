package roundtrip

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
)

// body is that of an answer. It reads from the connection as it is read, so that a
// slow reader slows the upstream down.
type body struct {
	src    io.Reader
	x      *exchange
	over   error // what every further read gets
	closed atomic.Bool
}

// Read fails with the reason when the request was cancelled.
func (b *body) Read(p []byte) (int, error) {
	if b.closed.Load() {
		return 0, http.ErrBodyReadAfterClose
	}
	if b.over != nil {
		return 0, b.over
	}
	n, err := b.src.Read(p)
	if err == nil {
		return n, nil
	}
	whole := errors.Is(err, io.EOF)
	if !whole && b.x.ctx.Err() != nil {
		err = context.Cause(b.x.ctx)
	}
	b.over = err
	b.x.end(whole)
	return n, err
}

// Close closes the connection unless the body was read to its end: nobody knows how
// much would have to be read to use it again.
func (b *body) Close() error {
	b.closed.Store(true)
	b.x.end(false)
	return nil
}
