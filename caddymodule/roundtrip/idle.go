package roundtrip

import (
	"sync"
	"time"
)

// sweepEvery is how long a connection that the upstream has closed can stay open here,
// as one of the files that this process may have.
const sweepEvery = 5 * time.Second

// target is where a connection goes.
type target struct{ network, address string }

// idle keeps the connections that wait for a request, the latest used at the end of
// each list: so the others come of age.
type idle struct {
	max     int
	timeout time.Duration
	clock   func() time.Time

	mu     sync.Mutex
	conns  map[target][]*conn
	sweep  *time.Timer // nil while nothing waits
	closed bool
}

func newIdle(c Config) idle {
	return idle{max: c.MaxIdle, timeout: c.IdleTimeout, clock: c.Clock, conns: map[target][]*conn{}}
}

// take returns a connection on which the upstream has neither hung up nor said
// anything, or nil. An answer to nothing would become that of the next request.
func (i *idle) take(to target) *conn {
	for {
		c := i.pop(to)
		if c == nil || !i.stale(c) {
			return c
		}
		c.close()
	}
}

func (i *idle) pop(to target) *conn {
	i.mu.Lock()
	defer i.mu.Unlock()
	list := i.conns[to]
	if len(list) == 0 {
		return nil
	}
	c := list[len(list)-1]
	list[len(list)-1] = nil
	i.conns[to] = list[:len(list)-1]
	return c
}

func (i *idle) stale(c *conn) bool {
	return i.timeout > 0 && i.clock().Sub(c.since) >= i.timeout || !c.probe.quiet()
}

// put reports whether it has kept the connection.
func (i *idle) put(c *conn) bool {
	if c.probe == nil || c.forgetDeadlines() != nil {
		return false
	}
	c.reused, c.since = true, i.clock()
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closed || len(i.conns[c.to]) >= i.max {
		return false
	}
	i.conns[c.to] = append(i.conns[c.to], c)
	if i.sweep == nil {
		i.sweep = time.AfterFunc(sweepEvery, i.clean)
	}
	return true
}

// clean closes what cannot be used any more, and comes back while something waits.
func (i *idle) clean() {
	i.mu.Lock()
	defer i.mu.Unlock()
	for to, list := range i.conns {
		kept := list[:0]
		for _, c := range list {
			if i.stale(c) {
				c.close()
			} else {
				kept = append(kept, c)
			}
		}
		clear(list[len(kept):])
		i.conns[to] = kept
		if len(kept) == 0 {
			delete(i.conns, to)
		}
	}
	if i.sweep == nil {
		return
	}
	if len(i.conns) == 0 {
		i.sweep = nil
		return
	}
	i.sweep.Reset(sweepEvery)
}

// clear closes all that wait, and if it is for ever, all that come.
func (i *idle) clear(forEver bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.closed = i.closed || forEver
	for _, list := range i.conns {
		for _, c := range list {
			c.close()
		}
	}
	clear(i.conns)
	if i.sweep != nil {
		i.sweep.Stop()
		i.sweep = nil
	}
}
