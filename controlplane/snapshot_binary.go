package controlplane

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
)

// The binary form of a snapshot is that of its shards in memory, row for row, so that
// a million keys are read back in a fraction of a second: nothing is parsed, opened
// or derived again. A shard, all numbers little endian:
//
//	number u16 · merchants u32 · arena bytes u32 · keys u32 · secrets u32
//	merchants: id [16] · live key u32 · allowlist at u32 · IPv4 entries u8 · IPv6 entries u8 · suspended u8
//	arena
//	keys: name [23] · state u8 · merchant u32 · retirement u32 · HMAC key [64]
//	secrets: row u32 · raw [32]
const (
	shardHead       = 2 + 4*4
	storedMerchant  = 16 + 4 + 4 + 3
	storedKey       = keyRowBytes
	storedSecret    = 4 + secretBytes
	keyStateAt      = 1 + keyIDChars
	keyMerchantAt   = keyStateAt + 1
	keyRetirementAt = keyMerchantAt + 4
	keyMACAt        = keyRetirementAt + 4
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
	for _, count := range []int{len(m.rows), len(m.arena), len(k.rows), len(k.secrets)} {
		b = binary.LittleEndian.AppendUint32(b, uint32(count))
	}
	for i := range m.rows {
		b = m.rows[i].append(b)
	}
	b = append(b, m.arena...)
	for i := range k.rows {
		b = k.rows[i].append(b)
	}
	for i := range k.secrets {
		b = binary.LittleEndian.AppendUint32(b, k.secrets[i].row)
		b = append(b, k.secrets[i].raw[:]...)
	}
	return b
}

func (m *merchantRow) append(b []byte) []byte {
	b = append(b, m.id[:]...)
	b = binary.LittleEndian.AppendUint32(b, uint32(m.live))
	b = binary.LittleEndian.AppendUint32(b, m.at)
	return append(b, m.n4, m.n6, byte(flagOf(m.suspended)))
}

func flagOf(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (k *keyRow) append(b []byte) []byte {
	b = append(b, k.name[:]...)
	b = append(b, k.state)
	b = append(b, k.merchant[:]...)
	b = append(b, k.retire[:]...)
	return append(b, k.mac[:]...)
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
	var counts [4]int
	for i := range counts {
		counts[i] = int(binary.LittleEndian.Uint32(b[2+4*i:]))
	}
	b = b[shardHead:]
	merchants, arena, keys, secrets := counts[0], counts[1], counts[2], counts[3]
	need := uint64(merchants)*storedMerchant + uint64(arena) + uint64(keys)*storedKey + uint64(secrets)*storedSecret
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
	if b, err = k.read(b, keys, secrets); err != nil {
		return nil, fmt.Errorf("shard %d: %w", n, err)
	}
	r.next.merchants[n], r.next.keys[n] = m, k
	for i := range k.rows {
		r.next.keyCount += flagOf(k.rows[i].state != stateAbsent)
	}
	return b, nil
}

func (s *merchantShard) read(b []byte, rows, arena int) ([]byte, error) {
	s.rows = make([]merchantRow, rows)
	for i := range s.rows {
		m := &s.rows[i]
		copy(m.id[:], b)
		m.live, m.at = rowRef(binary.LittleEndian.Uint32(b[16:])), binary.LittleEndian.Uint32(b[20:])
		m.n4, m.n6, m.suspended = b[24], b[25], b[26] != 0
		if uint64(m.at)+uint64(m.allowBytes()) > uint64(arena) {
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

func (s *keyShard) read(b []byte, rows, secrets int) ([]byte, error) {
	s.rows = make([]keyRow, rows)
	for i := range s.rows {
		k := &s.rows[i]
		copy(k.name[:], b)
		k.state = b[keyStateAt]
		copy(k.merchant[:], b[keyMerchantAt:])
		copy(k.retire[:], b[keyRetirementAt:])
		copy(k.mac[:], b[keyMACAt:])
		b = b[storedKey:]
	}
	last := int64(-1)
	s.secrets = make([]testSecret, secrets)
	for i := range s.secrets {
		t := &s.secrets[i]
		t.row = binary.LittleEndian.Uint32(b)
		copy(t.raw[:], b[4:])
		if int64(t.row) <= last || t.row >= uint32(rows) {
			return nil, fmt.Errorf("%w: a secret of no key", errSnapshotForm)
		}
		last = int64(t.row)
		b = b[storedSecret:]
	}
	s.reindex(indexSize(rows))
	return b, nil
}

// Snapshot is the result at a revision; the reader must not be used afterwards.
func (r *SnapshotReader) Snapshot(revision int64) (*Snapshot, error) {
	for n := range shardCount {
		if m := r.next.merchants[n]; m != nil {
			for i := range m.rows {
				if ref := m.rows[i].live; ref != noRef && !r.next.hasKey(ref) {
					return nil, fmt.Errorf("%w: a merchant's key is missing", errSnapshotForm)
				}
			}
		}
		if k := r.next.keys[n]; k != nil {
			for i := range k.rows {
				if k.rows[i].state != stateAbsent && !r.next.hasMerchant(k.rows[i].merchantRef()) {
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
