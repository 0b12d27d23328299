package controlplane

import "encoding/binary"

const merchantRowBytes = 27

// merchantRow is a merchant; its allowlist lies in the arena of the shard, with
// 10 bytes for an IPv4 entry and 22 for an IPv6 one. All fields are bytes, so that
// nothing pads it.
type merchantRow struct {
	id        [16]byte
	live      [4]byte // the active live key, a rowRef, or noRef
	at        [4]byte // where the allowlist begins in the arena
	n4, n6    uint8   // its entries
	suspended bool
}

func (m *merchantRow) liveRef() rowRef    { return rowRef(binary.LittleEndian.Uint32(m.live[:])) }
func (m *merchantRow) setLive(ref rowRef) { binary.LittleEndian.PutUint32(m.live[:], uint32(ref)) }
func (m *merchantRow) allowAt() uint32    { return binary.LittleEndian.Uint32(m.at[:]) }
func (m *merchantRow) setAllowAt(at int)  { binary.LittleEndian.PutUint32(m.at[:], uint32(at)) }
func (m *merchantRow) allowBytes() int    { return int(m.n4)*stride4 + int(m.n6)*stride6 }

type merchantShard struct {
	rows  []merchantRow
	index rowIndex
	arena []byte
}

func hashMerchant(id *[16]byte) rowHash {
	return mix(binary.LittleEndian.Uint64(id[:]), binary.LittleEndian.Uint64(id[8:]))
}

func (s *merchantShard) find(id *[16]byte) (row uint32, ok bool) {
	if len(s.index) == 0 {
		return 0, false
	}
	h := hashMerchant(id)
	tag := s.index.tag(h)
	for i := s.index.first(h); s.index[i] != 0; i = s.index.next(i) {
		slot := s.index[i]
		if row := slot&rowMask - 1; slot&^rowMask == tag && s.rows[row].id == *id {
			return row, true
		}
	}
	return 0, false
}

func (s *merchantShard) allowlist(row uint32) packedAllowlist {
	m := &s.rows[row]
	list := s.arena[m.allowAt():][:m.allowBytes()]
	split := int(m.n4) * stride4
	return packedAllowlist{v4: list[:split], v6: list[split:]}
}

func (s *merchantShard) add(id [16]byte) (row uint32) {
	row = s.put(id)
	if s.index.full(len(s.rows)) {
		s.reindex(indexSize(len(s.rows) * 5 / 4))
		return row
	}
	s.index.insert(hashMerchant(&id), row)
	return row
}

// put is add that leaves the index to a later reindex.
func (s *merchantShard) put(id [16]byte) (row uint32) {
	row = uint32(len(s.rows))
	s.rows = append(s.rows, merchantRow{id: id})
	s.rows[row].setLive(noRef)
	return row
}

func (s *merchantShard) reindex(size int) {
	s.index = make(rowIndex, size)
	for i := range s.rows {
		s.index.insert(hashMerchant(&s.rows[i].id), uint32(i))
	}
}

// setAllowlist appends the list to the arena and leaves the old one behind; clone
// collects what was left behind before it becomes much.
func (s *merchantShard) setAllowlist(row uint32, list packedAllowlist) {
	m := &s.rows[row]
	m.setAllowAt(len(s.arena))
	m.n4, m.n6 = uint8(len(list.v4)/stride4), uint8(len(list.v6)/stride6)
	s.arena = append(append(s.arena, list.v4...), list.v6...)
}

func (s *merchantShard) clone() *merchantShard {
	c := &merchantShard{
		rows:  append(make([]merchantRow, 0, len(s.rows)+1), s.rows...),
		index: append(rowIndex(nil), s.index...),
	}
	used := 0
	for i := range c.rows {
		used += c.rows[i].allowBytes()
	}
	c.arena = make([]byte, 0, used+used/32+4*stride6)
	if len(s.arena) <= cap(c.arena) {
		c.arena = append(c.arena, s.arena...)
		return c
	}
	for i := range c.rows {
		m := &c.rows[i]
		from := m.allowAt()
		m.setAllowAt(len(c.arena))
		c.arena = append(c.arena, s.arena[from:][:m.allowBytes()]...)
	}
	return c
}

// trim is [keyShard.trim] for merchants.
func (s *merchantShard) trim() {
	if wasteful(len(s.rows), cap(s.rows)) {
		s.rows = append(make([]merchantRow, 0, len(s.rows)), s.rows...)
		s.reindex(indexSize(len(s.rows)))
	}
	if wasteful(len(s.arena), cap(s.arena)-4*stride6) {
		s.arena = append(make([]byte, 0, len(s.arena)), s.arena...)
	}
}

func (s *merchantShard) bytes() int64 {
	return int64(cap(s.rows)*merchantRowBytes + cap(s.index)*4 + cap(s.arena))
}
