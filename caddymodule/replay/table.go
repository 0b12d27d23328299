package replay

import (
	"iter"
	"math/bits"
	"slices"
	"sync"
)

const (
	shardCount   = 64
	segmentCount = 64 // per shard; a segment is what one growth step rebuilds

	// bucketSeconds is the width of a time bucket. Wider keeps nonces longer than needed (32 s is
	// 5 % of the usual 600 s), narrower retires more often.
	bucketSeconds = 32
	// bucketRing holds the counts of all buckets that can be live at once: (maxRetention +
	// MaxAhead) / bucketSeconds is 141.
	bucketRing = 256
)

// record is one nonce: 20 bytes and no pointer, so the garbage collector never looks inside.
// second is its timestamp in Unix seconds, 0 in a slot that was never used.
type record struct {
	digest [4]uint32
	second uint32
}

func newRecord(d digest, second uint32) record {
	return record{[4]uint32{uint32(d.lo), uint32(d.lo >> 32), uint32(d.hi), uint32(d.hi >> 32)}, second}
}

func (r *record) key() digest {
	return digest{
		lo: uint64(r.digest[0]) | uint64(r.digest[1])<<32,
		hi: uint64(r.digest[2]) | uint64(r.digest[3])<<32,
	}
}

func (r *record) is(d digest) bool { return r.key() == d }

// line is what the processor fetches at once. Looking up a fresh nonce then mostly costs a single
// fetch from main memory: 170 ns where this was measured, half of a Use at a million live nonces.
type line struct {
	records [3]record
	_       uint32
}

// table is the set of digests. A record is live while its second lies above the floor; the floor
// moves by whole buckets, so that a bucket's records all die in the same instant, uncounted one by
// one. Their slots are reused by later records or dropped when the segment is next rebuilt.
type table struct{ shards [shardCount]shard }

type shard struct {
	sync.Mutex
	segments [segmentCount]segment
	buckets  [bucketRing]bucket
	live     int    // sum over buckets
	spare    []line // the array that the last rebuild left over, for the next one
}

type bucket struct{ number, count uint32 }

// segment is an open-addressing table with linear probing, line by line.
type segment struct {
	lines []line
	taken int // slots not empty: live and dead
}

func (t *table) shard(d digest) *shard { return &t.shards[d.hi>>58] }

func (s *shard) segment(d digest) *segment { return &s.segments[d.hi>>52&(segmentCount-1)] }

func (g *segment) slots() int { return len(g.lines) * len(line{}.records) }

// find says whether a live record of d is there, and otherwise which slot it may take: the first
// dead one on its way, else the empty one that ended the search. The segment has an empty slot.
func (g *segment) find(d digest, floor uint32) (slot *record, found bool) {
	at, _ := bits.Mul64(d.lo, uint64(len(g.lines))) // d.lo scaled to the length
	for i := int(at); ; i++ {
		if i == len(g.lines) {
			i = 0
		}
		records := &g.lines[i].records
		for j := range records {
			r := &records[j]
			if r.second > floor {
				if r.is(d) {
					return r, true
				}
				continue
			}
			if slot == nil {
				slot = r
			}
			if r.second == 0 {
				return slot, false
			}
		}
	}
}

func (g *segment) put(slot *record, d digest, second uint32) {
	if slot.second == 0 {
		g.taken++
	}
	*slot = newRecord(d, second)
}

// fit rebuilds the segment when one more record would fill it beyond four fifths, from where probes
// get long, or when after a peak it is eight times larger than the shard's records need. Only this
// segment is copied: a 4,096th of the store.
func (s *shard) fit(g *segment, floor uint32) {
	slots := g.slots()
	full := (g.taken+1)*5 > slots*4
	vast := slots > 8*(s.live/segmentCount)+64
	if full || vast {
		s.rebuild(g, floor)
	}
}

func (s *shard) rebuild(g *segment, floor uint32) {
	live := 0
	for range g.live(floor) {
		live++
	}
	old := *g
	*g = segment{lines: s.array(live*5/9 + 3)} // five thirds as many slots as records
	for r := range old.live(floor) {
		slot, _ := g.find(r.key(), 0)
		g.put(slot, r.key(), r.second)
	}
	s.spare = old.lines
}

// live ranges over the records above the floor.
func (g *segment) live(floor uint32) iter.Seq[*record] {
	return func(yield func(*record) bool) {
		for i := range g.lines {
			for j := range g.lines[i].records {
				if r := &g.lines[i].records[j]; r.second > floor && !yield(r) {
					return
				}
			}
		}
	}
}

// array returns n empty lines. In a steady state they are the spare's, so that nothing is allocated.
func (s *shard) array(n int) []line {
	if spare := s.spare; n <= cap(spare) && cap(spare) <= n+n/2 {
		clear(spare)
		return spare[:n]
	}
	lines := slices.Grow([]line(nil), n)
	lines = lines[:cap(lines)] // the allocator rounds up: use what it gave
	clear(lines)
	return lines
}

// count adds one record to its bucket. The first look nearly always hits; buckets collide only
// when records far apart in time are live at once, after the clock was set back. It reports false
// when every bucket is taken.
func (s *shard) count(second uint32) bool {
	number := second / bucketSeconds
	for i := range uint32(bucketRing) {
		b := &s.buckets[(number+i)%bucketRing]
		if b.count == 0 || b.number == number {
			b.number = number
			b.count++
			s.live++
			return true
		}
	}
	return false
}

// retire forgets the counts of the buckets at or below the floor and returns how many records died.
func (s *shard) retire(floor uint32) (died int) {
	for i := range s.buckets {
		if b := &s.buckets[i]; b.number*bucketSeconds <= floor {
			died += int(b.count)
			b.count = 0
		}
	}
	s.live -= died
	return died
}

// bucketEnd is the last second of the bucket that second lies in.
func bucketEnd(second int64) int64 { return second/bucketSeconds*bucketSeconds + bucketSeconds - 1 }
