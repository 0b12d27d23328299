package controlplane

import "math/bits"

// The keys and the merchants each live in shardCount shards. A change copies one
// shard of each, about 250 rows of a million, and the two tables of pointers.
const (
	shardBits  = 12
	shardCount = 1 << shardBits
	rowBits    = 32 - shardBits
	maxRows    = 1<<rowBits - 2 // of one shard: 4 billion in all
	rowMask    = 1<<rowBits - 1
)

// rowRef names a row of one of the tables in four bytes. Rows keep their place
// for as long as the snapshots descend from one another.
type rowRef uint32

// noRef cannot be a row: see maxRows.
const noRef = rowRef(1<<32 - 1)

func newRef(shard, row uint32) rowRef { return rowRef(shard<<rowBits | row) }
func (r rowRef) shard() uint32        { return uint32(r) >> rowBits }
func (r rowRef) row() uint32          { return uint32(r) & rowMask }

// rowHash spreads ids. It has no secret seed: the ids in the tables are made by
// the control plane from random bits, so a caller who chooses what to look up
// cannot choose what it collides with.
type rowHash uint64

func mix(a, b uint64) rowHash {
	hi, lo := bits.Mul64(a^0x9e3779b97f4a7c15, b^0xd1b54a32d192ed03)
	return rowHash(hi ^ lo)
}

func (h rowHash) shard() uint32 { return uint32(h >> (64 - shardBits)) }

// rowIndex finds rows by hash: open addressing with linear probing. A slot holds
// twelve bits of the hash, which spare most visits to rows that are not the one
// looked for, and the row plus one; zero is a free slot.
type rowIndex []uint32

func (x rowIndex) tag(h rowHash) uint32 { return uint32(h>>20) &^ rowMask }

// first is the slot where the probing for h begins; x must not be empty.
func (x rowIndex) first(h rowHash) int {
	return int(uint64(uint32(h)) * uint64(len(x)) >> 32)
}

func (x rowIndex) next(i int) int {
	if i++; i < len(x) {
		return i
	}
	return 0
}

func (x rowIndex) insert(h rowHash, row uint32) {
	i := x.first(h)
	for x[i] != 0 {
		i = x.next(i)
	}
	x[i] = x.tag(h) | (row + 1)
}

// full reports whether one more row would fill x beyond seven eighths. There is
// always a free slot, so probing always ends.
func (x rowIndex) full(rows int) bool { return (rows+1)*8 > len(x)*7 }

// indexSize keeps a fresh index three quarters full: 5.3 bytes per row.
func indexSize(rows int) int { return rows*4/3 + 2 }
