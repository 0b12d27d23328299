package replay

import (
	"context"
	"errors"
	"math"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	epochStart = 1_800_000_000 // where the tests' clocks start, at the first second of a bucket
	keep       = 600
)

// testClock is set by hand.
type testClock struct{ second atomic.Int64 }

func newClock() *testClock {
	c := new(testClock)
	c.second.Store(epochStart)
	return c
}

func (c *testClock) now() time.Time  { return time.Unix(c.second.Load(), 0) }
func (c *testClock) unix() int64     { return c.second.Load() }
func (c *testClock) add(s int64)     { c.second.Add(s) }
func (c *testClock) at(second int64) { c.second.Store(second) }

func newVolatile(t *testing.T, capacity int64) (*Memory, *testClock) {
	t.Helper()
	c := newClock()
	m, err := OpenMemory(MemoryOptions{VolatileForTests: true, Capacity: capacity, Clock: c.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shut(t, m) })
	return m, c
}

func shut(t *testing.T, m *Memory) {
	t.Helper()
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}

// want uses a nonce at a timestamp and expects fresh, replayed, or an error.
func want(t *testing.T, m *Memory, nonce string, timestamp int64, outcome any) {
	t.Helper()
	wantPair(t, m, "key", nonce, timestamp, outcome)
}

func wantPair(t *testing.T, m *Memory, keyID, nonce string, timestamp int64, outcome any) {
	t.Helper()
	got, err := m.Use(context.Background(), keyID, nonce, timestamp, timestamp+keep)
	switch outcome := outcome.(type) {
	case bool:
		if got != outcome || err != nil {
			t.Errorf("Use(%q, %q, start%+d) is %v, %v; want %v", keyID, nonce, timestamp-epochStart, got, err, outcome)
		}
	case error:
		if got || !errors.Is(err, outcome) {
			t.Errorf("Use(%q, %q, start%+d) is %v, %v; want %v", keyID, nonce, timestamp-epochStart, got, err, outcome)
		}
	}
}

const (
	fresh    = true
	replayed = false
)

func TestUseTellsFreshFromReplayed(t *testing.T) {
	m, c := newVolatile(t, 100)
	now := c.unix()
	want(t, m, "a", now, fresh)
	want(t, m, "a", now, replayed)
	want(t, m, "a", now+1, replayed) // another timestamp does not make the nonce another
	want(t, m, "b", now, fresh)
	wantPair(t, m, "other key", "a", now, fresh)
	if got, want := m.Stats(), (Stats{Live: 3, Capacity: 100}); got != want {
		t.Errorf("stats are %+v, want %+v", got, want)
	}
}

func TestNonceLivesUntilItExpiresAndTheStoreNeverForgetsThat(t *testing.T) {
	m, c := newVolatile(t, 100)
	want(t, m, "a", epochStart, fresh)
	c.add(keep)
	want(t, m, "a", c.unix(), replayed)
	c.add(2 * bucketSeconds)
	want(t, m, "a", c.unix(), fresh)
	want(t, m, "b", epochStart, ErrRange)
	if m.NotBefore() < epochStart || m.NotBefore() > c.unix()-keep {
		t.Errorf("floor is at start%+d", m.NotBefore()-epochStart)
	}
	if live := m.Stats().Live; live != 1 {
		t.Errorf("%d live, want 1", live)
	}
}

func TestBucketsExpireOneByOne(t *testing.T) {
	m, c := newVolatile(t, 100)
	for i := range int64(4) {
		want(t, m, strconv.FormatInt(i, 10), epochStart+i*bucketSeconds, fresh)
	}
	for i := range int64(4) {
		c.at(epochStart + keep + i*bucketSeconds + bucketSeconds - 1)
		if live := m.Stats().Live; live != 4-i {
			t.Errorf("%d live in the last second of bucket %d, want %d", live, i, 4-i)
		}
		c.add(1)
		if live := m.Stats().Live; live != 3-i {
			t.Errorf("%d live after bucket %d, want %d", live, i, 3-i)
		}
	}
}

func TestUseRefusesWhatItCannotVouchFor(t *testing.T) {
	for name, times := range map[string]struct{ timestamp, expires int64 }{
		"zero":                       {0, keep},
		"negative":                   {-1, keep},
		"before the start":           {epochStart - 1, epochStart + keep},
		"too far ahead":              {epochStart + MaxAhead + 1, epochStart + MaxAhead + 2},
		"past 2106":                  {math.MaxUint32 + 1, math.MaxUint32 + 2},
		"largest":                    {math.MaxInt64, math.MaxInt64},
		"expires at once":            {epochStart, epochStart},
		"expires before":             {epochStart, epochStart - 1},
		"expires too late":           {epochStart, epochStart + maxRetention + 1},
		"expires in the far future":  {epochStart, math.MaxInt64},
		"expires so early it wraps ": {epochStart, math.MinInt64},
	} {
		t.Run(name, func(t *testing.T) {
			m, _ := newVolatile(t, 100)
			if got, err := m.Use(context.Background(), "key", "nonce", times.timestamp, times.expires); got || !errors.Is(err, ErrRange) {
				t.Errorf("got %v, %v", got, err)
			}
			want(t, m, "nonce", epochStart, fresh)
		})
	}
}

