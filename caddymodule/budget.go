package caddymodule

import "sync/atomic"

// budget bounds the bytes of bodies that wait in memory for their verification,
// over all routes. Without it, callers with a key and an allowed address could
// fill the memory with bodies that they send slowly and never finish.
type budget struct {
	limit atomic.Int64
	used  atomic.Int64
}

func (b *budget) reserve(n int64) bool {
	if b.used.Add(n) <= b.limit.Load() {
		return true
	}
	b.used.Add(-n)
	return false
}

func (b *budget) release(n int64) { b.used.Add(-n) }
