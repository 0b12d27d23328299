package api

import (
	"net/netip"
	"sync"
	"time"
)

const (
	wrongTokens  = 30 // from one network in one window
	wrongWindow  = time.Minute
	maxThrottled = 10_000 // networks remembered; about 1 MB
)

// throttle counts wrong tokens by the network that they come from.
type throttle struct {
	clock func() time.Time
	mu    sync.Mutex
	seen  map[netip.Prefix]wrongCount
}

type wrongCount struct {
	n    int
	ends time.Time
}

func newThrottle(clock func() time.Time) *throttle {
	return &throttle{clock: clock, seen: map[netip.Prefix]wrongCount{}}
}

// network is an IPv4 address or an IPv6 /64, which is what one subscriber has. All
// addresses that cannot be told share one.
func network(ip netip.Addr) netip.Prefix {
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	p, err := ip.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// wait is how long the network has to wait; 0 means that it may try.
func (t *throttle) wait(ip netip.Addr) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.seen[network(ip)]
	if c.n < wrongTokens {
		return 0
	}
	return max(0, c.ends.Sub(t.clock()))
}

func (t *throttle) count(ip netip.Addr) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now, key := t.clock(), network(ip)
	c := t.seen[key]
	if !now.Before(c.ends) {
		c = wrongCount{ends: now.Add(wrongWindow)}
	}
	if len(t.seen) >= maxThrottled {
		t.forget(now)
	}
	c.n++
	t.seen[key] = c
}

// forget drops what has ended; if nothing has, all: a flood from ten thousand
// networks is not stopped by a list of them.
func (t *throttle) forget(now time.Time) {
	for key, c := range t.seen {
		if !now.Before(c.ends) {
			delete(t.seen, key)
		}
	}
	if len(t.seen) >= maxThrottled {
		clear(t.seen)
	}
}