func TestExtremesOfTheRangeAreAccepted(t *testing.T) {
	m, c := newVolatile(t, 100)
	want(t, m, "ahead", epochStart+MaxAhead, fresh)
	if got, err := m.Use(context.Background(), "key", "long", epochStart, epochStart+maxRetention); !got || err != nil {
		t.Error(got, err)
	}
	c.add(maxRetention)
	want(t, m, "long", c.unix(), replayed)
	want(t, m, "ahead", c.unix(), replayed)
}

func TestOneOfAThousandConcurrentUsesIsFresh(t *testing.T) {
	m, c := newVolatile(t, 10_000)
	for round := range 5 {
		var accepted atomic.Int64
		var all sync.WaitGroup
		begin := make(chan struct{})
		for range 1000 {
			all.Go(func() {
				<-begin
				got, err := m.Use(context.Background(), "key", strconv.Itoa(round), c.unix(), c.unix()+keep)
				if err != nil {
					t.Error(err)
				}
				if got {
					accepted.Add(1)
				}
			})
		}
		close(begin)
		all.Wait()
		if accepted.Load() != 1 {
			t.Errorf("round %d: %d were told fresh", round, accepted.Load())
		}
	}
}

// Expiry, growth and use at once, in several goroutines: each pair is fresh once.
func TestConcurrentUseAcrossExpiry(t *testing.T) {
	m, c := newVolatile(t, 1_000_000)
	var accepted atomic.Int64
	var all sync.WaitGroup
	const workers, rounds, perRound = 4, 40, 200
	for range workers {
		all.Go(func() {
			for round := range int64(rounds) {
				second := epochStart + round*bucketSeconds
				for i := range perRound {
					raise(&c.second, second)
					got, err := m.Use(context.Background(), "key", strconv.FormatInt(round, 10)+"/"+strconv.Itoa(i), second, second+keep)
					if err != nil && !errors.Is(err, ErrRange) {
						t.Error(err)
					}
					if got {
						accepted.Add(1)
					}
				}
			}
		})
	}
	all.Wait()
	if got := accepted.Load(); got != rounds*perRound {
		t.Errorf("%d accepted, want %d", got, rounds*perRound)
	}
	if live := m.Stats().Live; live < keep/bucketSeconds*perRound || live > (keep/bucketSeconds+3)*perRound {
		t.Errorf("%d live at the end", live)
	}
}

func TestFullStoreRefusesAndForgetsNothing(t *testing.T) {
	const capacity = 1000
	m, c := newVolatile(t, capacity)
	for i := range capacity {
		want(t, m, strconv.Itoa(i), epochStart, fresh)
	}
	want(t, m, "one more", epochStart, ErrFull)
	for i := range capacity {
		want(t, m, strconv.Itoa(i), epochStart, replayed)
	}
	if got, want := m.Stats(), (Stats{Live: capacity, Capacity: capacity, Full: 1}); got != want {
		t.Errorf("stats are %+v, want %+v", got, want)
	}
	if err := m.SetCapacity(capacity + 1); err != nil {
		t.Fatal(err)
	}
	want(t, m, "one more", epochStart, fresh)
	if err := m.SetCapacity(1); err != nil {
		t.Fatal(err)
	}
	want(t, m, "0", epochStart, replayed)
	want(t, m, "yet one more", epochStart, ErrFull)
	c.add(keep + 2*bucketSeconds)
	want(t, m, "yet one more", c.unix(), fresh)
}

func TestCapacityIsNeverExceededUnderContention(t *testing.T) {
	const capacity = 500
	m, c := newVolatile(t, capacity)
	var accepted atomic.Int64
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for i := range capacity {
				if got, err := m.Use(context.Background(), strconv.Itoa(worker), strconv.Itoa(i), c.unix(), c.unix()+keep); got && err == nil {
					accepted.Add(1)
				}
			}
		})
	}
	all.Wait()
	if got := accepted.Load(); got != capacity || m.Stats().Live != capacity {
		t.Errorf("%d accepted, %d live, want %d", got, m.Stats().Live, capacity)
	}
}

// A wider skew after a reload makes timestamps acceptable again whose nonces were dropped.
func TestLongerRetentionBringsNoNonceBack(t *testing.T) {
	m, c := newVolatile(t, 100)
	if got, err := m.Use(context.Background(), "key", "a", epochStart, epochStart+120); !got || err != nil {
		t.Fatal(got, err)
	}
	c.add(120 + 2*bucketSeconds)
	if got, err := m.Use(context.Background(), "key", "b", c.unix(), c.unix()+120); !got || err != nil { // drops a
		t.Fatal(got, err)
	}
	if got, err := m.Use(context.Background(), "key", "a", epochStart, epochStart+1800); got || !errors.Is(err, ErrRange) {
		t.Errorf("got %v, %v", got, err)
	}
}

