package controlplane

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"

	"github.com/unknownpay/merchant-gateway/controlplane/signature"
)

// The binary form of a snapshot is that of its shards in memory, row for row, so that
// a million keys are read back in a fraction of a second: nothing is parsed, opened
// or derived again. A shard, all numbers little endian:
//
//	number u16 · merchants u32 · arena bytes u32 · keys u32 · ends u32 · HMAC keys u32
//	merchants: id [16] · live key u32 · allowlist at u32 · IPv4 entries u8 · IPv6 entries u8 · suspended u8
//	arena
//	keys: name and state [17] · merchant u32 · secret [33]
//	ends: row u32 · Unix seconds u32
//	HMAC keys: row u32 · key [64]
const (
	shardHead      = 2 + 5*4
	storedMerchant = merchantRowBytes
	storedKey      = keyRowBytes
	keyMerchantAt  = packedName
	keySecretAt    = keyMerchantAt + 4
)

var errSnapshotForm = errors.New("not the binary form of a snapshot")

// Blocks is the snapshot in pieces of size bytes or a little more, for a
// [SnapshotReader]. They hold what signs as the merchants do: seal them. Each is
// valid until the next is asked for.
func (s *Snapshot) Blocks(size int) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		buf := make([]byte, 0, size+size/4)
		defer func() { clear(buf[:cap(buf)]) }()
		for n := range shardCount {
			if buf = s.appendShard(buf, n); len(buf) < size {
				continue
			}
			if !yield(buf) {
				return
			}
			buf = buf[:0]
		}
		if len(buf) > 0 {
			yield(buf)
		}
	}
}

func (s *Snapshot) appendShard(b []byte, n int) []byte {
	m, k := s.merchants[n], s.keys[n]
	if m == nil && k == nil {
		return b
	}
	if m == nil {
		m = new(merchantShard)
	}
	if k == nil {
		k = new(keyShard)
	}
	b = binary.LittleEndian.AppendUint16(b, uint16(n))
	for _, count := range []int{len(m.rows), len(m.arena), len(k.rows), len(k.ends), len(k.macs)} {
		b = binary.LittleEndian.AppendUint32(b, uint32(count))
	}
	for i := range m.rows {
		b = m.rows[i].append(b)
	}
	b = append(b, m.arena...)
	for i := range k.rows {
		b = k.rows[i].append(b)
	}
	for _, e := range k.ends {
		b = binary.LittleEndian.AppendUint32(b, e.row)
		b = binary.LittleEndian.AppendUint32(b, e.value)
	}
	for i := range k.macs {
		b = binary.LittleEndian.AppendUint32(b, k.macs[i].row)
		b = append(b, k.macs[i].value[:]...)
	}
	return b
}

func (m *merchantRow) append(b []byte) []byte {
	b = append(b, m.id[:]...)
	b = append(b, m.live[:]...)
	b = append(b, m.at[:]...)
	return append(b, m.n4, m.n6, byte(flagOf(m.suspended)))
}

