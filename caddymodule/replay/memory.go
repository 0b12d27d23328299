package replay

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// MaxAhead is how far ahead of this clock a timestamp may be, in seconds: the widest clock skew
	// that the gateway can be configured to.
	MaxAhead = 900
	// maxRetention bounds expires - timestamp, in seconds. Twice the widest skew, counted from the
	// newest acceptable timestamp's arrival, is 2,700; the rest is room.
	maxRetention = 3600
	// clockSample: of the requests that bring no newer timestamp, one in 64 looks at the clock. Reading
	// it took 52 ns of each Use; retiring nonces late keeps them longer than needed, never shorter.
	clockSample = 64
	// MaxCapacity is the most live nonces that a Memory can be told to hold.
	MaxCapacity = 1_000_000_000
)

// What Use reports beside fresh and replayed. All mean that the request must not pass now.
var (
	ErrFull        = errors.New("replay store is full: raise its capacity")
	ErrUnavailable = errors.New("replay store cannot record what it accepts")
	ErrClosed      = errors.New("replay store is closed")
	ErrRange       = errors.New("timestamp is outside what the replay store can vouch for")
)

// MemoryOptions configures [OpenMemory].
type MemoryOptions struct {
	// Dir keeps what has to survive a restart; one process at a time may use it. It is created with
	// mode 0700. Never restore it from a backup: the nonces used since would pass again. To start
	// over, delete it as a whole and start MaxAhead seconds after the last stop.
	Dir string
	// VolatileForTests, with an empty Dir, keeps nothing. Timestamps before the start are refused,
	// but one that was accepted by an earlier process from a client whose clock ran ahead (or in
	// the very second of the restart) can be replayed: not for other people's money.
	VolatileForTests bool
	// Capacity is the greatest number of live nonces, 1 to MaxCapacity; each takes at most 40 bytes
	// once there are 100,000 of them. Needed: requests per second × twice the clock skew.
	Capacity int64
	// Clock is time.Now when nil, Random is crypto/rand's reader.
	Clock  func() time.Time
	Random io.Reader
}

// Memory is the nonce store of a single gateway, safe for concurrent use.
//
// All of its safety hangs on one number, the floor: whatever this store or an earlier process has
// accepted and no longer remembers has a timestamp at or below it, and Use refuses those. Time
// only moves the floor to where bucket after bucket of nonces has outlived its retention; a clock
// set back, a longer skew after a reload or a lost state file therefore cannot make a signed request
// pass twice.
type Memory struct {
	*table
	key      sipKey
	clock    func() time.Time
	recovery Recovery
	mark     *mark // nil when volatile
	disk     disk  // nil when volatile

	floor     atomic.Int64 // Unix second
	newest    atomic.Int64 // newest timestamp accepted
	retention atomic.Int64 // the longest asked for; nonces of all callers are kept that long
	capacity  atomic.Int64
	closed    atomic.Bool
	_         [64]byte // live is written by every request; the fields above are only read
	live      atomic.Int64
	_         [64]byte
	full      atomic.Int64

	retiring sync.Mutex
	closing  sync.Once
	closeErr error
}

// OpenMemory opens the store and decides what it can trust of an earlier process; see [Recovery].
// It fails when the options are wrong, or the directory is in use, unreadable or not writable.
func OpenMemory(o MemoryOptions) (*Memory, error) {
	if (o.Dir == "") != o.VolatileForTests {
		return nil, errors.New("replay store needs a directory to survive restarts (or, in tests only, VolatileForTests without one)")
	}
	if o.Dir == "" {
		return openMemory(o, nil)
	}
	d, err := openDir(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("open replay directory: %w", err)
	}
	m, err := openMemory(o, d)
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return m, nil
}