// Two sites with different skews share the store: the longer retention holds for both.
func TestShorterRetentionDoesNotShortenALongerOne(t *testing.T) {
	m, c := newVolatile(t, 100)
	if got, err := m.Use(context.Background(), "key", "a", epochStart, epochStart+1800); !got || err != nil {
		t.Fatal(got, err)
	}
	c.add(1700)
	if got, err := m.Use(context.Background(), "key", "b", c.unix(), c.unix()+120); !got || err != nil {
		t.Fatal(got, err)
	}
	want(t, m, "a", epochStart, replayed)
}

func TestClockSetBackBringsNoNonceBack(t *testing.T) {
	m, c := newVolatile(t, 100)
	want(t, m, "a", epochStart, fresh)
	c.add(keep + 2*bucketSeconds)
	want(t, m, "b", c.unix(), fresh)
	c.at(epochStart)
	want(t, m, "a", epochStart, ErrRange)
}

func TestClockThatJumpsAheadAndBackRefusesNobodyForLong(t *testing.T) {
	m, c := newVolatile(t, 100)
	want(t, m, "a", epochStart, fresh)
	c.add(86400)
	if live := m.Stats().Live; live != 0 {
		t.Errorf("%d live a day later", live)
	}
	c.at(epochStart + bucketSeconds)
	want(t, m, "b", c.unix(), fresh)
	want(t, m, "a", epochStart, ErrRange)
}

// A wrong clock that a client shares leaves a nonce in the far future, whose bucket has the same
// place in the ring of counts as today's.
func TestBucketsFarApartAreCountedApart(t *testing.T) {
	m, c := newVolatile(t, 100_000)
	c.add(10 * bucketRing * bucketSeconds)
	want(t, m, "far", c.unix(), fresh)
	c.at(epochStart)
	for i := range 5000 {
		want(t, m, strconv.Itoa(i), c.unix(), fresh)
	}
	if live := m.Stats().Live; live != 5001 {
		t.Errorf("%d live, want 5001", live)
	}
	c.add(keep + 2*bucketSeconds)
	if live := m.Stats().Live; live != 1 {
		t.Errorf("%d live, want the far one", live)
	}
	want(t, m, "far", c.unix(), replayed)
}

func TestShardWithoutAFreeBucketRefuses(t *testing.T) {
	var s shard
	for i := range uint32(bucketRing) {
		if !s.count(1 + i*bucketSeconds) {
			t.Fatal("refused bucket", i)
		}
	}
	if s.count(1 + bucketRing*bucketSeconds) {
		t.Error("one bucket too many was taken")
	}
	if !s.count(1) {
		t.Error("a bucket that exists was refused")
	}
}

func TestMemoryShrinksAfterAPeak(t *testing.T) {
	m, c := newVolatile(t, 1_000_000)
	fill := func(n int) (slots int) {
		for i := range n {
			want(t, m, strconv.FormatInt(c.unix(), 10)+"/"+strconv.Itoa(i), c.unix(), fresh)
		}
		for i := range m.shards {
			for j := range m.shards[i].segments {
				slots += m.shards[i].segments[j].slots()
			}
		}
		return slots
	}
	peak := fill(600_000)
	c.add(keep + 2*bucketSeconds)
	if after := fill(50_000); after > peak/4 {
		t.Errorf("%d slots at the peak, %d after", peak, after)
	}
}

func TestClosedStoreRefuses(t *testing.T) {
	m, c := newVolatile(t, 100)
	shut(t, m)
	want(t, m, "a", c.unix(), ErrClosed)
	shut(t, m)
}

func TestWrongOptionsAreExplained(t *testing.T) {
	for name, test := range map[string]struct {
		options MemoryOptions
		says    string
	}{
		"no directory":          {MemoryOptions{Capacity: 1}, "needs a directory"},
		"directory and none":    {MemoryOptions{Capacity: 1, Dir: t.TempDir(), VolatileForTests: true}, "needs a directory"},
		"no capacity":           {MemoryOptions{VolatileForTests: true}, "want 1 to 1000000000"},
		"too much":              {MemoryOptions{VolatileForTests: true, Capacity: MaxCapacity + 1}, "want 1 to"},
		"no randomness":         {MemoryOptions{VolatileForTests: true, Capacity: 1, Random: iotest.ErrReader(errors.New("dry"))}, "dry"},
		"no randomness on disk": {MemoryOptions{Dir: t.TempDir(), Capacity: 1, Random: iotest.ErrReader(errors.New("dry"))}, "dry"},
		"too little randomness": {MemoryOptions{Dir: t.TempDir(), Capacity: 1, Random: strings.NewReader("sixteen bytes...")}, "epoch"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := OpenMemory(test.options); err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v, want it to say %q", err, test.says)
			}
		})
	}
}