func flagOf(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (k *keyRow) append(b []byte) []byte {
	b = append(b, k.nameAndState[:]...)
	b = append(b, k.merchant[:]...)
	return append(b, k.secret[:]...)
}

// SnapshotReader puts a snapshot together from its blocks. It believes nothing that
// could lead a later look-up out of bounds.
type SnapshotReader struct{ next Snapshot }

// Add takes the next block.
func (r *SnapshotReader) Add(block []byte) error {
	for len(block) > 0 {
		rest, err := r.shard(block)
		if err != nil {
			return err
		}
		block = rest
	}
	return nil
}

func (r *SnapshotReader) shard(b []byte) (rest []byte, err error) {
	if len(b) < shardHead {
		return nil, fmt.Errorf("%w: %d bytes of a shard", errSnapshotForm, len(b))
	}
	n := binary.LittleEndian.Uint16(b)
	var counts [5]int
	for i := range counts {
		counts[i] = int(binary.LittleEndian.Uint32(b[2+4*i:]))
	}
	b = b[shardHead:]
	merchants, arena, keys, ends, macs := counts[0], counts[1], counts[2], counts[3], counts[4]
	need := uint64(merchants)*storedMerchant + uint64(arena) + uint64(keys)*storedKey + uint64(ends)*endBytes + uint64(macs)*uint64(macBytes)
	switch {
	case n >= shardCount || r.next.merchants[n] != nil || r.next.keys[n] != nil:
		return nil, fmt.Errorf("%w: shard %d comes twice, or is none", errSnapshotForm, n)
	case merchants > maxRows || keys > maxRows || uint64(len(b)) < need:
		return nil, fmt.Errorf("%w: shard %d is cut short", errSnapshotForm, n)
	}
	m, k := new(merchantShard), new(keyShard)
	if b, err = m.read(b, merchants, arena); err != nil {
		return nil, fmt.Errorf("shard %d: %w", n, err)
	}
	if b, err = k.read(b, keys, ends, macs); err != nil {
		return nil, fmt.Errorf("shard %d: %w", n, err)
	}
	r.next.merchants[n], r.next.keys[n] = m, k
	for i := range k.rows {
		r.next.keyCount += flagOf(k.rows[i].state() != stateAbsent)
	}
	return b, nil
}

func (s *merchantShard) read(b []byte, rows, arena int) ([]byte, error) {
	s.rows = make([]merchantRow, rows)
	for i := range s.rows {
		m := &s.rows[i]
		copy(m.id[:], b)
		copy(m.live[:], b[16:])
		copy(m.at[:], b[20:])
		m.n4, m.n6, m.suspended = b[24], b[25], b[26] != 0
		if uint64(m.allowAt())+uint64(m.allowBytes()) > uint64(arena) {
			return nil, fmt.Errorf("%w: an allowlist is cut short", errSnapshotForm)
		}
		b = b[storedMerchant:]
	}
	s.arena = append(s.arena, b[:arena]...)
	for i := range s.rows {
		if !s.allowlist(uint32(i)).sound() {
			return nil, fmt.Errorf("%w: an allowlist leads nowhere", errSnapshotForm)
		}
	}
	s.reindex(indexSize(rows))
	return b[arena:], nil
}

func (s *keyShard) read(b []byte, rows, ends, macs int) (_ []byte, err error) {
	s.rows = make([]keyRow, rows)
	for i := range s.rows {
		k := &s.rows[i]
		copy(k.nameAndState[:], b)
		copy(k.merchant[:], b[keyMerchantAt:])
		copy(k.secret[:], b[keySecretAt:])
		b = b[storedKey:]
	}
	if s.ends, b, err = readRare(b, ends, rows, func(v *uint32, b []byte) int { *v = binary.LittleEndian.Uint32(b); return 4 }); err != nil {
		return nil, err
	}
	if s.macs, b, err = readRare(b, macs, rows, func(v *signature.MACKey, b []byte) int { return copy(v[:], b) }); err != nil {
		return nil, err
	}
	s.reindex(indexSize(rows))
	return b, nil
}

// readRare reads what n of the rows have; value returns how many bytes it has read.
func readRare[T any](b []byte, n, rows int, value func(*T, []byte) int) (rare[T], []byte, error) {
	r := make(rare[T], n)
	last := int64(-1)
	for i := range r {
		e := &r[i]
		e.row = binary.LittleEndian.Uint32(b)
		if int64(e.row) <= last || e.row >= uint32(rows) {
			return nil, nil, fmt.Errorf("%w: what belongs to no key", errSnapshotForm)
		}
		last = int64(e.row)
		b = b[4+value(&e.value, b[4:]):]
	}
	return r, b, nil
}

// Snapshot is the result at a revision; the reader must not be used afterwards.
func (r *SnapshotReader) Snapshot(revision int64) (*Snapshot, error) {
	for n := range shardCount {
		if m := r.next.merchants[n]; m != nil {
			for i := range m.rows {
				if ref := m.rows[i].liveRef(); ref != noRef && !r.next.hasKey(ref) {
					return nil, fmt.Errorf("%w: a merchant's key is missing", errSnapshotForm)
				}
			}
		}
		if k := r.next.keys[n]; k != nil {
			for i := range k.rows {
				if k.rows[i].state() != stateAbsent && !r.next.hasMerchant(k.rows[i].merchantRef()) {
					return nil, fmt.Errorf("%w: a key's merchant is missing", errSnapshotForm)
				}
			}
		}
	}
	r.next.revision = revision
	return &r.next, nil
}

func (s *Snapshot) hasKey(ref rowRef) bool {
	k := s.keys[ref.shard()]
	return k != nil && ref.row() < uint32(len(k.rows))
}

func (s *Snapshot) hasMerchant(ref rowRef) bool {
	m := s.merchants[ref.shard()]
	return m != nil && ref.row() < uint32(len(m.rows))
}
