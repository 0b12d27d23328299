package store

import (
	"context"
	"errors"
	"sync"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// reading keeps account of the Views that run, so that those which keep the
// write-ahead log from being emptied can be ended.
type reading struct {
	mu   sync.Mutex
	next int64
	open map[int64]context.CancelCauseFunc
}

// begin counts a View in. Its context ends when it is ended; leave must be called.
func (r *reading) begin(ctx context.Context) (ended context.Context, leave func()) {
	ctx, end := context.WithCancelCause(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open == nil {
		r.open = map[int64]context.CancelCauseFunc{}
	}
	r.next++
	id := r.next
	r.open[id] = end
	return ctx, func() {
		end(nil)
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.open, id)
	}
}

// clear makes do succeed: no View begins meanwhile, and those that still run when
// it has failed once are ended. It reports whether do succeeded.
func (r *reading) clear(do func() bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if do() {
		return true
	}
	for _, end := range r.open {
		end(errReadTooLong())
	}
	return do()
}

// ended words the failure of a View that was ended.
func ended(ctx context.Context, err error) error {
	if too := new(controlplane.Error); err != nil && errors.As(context.Cause(ctx), &too) {
		return too
	}
	return err
}

func errReadTooLong() error {
	return controlplane.Errorf(controlplane.CodeUnavailable, "the read was ended because it kept the database's log from being emptied; try again, and read less at once")
}