func openMemory(o MemoryOptions, d disk) (*Memory, error) {
	m := &Memory{table: new(table), clock: o.Clock, disk: d}
	if m.clock == nil {
		m.clock = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	if err := m.SetCapacity(o.Capacity); err != nil {
		return nil, err
	}
	if err := m.comeUp(o.Random); err != nil {
		return nil, fmt.Errorf("start replay store: %w", err)
	}
	return m, nil
}

// Use records that keyID used nonce and reports whether it was the first to do so: of any number of
// concurrent calls with one pair, exactly one is told fresh. timestamp is the signed one and expires
// the second until which the pair must be remembered, 1 to 3,600 seconds later; both Unix seconds.
//
// Any error means not accepted: ErrRange when the timestamp is at or below NotBefore, or newer than
// any before and more than MaxAhead in the future, or expires is absurd; ErrFull; ErrUnavailable when
// the disk fails or ctx ends while waiting for it; ErrClosed.
//
// Let expires follow from the timestamp (timestamp + 2 × skew), not from the time of arrival: the
// longest distance between the two is how long every nonce is kept.
func (m *Memory) Use(ctx context.Context, keyID, nonce string, timestamp, expires int64) (fresh bool, err error) {
	if timestamp < 1 || timestamp > math.MaxUint32 {
		return false, ErrRange
	}
	retention := expires - timestamp
	if retention < 1 || retention > maxRetention {
		return false, ErrRange
	}
	raise(&m.retention, retention)
	d := m.key.sum(keyID, nonce)
	if timestamp > m.newest.Load() || d.lo%clockSample == 0 {
		now := m.clock().Unix()
		if timestamp > now+MaxAhead {
			return false, ErrRange
		}
		m.advance(now)
	}
	if m.mark != nil {
		if err := m.mark.cover(ctx, timestamp); err != nil {
			return false, err
		}
	}
	raise(&m.newest, timestamp)
	return m.insert(d, uint32(timestamp))
}

// insert checks and sets under the shard's lock. Closed and floor are read under it too, so that
// Close and advance, which visit every shard after changing them, miss no record.
func (m *Memory) insert(d digest, second uint32) (fresh bool, err error) {
	s := m.shard(d)
	s.Lock()
	defer s.Unlock()
	if m.closed.Load() {
		return false, ErrClosed
	}
	current := m.floor.Load()
	if int64(second) <= current {
		return false, ErrRange
	}
	floor := uint32(current) // below second, so it fits
	g := s.segment(d)
	s.fit(g, floor)
	slot, found := g.find(d, floor)
	if found {
		return false, nil
	}
	if m.live.Add(1) > m.capacity.Load() || !s.count(second) {
		m.live.Add(-1)
		m.full.Add(1)
		return false, ErrFull
	}
	g.put(slot, d, second)
	return true, nil
}

// advance moves the floor over the buckets that are past retention. It never moves beyond the
// newest bucket in use: a clock that jumps ahead by a day and back would otherwise leave a floor
// that refuses everybody for a day.
func (m *Memory) advance(now int64) {
	retention := m.retention.Load()
	floor := min(bucketEnd(now-retention)-bucketSeconds, bucketEnd(m.newest.Load()))
	if retention == 0 || floor <= m.floor.Load() {
		return
	}
	m.retiring.Lock()
	defer m.retiring.Unlock()
	if floor <= m.floor.Load() {
		return
	}
	m.floor.Store(floor)
	for i := range m.shards {
		s := &m.shards[i]
		s.Lock()
		m.live.Add(-int64(s.retire(uint32(floor))))
		s.Unlock()
	}
}

// NotBefore is the floor: requests with timestamps at or below this Unix second are refused as out
// of range. 0 means no restriction. After an unclean stop it is the newest timestamp that may have
// been accepted before; in ordinary running it trails the clock by at least the retention.
func (m *Memory) NotBefore() int64 { return m.floor.Load() }

// SetCapacity changes the greatest number of live nonces, 1 to MaxCapacity. Fewer than are live
// evicts none: new ones get ErrFull until enough have expired.
func (m *Memory) SetCapacity(n int64) error {
	if n < 1 || n > MaxCapacity {
		return fmt.Errorf("replay store capacity is %d nonces, want 1 to %d", n, MaxCapacity)
	}
	m.capacity.Store(n)
	return nil
}

// Stats says how full the store is.
type Stats struct {
	Live     int64 // nonces remembered now
	Capacity int64
	Full     int64 // requests refused with ErrFull since the start
	Failed   int64 // with ErrUnavailable; of a Redis only
}

// Stats takes no shard lock, unless a time bucket has just expired.
func (m *Memory) Stats() Stats {
	m.advance(m.clock().Unix())
	return Stats{Live: m.live.Load(), Capacity: m.capacity.Load(), Full: m.full.Load()}
}

// Recovery says what the start found.
func (m *Memory) Recovery() Recovery { return m.recovery }

// Close refuses further use and writes the nonces to the directory for the next start. After an
// error the next start is an unclean one. Calls after the first return the same.
func (m *Memory) Close() error {
	m.closing.Do(func() {
		m.closed.Store(true)
		if m.disk != nil {
			m.closeErr = m.shutDown()
		}
	})
	return m.closeErr
}

func (m *Memory) shutDown() error {
	m.mark.stop()
	err := replace(m.disk, stateName, m.writeState)
	if err != nil {
		err = fmt.Errorf("save nonces, the next start will refuse older timestamps: %w", err)
	}
	return errors.Join(err, m.mark.close(), m.disk.Close())
}

// raise sets v to n if that is more.
func raise(v *atomic.Int64, n int64) {
	for old := v.Load(); n > old; old = v.Load() {
		if v.CompareAndSwap(old, n) {
			return
		}
	}
}
