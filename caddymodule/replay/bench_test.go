package replay

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	million     = 1_000_000
	benchKey    = "unk_live_0123456789abcdefghijkl"
	benchKeepS  = 600
	nonceDigits = 22
)

// nonces are made beforehand: the benchmarks measure the store.
func nonces(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("%0*d", nonceDigits, i)
	}
	return list
}

// loaded is a store in its steady state: a million live nonces spread over their retention, where
// every second as many expire as are added.
type loaded struct {
	m      *Memory
	nonces []string
	next   atomic.Int64
}

const perSecond = million / benchKeepS

// newLoaded lets a virtual clock follow the number of uses, so that a run of any length keeps the
// million live. Where the store reads it, the real clock is read too, for its cost.
func newLoaded(b *testing.B, o MemoryOptions) *loaded {
	b.Helper()
	l := &loaded{nonces: nonces(4 * million)}
	start := time.Unix(1_800_000_000, 0)
	l.next.Store(1)
	o.Capacity = 4 * million
	o.Clock = func() time.Time {
		virtual := start.Add(time.Duration(l.next.Load()/perSecond) * time.Second)
		if time.Now().IsZero() {
			return time.Time{}
		}
		return virtual
	}
	m, err := OpenMemory(o)
	if err != nil {
		b.Fatal(err)
	}
	l.m = m
	b.Cleanup(func() {
		if err := m.Close(); err != nil {
			b.Error(err)
		}
	})
	for range 2 * million {
		l.use(b, l.next.Add(1))
	}
	return l
}

func (l *loaded) use(b *testing.B, i int64) {
	second := 1_800_000_000 + i/perSecond
	fresh, err := l.m.Use(context.Background(), benchKey, l.nonces[i%int64(len(l.nonces))], second, second+benchKeepS)
	if !fresh || err != nil {
		b.Fatal(i, fresh, err)
	}
}

func BenchmarkUse(b *testing.B) {
	b.Run("memory/sequential", func(b *testing.B) {
		l := newLoaded(b, MemoryOptions{VolatileForTests: true})
		b.ReportAllocs()
		b.ResetTimer()
		for range b.N {
			l.use(b, l.next.Add(1))
		}
		b.ReportMetric(float64(l.m.Stats().Live), "live")
	})
	b.Run("memory/parallel", func(b *testing.B) {
		l := newLoaded(b, MemoryOptions{VolatileForTests: true})
		b.ReportAllocs()
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				l.use(b, l.next.Add(1))
			}
		})
	})
	b.Run("memory/durable", benchmarkDurable)
	b.Run("one-read-of-32-MiB", benchmarkRead)
	b.Run("sync.Map/sequential", func(b *testing.B) {
		var m sync.Map
		list := nonces(4 * million)
		for _, n := range list[:million] {
			m.LoadOrStore(benchKey+"\x00"+n, int64(1))
		}
		b.ReportAllocs()
		b.ResetTimer()
		for i := range b.N {
			// Deleting the oldest keeps a million: what expiry costs a map.
			m.Delete(benchKey + "\x00" + list[i%len(list)])
			m.LoadOrStore(benchKey+"\x00"+list[(i+million)%len(list)], int64(1))
		}
	})
}

// benchmarkDurable writes the mark as in production: the clock is the real one.
func benchmarkDurable(b *testing.B) {
	m, err := OpenMemory(MemoryOptions{Dir: b.TempDir(), Capacity: MaxCapacity})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := m.Close(); err != nil {
			b.Error(err)
		}
	})
	list := nonces(million)
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		now := time.Now().Unix()
		if _, err := m.Use(context.Background(), benchKey, list[i%million], now, now+benchKeepS); err != nil {
			b.Fatal(err)
		}
	}
}

// benchmarkRead is the yardstick: a read from main memory that has to wait for the one before. A
// Use makes one, so it cannot be faster, and this varies with the machine's other tenants.
func benchmarkRead(b *testing.B) {
	memory := make([]uint32, 1<<23)
	for i := range memory {
		memory[i] = uint32(i) * 2654435761
	}
	x, sum := uint64(88172645463325252), uint64(0)
	b.ResetTimer()
	for range b.N {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		sum += uint64(memory[(x+sum)%(1<<23)])
	}
	b.ReportMetric(float64(sum%2), "sink")
}

// BenchmarkMemoryPerNonce fills a store and reports what the heap holds for each nonce and
// what a garbage collection takes.
func BenchmarkMemoryPerNonce(b *testing.B) {
	for _, n := range []int{million / 10, million, 3 * million, 10 * million} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			for b.Loop() {
				fill(b, n)
			}
		})
	}
}

func fill(b *testing.B, n int) {
	before := heap()
	m, err := OpenMemory(MemoryOptions{VolatileForTests: true, Capacity: MaxCapacity})
	if err != nil {
		b.Fatal(err)
	}
	now := time.Now().Unix()
	for i := range n {
		text := string([]byte{byte(i), byte(i >> 8), byte(i >> 16), byte(i >> 24)})
		if fresh, err := m.Use(context.Background(), benchKey, text, now, now+benchKeepS); !fresh || err != nil {
			b.Fatal(fresh, err)
		}
	}
	b.ReportMetric(float64(heap()-before)/float64(n), "B/nonce")
	began := time.Now()
	runtime.GC()
	b.ReportMetric(float64(time.Since(began).Microseconds()), "µs/GC")
	b.ReportMetric(0, "ns/op")
	runtime.KeepAlive(m)
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc)
}

// BenchmarkGrowth is the pause of one growth step, under the lock of one shard of 64.
func BenchmarkGrowth(b *testing.B) {
	for _, n := range []int{million, 10 * million, 100 * million} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			var s shard
			g := &s.segments[0]
			for i := range n / shardCount / segmentCount {
				d := vectorKey.sum(benchKey, strconv.Itoa(i))
				s.fit(g, 0)
				slot, _ := g.find(d, 0)
				g.put(slot, d, 1)
				s.live += segmentCount
			}
			b.ReportAllocs()
			for b.Loop() {
				s.spare = nil
				s.rebuild(g, 0)
			}
		})
	}
}

// BenchmarkSaveAndLoad is what a graceful restart takes with a million live nonces.
func BenchmarkSaveAndLoad(b *testing.B) {
	o := MemoryOptions{Dir: b.TempDir(), Capacity: MaxCapacity}
	m, err := OpenMemory(o)
	if err != nil {
		b.Fatal(err)
	}
	now := time.Now().Unix()
	for i := range million {
		if fresh, err := m.Use(context.Background(), benchKey, strconv.Itoa(i), now, now+benchKeepS); !fresh || err != nil {
			b.Fatal(fresh, err)
		}
	}
	for b.Loop() {
		if err := m.Close(); err != nil {
			b.Fatal(err)
		}
		if m, err = OpenMemory(o); err != nil || m.Recovery().Nonces != million {
			b.Fatal(m.Recovery(), err)
		}
	}
	if err := m.Close(); err != nil {
		b.Fatal(err)
	}
}
