package replay

import (
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

func (r *record) lo() uint64 { return uint64(r.digest[0]) | uint64(r.digest[1])<<32 }
func (r *record) hi() uint64 { return uint64(r.digest[2]) | uint64(r.digest[3])<<32 }

func (r *record) is(d digest) bool { return r.lo() == d.lo && r.hi() == d.hi }

// table is the set of digests. A record is live while its second lies above the floor; the floor
// moves by whole buckets, so that a bucket's records all die in the same instant, uncounted one by
// one. Their slots are reused by later records or dropped when the segment is next rebuilt.
type table struct{ shards [shardCount]shard }

type shard struct {
	sync.Mutex
	segments [segmentCount]segment
	buckets  [bucketRing]bucket
	live     int      // sum over buckets
	spare    []record // the array that the last rebuild left over, for the next one
}

type bucket struct{ number, count uint32 }

// segment is an open-addressing table with linear probing.
type segment struct {
	slots []record
	taken int // slots not empty: live and dead
}

func (t *table) shard(d digest) *shard { return &t.shards[d.hi>>58] }

func (s *shard) segment(d digest) *segment { return &s.segments[d.hi>>52&(segmentCount-1)] }

// find says whether a live record of d is there, and otherwise which slot it may take: the first
// dead one on its way, else the empty one that ended the search. The segment has an empty slot.
func (g *segment) find(d digest, floor uint32) (slot int, found bool) {
	at, _ := bits.Mul64(d.lo, uint64(len(g.slots))) // d.lo scaled to the length
	free := -1
	for i := int(at); ; i++ {
		if i == len(g.slots) {
			i = 0
		}
		r := &g.slots[i]
		switch {
		case r.second == 0:
			if free < 0 {
				free = i
			}
			return free, false
		case r.second <= floor:
			if free < 0 {
				free = i
			}
		case r.is(d):
			return i, true
		}
	}
}

func (g *segment) put(slot int, r record) {
	if g.slots[slot].second == 0 {
		g.taken++
	}
	g.slots[slot] = r
}

// fit rebuilds the segment when one more record would fill it beyond four fifths (probes get long:
// 13 slots on average there, 50 at nine tenths), or when after a peak it is eight times larger than
// the shard's records need. Only this segment is copied: a 4,096th of the store.
func (s *shard) fit(g *segment, floor uint32) {
	full := (g.taken+1)*5 > len(g.slots)*4
	vast := len(g.slots) > 8*(s.live/segmentCount)+64
	if full || vast {
		s.rebuild(g, floor)
	}
}

func (s *shard) rebuild(g *segment, floor uint32) {
	live := 0
	for i := range g.slots {
		if g.slots[i].second > floor {
			live++
		}
	}
	old := g.slots
	*g = segment{slots: s.array(live + live*2/3 + 8)}
	for i := range old {
		if r := &old[i]; r.second > floor {
			slot, _ := g.find(digest{r.lo(), r.hi()}, 0)
			g.put(slot, *r)
		}
	}
	s.spare = old
}

// array returns n empty slots. In a steady state they are the spare's, so that nothing is allocated.
func (s *shard) array(n int) []record {
	if spare := s.spare; n <= cap(spare) && cap(spare) <= n+n/2 {
		spare = spare[:n]
		clear(spare)
		return spare
	}
	slots := slices.Grow([]record(nil), n)
	slots = slots[:cap(slots)] // the allocator rounds up: use what it gave
	clear(slots)
	return slots
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
