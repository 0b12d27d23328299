package delivery

import (
	"math/bits"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

const (
	// openAfter failures in a row, or openShare of the last window, open a breaker.
	openAfter = 5
	openShare = 10
	window    = 20

	// The first probe comes after firstProbe, each further one after twice as
	// long, up to lastProbe: a six-hour outage costs about 80. After slowProbes of
	// them, about half a day, an outage is no blip, and lazyProbe is often enough.
	firstProbe = 5 * time.Second
	lastProbe  = 5 * time.Minute
	slowProbes = 150
	lazyProbe  = 30 * time.Minute
)

// breaker keeps a backlog from being burnt on an endpoint that does not answer.
// While it is open, only the oldest delivery is attempted, as a probe.
type breaker struct {
	// why it is open; empty while it is closed.
	why     controlplane.BreakerReason
	probes  int
	probeAt time.Time

	row    int    // failures in a row
	recent uint32 // the last results, a bit for each: 1 is a failure
}

func (b *breaker) open() bool { return b.why != "" }

// succeeded closes the breaker; it reports whether it was open.
func (b *breaker) succeeded() (closed bool) {
	closed = b.open()
	b.row, b.recent = 0, b.recent<<1
	if closed {
		*b = breaker{}
	}
	return closed
}

// failed reports whether the breaker opens now.
func (b *breaker) failed() (opened bool) {
	b.row++
	b.recent = (b.recent<<1 | 1) & (1<<window - 1)
	switch {
	case b.open():
		return false
	case b.row >= openAfter:
		b.why = controlplane.BreakerInARow
	case bits.OnesCount32(b.recent) >= openShare:
		b.why = controlplane.BreakerHalf
	}
	return b.open()
}

// delay is how long the next probe waits.
func (b *breaker) delay() time.Duration {
	if b.probes > slowProbes {
		return lazyProbe
	}
	return min(lastProbe, firstProbe<<min(b.probes, 10))
}
