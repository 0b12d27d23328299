package caddymodule

import (
	"sync"
	"sync/atomic"
)

// leasesClosed is subtracted from the count to close it: far more than there can
// be requests.
const leasesClosed = 1 << 40

// leases counts the requests that still use the open data of a configuration. A
// reload does not wait for requests in flight: without leases a slow one would
// meet a closed nonce store.
type leases struct {
	held    atomic.Int64 // negative once closed
	closing sync.Once
	ending  sync.Once
	drained chan struct{}
}

func newLeases() *leases { return &leases{drained: make(chan struct{})} }

// take is false once the leases are closed. It costs one atomic addition.
func (l *leases) take() bool {
	if l.held.Add(1) > 0 {
		return true
	}
	l.give()
	return false
}

func (l *leases) give() {
	if l.held.Add(-1) == -leasesClosed {
		l.end()
	}
}

func (l *leases) end() { l.ending.Do(func() { close(l.drained) }) }

// close lets no more in and returns a channel that closes when all are through.
func (l *leases) close() <-chan struct{} {
	l.closing.Do(func() {
		if l.held.Add(-leasesClosed) == -leasesClosed {
			l.end()
		}
	})
	return l.drained
}
