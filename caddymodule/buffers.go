package caddymodule

import (
	"crypto/sha256"
	"hash"
	"math/bits"
	"sync"
)

// Buffers come in sizes of powers of two.
const (
	smallestBuffer = 1 << 10
	bufferSizes    = 11 // up to 1 MiB; larger ones are not kept
)

// buffer is a piece of memory for a body, with the digest that is fed while the
// body comes in: bytes are hashed while they are still in the cache.
type buffer struct {
	data []byte
	sha  hash.Hash
	size int // index of the pool
	// probe takes the read that has to say "end of file".
	probe [1]byte
}

// buffers keeps buffers between requests. They are returned when no reader of the
// body can touch them any more; see [heldBody].
type buffers struct{ pools [bufferSizes]sync.Pool }

// get returns an empty buffer with room for at least n bytes.
func (p *buffers) get(n int64) *buffer {
	size := bufferSize(n)
	if size >= bufferSizes {
		return &buffer{data: make([]byte, 0, n), sha: sha256.New(), size: size}
	}
	if b, ok := p.pools[size].Get().(*buffer); ok {
		return b
	}
	return &buffer{data: make([]byte, 0, smallestBuffer<<size), sha: sha256.New(), size: size}
}

func (p *buffers) put(b *buffer) {
	if b.size >= bufferSizes {
		return
	}
	b.data = b.data[:0]
	b.sha.Reset()
	p.pools[b.size].Put(b)
}

func bufferSize(n int64) int { return bits.Len64(uint64(max(n-1, 0)) / smallestBuffer) }
