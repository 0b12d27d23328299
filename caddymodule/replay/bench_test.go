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
// million live; each use still reads the real clock, as in production.
func newLoaded(b *testing.B, o MemoryOptions) *loaded {
	b.Helper()
	l := &loaded{nonces: nonces(4 * million)}
	start := time.Unix(1_800_000_000, 0)
	l.next.Store(1)
	o.Capacity = 4 * million
	o.Clock = func() time.Time {
		_ = time.Now()
		return start.Add(time.Duration(l.next.Load()/perSecond) * time.Second)
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

// BenchmarkDurableUse writes the mark as in production: the clock is the real one.
func BenchmarkDurableUse(b *testing.B) {
	m, err := OpenMemory(MemoryOptions{Dir: b.TempDir(), Capacity: MaxCapacity})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := m.Close(); err != nil {
			b.Error(err)
		}
	})
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		now := time.Now().Unix()
		if fresh, err := m.Use(context.Background(), benchKey, strconv.Itoa(i), now, now+benchKeepS); !fresh || err != nil {
			b.Fatal(fresh, err)
		}
	}
}

// BenchmarkMemoryPerNonce fills a store and reports what the heap holds for each nonce, what a
// garbage collection takes, and the slowest single Use on the way: the worst growth step.
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
	var nonce [8]byte
	var worst time.Duration
	var slow int
	for i := range n {
		nonce = [8]byte{byte(i), byte(i >> 8), byte(i >> 16), byte(i >> 24)}
		text := string(nonce[:])
		began := time.Now()
		fresh, err := m.Use(context.Background(), benchKey, text, now, now+benchKeepS)
		took := time.Since(began)
		worst = max(worst, took)
		if took > 100*time.Microsecond {
			slow++
		}
		if !fresh || err != nil {
			b.Fatal(fresh, err)
		}
	}
	b.ReportMetric(float64(heap()-before)/float64(n), "B/nonce")
	began := time.Now()
	runtime.GC()
	b.ReportMetric(float64(time.Since(began).Microseconds()), "µs/GC")
	b.ReportMetric(float64(worst.Microseconds()), "µs-worst-use")
	b.ReportMetric(float64(slow), "uses>100µs")
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
