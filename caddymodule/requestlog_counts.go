package caddymodule

import (
	"net/netip"
	"sync"
	"time"

	"github.com/unknownpay/merchant-gateway/caddymodule/gate"
	"github.com/unknownpay/merchant-gateway/controlplane"
)

const (
	requestShards = 16
	// shardLimit is how many counts, and how many addresses, a shard remembers between
	// two flushes. Only keys that are known lead to one.
	shardLimit = 64 * 1024

	// The rows of one merchant: logBurst at once, then one each logInterval.
	logBurst    = 1000
	logInterval = time.Second
)

// requestShard holds what was counted since the last flush, and the budgets of
// merchants for rows.
type requestShard struct {
	sync.Mutex
	tallies   map[tallyKey]*tally
	addresses map[addressKey]int64
	// full is when the budget of a merchant will be full again, in Unix nanoseconds.
	full map[[16]byte]int64
	_    [64]byte // shards are written by every request; keep them off each other's cache line
}

type tallyKey struct {
	merchant    [16]byte
	environment controlplane.Environment
	minute      int64 // since 1970
	outcome     controlplane.RequestOutcome
	code        string
}

type tally struct{ count, unlisted int64 }

type addressKey struct {
	merchant    [16]byte
	environment controlplane.Environment
	hour        int64 // since 1970
	ip          netip.Addr
}

func (l *requestLog) shard(f *gate.Facts) *requestShard {
	return &l.shards[(f.Merchant[14]^f.Merchant[15])%requestShards]
}

// note counts a request and reports whether it may be listed, if it is to be.
func (l *requestLog) note(f *gate.Facts, at time.Time, outcome controlplane.RequestOutcome, code string, listed bool) bool {
	s := l.shard(f)
	s.Lock()
	defer s.Unlock()
	t := s.tally(newTallyKey(f, at, outcome, code))
	t.count++
	burst := int64(logBurst)
	if outcome == controlplane.RequestAccepted {
		s.seen(f, at)
		burst /= 2 // those that need explaining come first
	}
	if !listed || s.spend(f.Merchant, at, burst) {
		return listed
	}
	l.limited.Add(1)
	if outcome != controlplane.RequestAccepted {
		t.unlisted++
	}
	return false
}

// unlisted takes note that a counted request did not get into the queue.
func (l *requestLog) unlisted(f *gate.Facts, at time.Time, outcome controlplane.RequestOutcome, code string) {
	s := l.shard(f)
	s.Lock()
	defer s.Unlock()
	s.tally(newTallyKey(f, at, outcome, code)).unlisted++
}

func newTallyKey(f *gate.Facts, at time.Time, outcome controlplane.RequestOutcome, code string) tallyKey {
	return tallyKey{f.Merchant, f.Environment, at.Unix() / int64(controlplane.SpanMinute), outcome, code}
}

func (s *requestShard) tally(key tallyKey) *tally {
	t := s.tallies[key]
	if t != nil {
		return t
	}
	t = new(tally)
	if s.tallies == nil {
		s.tallies = map[tallyKey]*tally{}
	}
	if len(s.tallies) < shardLimit {
		s.tallies[key] = t
	}
	return t
}

// seen counts the address of an accepted request. Those of refused ones prove
// nothing, and are without number.
func (s *requestShard) seen(f *gate.Facts, at time.Time) {
	key := addressKey{f.Merchant, f.Environment, at.Unix() / int64(controlplane.SpanHour), f.ClientIP}
	if s.addresses == nil {
		s.addresses = map[addressKey]int64{}
	}
	if _, known := s.addresses[key]; !known && len(s.addresses) >= shardLimit {
		key.ip = netip.Addr{}
	}
	s.addresses[key]++
}

// spend takes a row from a merchant's budget. All who are not known share one.
func (s *requestShard) spend(merchant [16]byte, at time.Time, burst int64) bool {
	now := at.UnixNano()
	full := max(s.full[merchant], now) + int64(logInterval)
	if full-now > burst*int64(logInterval) {
		return false
	}
	if s.full == nil {
		s.full = map[[16]byte]int64{}
	}
	s.full[merchant] = full
	return true
}

// take empties the shard, and forgets budgets that are full.
func (s *requestShard) take(now time.Time) (map[tallyKey]*tally, map[addressKey]int64) {
	s.Lock()
	defer s.Unlock()
	tallies, addresses := s.tallies, s.addresses
	s.tallies, s.addresses = nil, nil
	for merchant, full := range s.full {
		if full <= now.UnixNano() {
			delete(s.full, merchant)
		}
	}
	return tallies, addresses
}

func (k tallyKey) count(span controlplane.RequestSpan, n *tally) controlplane.RequestCount {
	at := time.Unix(k.minute*int64(controlplane.SpanMinute), 0)
	return controlplane.RequestCount{
		MerchantID: merchantIDOf(k.merchant), Environment: k.environment, Span: span, At: span.Of(at),
		Outcome: k.outcome, Code: k.code, Count: n.count, Unlisted: n.unlisted,
	}
}

func (k addressKey) address(n int64) controlplane.RequestAddress {
	hour := time.Unix(k.hour*int64(controlplane.SpanHour), 0).UTC()
	return controlplane.RequestAddress{MerchantID: merchantIDOf(k.merchant), Environment: k.environment, Hour: hour, IP: k.ip, Count: n}
}

func merchantIDOf(raw [16]byte) string {
	f := gate.Facts{Merchant: raw}
	return f.MerchantID()
}
