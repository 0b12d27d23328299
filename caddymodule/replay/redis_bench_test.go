package replay

import (
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/tests/redistest"
)

// BenchmarkUseRedis is the cost of a nonce in a Redis on the same machine, beside
// that in memory: what a request waits, by 16 at once as under load, and one by one.
func BenchmarkUseRedis(b *testing.B) {
	r := openRedis(b, redistest.Start(b), nil)
	memory, err := OpenMemory(MemoryOptions{VolatileForTests: true, Capacity: 100 * million})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := memory.Close(); err != nil {
			b.Error(err)
		}
	})
	for _, kind := range []struct {
		name string
		s    store
	}{{"memory", memory}, {"redis", r}} {
		b.Run(kind.name+"/16 at once", func(b *testing.B) {
			b.SetParallelism(8) // times two processors
			benchUse(b, kind.s, b.RunParallel)
		})
		b.Run(kind.name+"/one by one", func(b *testing.B) { benchUse(b, kind.s, nil) })
	}
}

// BenchmarkRedisMemory reports what a nonce takes in the memory of the server.
func BenchmarkRedisMemory(b *testing.B) {
	const nonces = 100_000
	r := openRedis(b, redistest.Start(b), nil)
	used := func() int64 {
		c := r.client.Conn()
		defer c.Close() // back to the pool
		s, _, err := r.ask(b.Context(), c)
		if err != nil {
			b.Fatal(err)
		}
		return s.Bytes
	}
	before, at, n := used(), soon(), 0
	for b.Loop() {
		for range nonces {
			if _, err := r.Use(b.Context(), benchKey, strconv.Itoa(n), at, at+benchKeepS); err != nil {
				b.Fatal(err)
			}
			n++
		}
	}
	b.ReportMetric(float64(used()-before)/float64(n), "B/nonce")
}

func benchUse(b *testing.B, s store, parallel func(func(*testing.PB))) {
	var n atomic.Int64
	at := soon()
	use := func() {
		nonce := strconv.FormatInt(time.Now().UnixNano(), 36) + strconv.FormatInt(n.Add(1), 36)
		if ok, err := s.Use(b.Context(), benchKey, nonce, at, at+benchKeepS); !ok || err != nil {
			b.Error(ok, err)
		}
	}
	b.ReportAllocs()
	if parallel == nil {
		for b.Loop() {
			use()
		}
		return
	}
	parallel(func(pb *testing.PB) {
		for pb.Next() {
			use()
		}
	})
}
