package controlplane

import (
	"cmp"
	"encoding/binary"
	"math"
	"math/big"
	"slices"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane/signature"
)

// keyName is a key id in short: the first letter of its environment and what
// follows its prefix.
type keyName [1 + keyIDChars]byte

func parseKeyID(id string) (name keyName, ok bool) {
	env, ok := signature.EnvironmentOf(id)
	if !ok {
		return name, false
	}
	name[0] = env[0]
	copy(name[1:], id[len(signature.LivePrefix):])
	return name, true
}

func (n *keyName) env() Environment {
	if n[0] == Test[0] {
		return Test
	}
	return Live
}

func (n *keyName) hash() rowHash {
	a, b := binary.LittleEndian.Uint64(n[:]), binary.LittleEndian.Uint64(n[8:])
	c := binary.LittleEndian.Uint64(n[len(n)-8:])
	return mix(a^c, b+c)
}

// The states of a keyRow.
const (
	stateAbsent = iota // left out: the secret could not be opened
	stateActive
	stateRetiring
	stateRevoked
)

// Sizes of the rows, for the statistics.
const (
	keyRowBytes     = 96
	testSecretBytes = 36
)

// keyRow is a key. All fields are bytes, so that nothing pads it.
type keyRow struct {
	name     keyName
	state    byte
	merchant [4]byte // a rowRef
	retire   [4]byte // Unix seconds, 0 for never
	mac      signature.MACKey
}

func (k *keyRow) merchantRef() rowRef { return rowRef(binary.LittleEndian.Uint32(k.merchant[:])) }
func (k *keyRow) retireAt() uint32    { return binary.LittleEndian.Uint32(k.retire[:]) }

// keyState turns anything but the two working states into "revoked": a state
// that this version does not know must not let anyone in.
func (k *keyRow) keyState() KeyState {
	switch k.state {
	case stateActive:
		return KeyActive
	case stateRetiring:
		return KeyRetiring
	}
	return KeyRevoked
}

func packState(s KeyState) byte {
	switch s {
	case KeyActive:
		return stateActive
	case KeyRetiring:
		return stateRetiring
	}
	return stateRevoked
}

// packTime keeps whole seconds, from 1970 to 2106. A time outside stops a key
// at once or in 2106.
func packTime(t time.Time) uint32 {
	if t.IsZero() {
		return 0
	}
	return uint32(min(max(t.Unix(), 1), math.MaxUint32))
}

// testSecret is the 32 bytes that the secret of a test key spells in base62.
type testSecret struct {
	row uint32
	raw [secretBytes]byte
}

type keyShard struct {
	rows    []keyRow
	index   rowIndex
	secrets []testSecret // ordered by row
}

func (s *keyShard) find(name *keyName) (row uint32, ok bool) {
	h := name.hash()
	if len(s.index) == 0 {
		return 0, false
	}
	tag := s.index.tag(h)
	for i := s.index.first(h); s.index[i] != 0; i = s.index.next(i) {
		slot := s.index[i]
		if row := slot&rowMask - 1; slot&^rowMask == tag && s.rows[row].name == *name {
			return row, true
		}
	}
	return 0, false
}

func (s *keyShard) add(k keyRow) (row uint32) {
	row = uint32(len(s.rows))
	s.rows = append(s.rows, k)
	if s.index.full(len(s.rows)) {
		s.reindex(indexSize(len(s.rows) * 5 / 4))
		return row
	}
	s.index.insert(k.name.hash(), row)
	return row
}

func (s *keyShard) expect(rows int) {
	s.rows = slices.Grow(s.rows, rows)
	s.reindex(indexSize(rows))
}

func (s *keyShard) reindex(size int) {
	s.index = make(rowIndex, size)
	for i := range s.rows {
		s.index.insert(s.rows[i].name.hash(), uint32(i))
	}
}

func (s *keyShard) clone() *keyShard {
	return &keyShard{
		rows:    append(make([]keyRow, 0, len(s.rows)+1), s.rows...),
		index:   slices.Clone(s.index),
		secrets: slices.Clone(s.secrets),
	}
}

// trim gives back what growing by doubling left unused after a whole load.
func (s *keyShard) trim() {
	if wasteful(len(s.rows), cap(s.rows)) {
		s.rows = append(make([]keyRow, 0, len(s.rows)), s.rows...)
		s.reindex(indexSize(len(s.rows)))
	}
	if wasteful(len(s.secrets), cap(s.secrets)) {
		s.secrets = append(make([]testSecret, 0, len(s.secrets)), s.secrets...)
	}
}

func wasteful(length, capacity int) bool { return capacity > length+length/16+4 }

func (s *keyShard) bytes() int64 {
	return int64(cap(s.rows)*keyRowBytes + cap(s.index)*4 + cap(s.secrets)*testSecretBytes)
}

func (s *keyShard) secretAt(row uint32) (int, bool) {
	return slices.BinarySearchFunc(s.secrets, row, func(t testSecret, row uint32) int { return cmp.Compare(t.row, row) })
}

func (s *keyShard) testSecret(row uint32) Secret {
	i, ok := s.secretAt(row)
	if !ok {
		return Secret{}
	}
	text := "unks_test_" + toBase62(new(big.Int).SetBytes(s.secrets[i].raw[:]), secretChars)
	return NewSecret(text + secretChecksum(text))
}

func (s *keyShard) setTestSecret(row uint32, raw [secretBytes]byte, known bool) {
	i, found := s.secretAt(row)
	switch {
	case known && found:
		s.secrets[i].raw = raw
	case known:
		s.secrets = slices.Insert(s.secrets, i, testSecret{row, raw})
	case found:
		s.secrets = slices.Delete(s.secrets, i, i+1)
	}
}
