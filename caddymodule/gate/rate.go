package gate

import (
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// schedule is a token bucket in one number (GCRA): the time at which the bucket
// will be full again.
type schedule struct {
	interval time.Duration // between two tokens
	burst    time.Duration // how far the bucket may be from full
}

// take returns the next state, or how long to wait for a token.
func (s schedule) take(full, now int64) (next int64, wait time.Duration) {
	full = max(full, now)
	if ahead := time.Duration(full-now) + s.interval - s.burst; ahead > 0 {
		return full, ahead
	}
	return full + int64(s.interval), 0
}

func newSchedule(perSecond float64, burst int) (schedule, error) {
	if !(perSecond > 0 && perSecond <= 1e6) || burst < 1 || burst > 1e6 {
		return schedule{}, errors.New("a rate needs 0 to 1,000,000 requests per second and a burst of 1 to 1,000,000")
	}
	interval := time.Duration(float64(time.Second) / perSecond)
	if interval > time.Hour {
		return schedule{}, errors.New("a rate needs at least one request per hour")
	}
	if interval > math.MaxInt64/2/time.Duration(burst) {
		return schedule{}, errors.New("the burst would last for centuries")
	}
	return schedule{interval: interval, burst: interval * time.Duration(burst)}, nil
}

const limiterShards = 64

// sweepAbove is the number of keys in a shard above which idle ones are looked
// for: a shard never holds more than that and the keys in use.
const sweepAbove = 1024

// Limiter limits the requests of each key. Only keys that the snapshot holds, from
// addresses that they allow, come to it, so strangers can neither fill nor drain
// it. It may be shared by gates and outlive them.
type Limiter struct {
	schedule schedule
	shards   [limiterShards]limiterShard
}

type limiterShard struct {
	sync.Mutex
	full  map[limiterKey]int64 // when the bucket will be full, Unix ns
	sweep int                  // the number of keys at which to sweep next
	_     [40]byte             // shards are locked by different processors
}

// limiterKey is a copy: the id in the header would keep all headers alive.
type limiterKey [len("unk_live_") + 22]byte

// NewLimiter returns a limiter that lets each key send perSecond requests per
// second in the long run, and burst of them at once. It fails on figures that make
// no sense.
func NewLimiter(perSecond float64, burst int) (*Limiter, error) {
	s, err := newSchedule(perSecond, burst)
	if err != nil {
		return nil, err
	}
	l := &Limiter{schedule: s}
	for i := range l.shards {
		l.shards[i].full = make(map[limiterKey]int64)
		l.shards[i].sweep = sweepAbove
	}
	return l, nil
}

// take takes one token of the key, or says how long to wait for it. It allocates
// nothing for a key it knows.
func (l *Limiter) take(keyID string, now time.Time) time.Duration {
	var key limiterKey
	copy(key[:], keyID)
	s := &l.shards[key.shard()]
	s.Lock()
	defer s.Unlock()
	full, wait := l.schedule.take(s.full[key], now.UnixNano())
	if wait == 0 {
		s.full[key] = full
	}
	if len(s.full) > s.sweep {
		s.forgetIdle(now.UnixNano())
	}
	return wait
}

// shard spreads by the end of the id, which is random.
func (k *limiterKey) shard() int {
	return int(k[len(k)-1]^k[len(k)-2]*7) % limiterShards
}

// forgetIdle drops buckets that are full: a new one is the same. Twice what is
// left has to come before the next sweep, so sweeping costs each key little.
func (s *limiterShard) forgetIdle(now int64) {
	for key, full := range s.full {
		if full <= now {
			delete(s.full, key)
		}
	}
	s.sweep = max(sweepAbove, 2*len(s.full))
}

// budget is one token bucket for everybody, without a lock.
type budget struct {
	schedule schedule
	full     atomic.Int64
}

func (b *budget) take(now time.Time) bool {
	for {
		old := b.full.Load()
		next, wait := b.schedule.take(old, now.UnixNano())
		if wait > 0 {
			return false
		}
		if b.full.CompareAndSwap(old, next) {
			return true
		}
	}
}
