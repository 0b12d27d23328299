package controlplane

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"
)

const benchKeys = 1_000_000

// benchID spreads like an issued id.
func benchID(env Environment, n int) string {
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], uint64(n))
	id, err := newKeyID(env, rand.NewChaCha8(seed))
	if err != nil {
		panic(err) // the reader has no end
	}
	return id
}

func benchMerchant(n int) MerchantRecord {
	var raw [16]byte
	binary.BigEndian.PutUint64(raw[:], uint64(n)<<16)
	binary.BigEndian.PutUint64(raw[8:], rand.New(rand.NewPCG(1, uint64(n))).Uint64())
	at := func(i byte) netip.Addr { return netip.AddrFrom4([4]byte{20 + i, byte(n >> 16), byte(n >> 8), byte(n)}) }
	return MerchantRecord{ID: FormatID(PrefixMerchant, raw), State: MerchantActive, Allowlist: []AllowedPrefix{
		{Row: int64(n) * 3, Prefix: netip.PrefixFrom(at(0), 32)}, {Row: int64(n)*3 + 1, Prefix: netip.PrefixFrom(at(1), 28).Masked()}, {Row: int64(n)*3 + 2, Prefix: netip.PrefixFrom(at(2), 32)},
	}}
}

func benchKey(n int) KeyRecord {
	return KeyRecord{ID: benchID(Live, n), MerchantID: benchMerchant(n).ID, Environment: Live, State: KeyActive}
}

func buildBench(n int) (*Snapshot, error) {
	e := NewSnapshot().Edit()
	for i := range n {
		if err := e.SetMerchant(benchMerchant(i)); err != nil {
			return nil, err
		}
		if err := e.SetKey(benchKey(i), KeyMaterial{secret: [packedSecret]byte{1}}); err != nil {
			return nil, err
		}
	}
	return e.Snapshot(1), nil
}

// theLarge is built once: a million keys of as many merchants with three entries
// each take seconds.
var theLarge = sync.OnceValues(func() (*Snapshot, error) { return buildBench(benchKeys) })

func largeSnapshot(b *testing.B) *Snapshot {
	b.Helper()
	s, err := theLarge()
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// BenchmarkSnapshotMemory reports what a key costs, its merchant and three
// entries included, and how long a collection takes.
func BenchmarkSnapshotMemory(b *testing.B) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	s, err := buildBench(benchKeys)
	if err != nil {
		b.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	for b.Loop() {
		runtime.GC()
	}
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/benchKeys, "B/key")
	b.ReportMetric(float64(s.Stats().Bytes)/benchKeys, "B/key-by-stats")
	runtime.KeepAlive(s)
}

func BenchmarkSnapshotKey(b *testing.B) {
	s := largeSnapshot(b)
	ids := make([]string, 1<<16)
	for i := range ids {
		ids[i] = benchID(Live, i*15)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, ok := s.Key(ids[i%len(ids)]); !ok {
			b.Fatal("not found")
		}
	}
}

func BenchmarkSnapshotKeyUnknown(b *testing.B) {
	s := largeSnapshot(b)
	ids := make([]string, 1<<16)
	for i := range ids {
		ids[i] = benchID(Live, -1-i)
	}
	for i := 0; b.Loop(); i++ {
		if _, ok := s.Key(ids[i%len(ids)]); ok {
			b.Fatal("found")
		}
	}
}

func BenchmarkAllowlist(b *testing.B) {
	for _, n := range []int{1, 3, 10, 100} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var list []AllowedPrefix
			for i := range n {
				list = append(list, AllowedPrefix{Row: int64(i), Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{20, byte(i), 0, 0}), 16)})
			}
			packed, err := packAllowlist(list)
			if err != nil {
				b.Fatal(err)
			}
			for i := 0; b.Loop(); i++ {
				if _, ok := packed.match(netip.AddrFrom4([4]byte{20, byte(i % n), 1, 1})); !ok {
					b.Fatal("denied")
				}
			}
		})
	}
}

// BenchmarkSnapshotApply is the cost of publishing changes of that many merchants
// and their keys to a million.
func BenchmarkSnapshotApply(b *testing.B) {
	for _, batch := range []int{1, 10, 100} {
		b.Run(fmt.Sprint(batch), func(b *testing.B) {
			s := largeSnapshot(b)
			keys := make([]KeyRecord, 1<<12)
			merchants := make([]MerchantRecord, 1<<12)
			for i := range keys {
				keys[i], merchants[i] = benchKey(i*200), benchMerchant(i*200)
			}
			b.ReportAllocs()
			start := time.Now()
			n := 0
			for b.Loop() {
				e := s.Edit()
				for range batch {
					i := n % len(keys)
					n++
					if err := e.SetMerchant(merchants[i]); err != nil {
						b.Fatal(err)
					}
					if err := e.SetKey(keys[i], KeyMaterial{secret: [packedSecret]byte{2}}); err != nil {
						b.Fatal(err)
					}
				}
				s = e.Snapshot(2)
			}
			b.ReportMetric(float64(time.Since(start).Microseconds())/float64(n), "us/change")
		})
	}
}
