package controlplane

import (
	"encoding/binary"
	"math"
	"slices"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane/signature"
)

// keyName is a key id: what follows its prefix, packed, and its environment in a bit
// that the packing leaves free.
type keyName [packedName]byte

// The last byte of a name has four bits of its last character, and above them:
const (
	nameTest   = 1 << 4
	nameBits   = nameTest<<1 - 1
	stateShift = 5 // where a row has its state
)

func parseKeyID(id string) (name keyName, ok bool) {
	env, ok := signature.EnvironmentOf(id)
	if !ok {
		return name, false
	}
	pack6(name[:], id[len(signature.LivePrefix):])
	if env[0] == Test[0] {
		name[packedName-1] |= nameTest
	}
	return name, true
}

func (n *keyName) env() Environment {
	if n[packedName-1]&nameTest != 0 {
		return Test
	}
	return Live
}

func (n *keyName) hash() rowHash {
	a, b := binary.LittleEndian.Uint64(n[:]), binary.LittleEndian.Uint64(n[8:])
	return mix(a^uint64(n[packedName-1]&nameBits), b)
}

// id is the text of it.
func (n *keyName) id() string {
	var text [keyIDChars]byte
	packed := *n
	packed[packedName-1] &= nameTest - 1
	unpack6(text[:], packed[:])
	return "unk_" + string(n.env()) + "_" + string(text[:])
}

// The states of a keyRow.
const (
	stateAbsent = iota // left out: the secret could not be opened
	stateActive
	stateRetiring
	stateRevoked
)

// keyRowBytes is for the statistics.
const keyRowBytes = packedName + 4 + packedSecret

// keyRow is a key. All fields are bytes, so that nothing pads it.
type keyRow struct {
	nameAndState [packedName]byte
	merchant     [4]byte // a rowRef
	// secret is all zeroes for a key whose secret has another form than those that
	// are issued: see keyShard.macs.
	secret [packedSecret]byte
}

func (k *keyRow) name() (n keyName) {
	n = k.nameAndState
	n[packedName-1] &= nameBits
	return n
}

func (k *keyRow) is(name *keyName) bool { return k.name() == *name }

func (k *keyRow) state() byte { return k.nameAndState[packedName-1] >> stateShift }

func (k *keyRow) setState(state byte) {
	k.nameAndState[packedName-1] = k.nameAndState[packedName-1]&nameBits | state<<stateShift
}

func (k *keyRow) merchantRef() rowRef { return rowRef(binary.LittleEndian.Uint32(k.merchant[:])) }

// keyState turns anything but the two working states into "revoked": a state
// that this version does not know must not let anyone in.
func (k *keyRow) keyState() KeyState {
	switch k.state() {
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

type keyShard struct {
	rows  []keyRow
	index rowIndex
	ends  rare[uint32]           // when retiring and revoked keys end or ended, in Unix seconds
	macs  rare[signature.MACKey] // of keys whose secrets the rows cannot hold
}

func (s *keyShard) find(name *keyName) (row uint32, ok bool) {
	h := name.hash()
	if len(s.index) == 0 {
		return 0, false
	}
	tag := s.index.tag(h)
	for i := s.index.first(h); s.index[i] != 0; i = s.index.next(i) {
		slot := s.index[i]
		if row := slot&rowMask - 1; slot&^rowMask == tag && s.rows[row].is(name) {
			return row, true
		}
	}
	return 0, false
}

func (s *keyShard) mac(row uint32) signature.MACKey {
	if mac, ok := s.macs.get(row); ok {
		return mac
	}
	k := &s.rows[row]
	name := k.name()
	return macOf(name.env(), &k.secret)
}

func (s *keyShard) add(name keyName) (row uint32) {
	row = s.put(name)
	if s.index.full(len(s.rows)) {
		s.reindex(indexSize(len(s.rows) * 5 / 4))
		return row
	}
	s.index.insert(name.hash(), row)
	return row
}

// put is add that leaves the index to a later reindex.
func (s *keyShard) put(name keyName) (row uint32) {
	s.rows = append(s.rows, keyRow{nameAndState: name})
	return uint32(len(s.rows) - 1)
}

func (s *keyShard) reindex(size int) {
	s.index = make(rowIndex, size)
	for i := range s.rows {
		name := s.rows[i].name()
		s.index.insert(name.hash(), uint32(i))
	}
}

func (s *keyShard) clone() *keyShard {
	return &keyShard{
		rows:  append(make([]keyRow, 0, len(s.rows)+1), s.rows...),
		index: slices.Clone(s.index),
		ends:  slices.Clone(s.ends),
		macs:  slices.Clone(s.macs),
	}
}

// trim gives back what growing by doubling left unused after a whole load.
func (s *keyShard) trim() {
	if wasteful(len(s.rows), cap(s.rows)) {
		s.rows = append(make([]keyRow, 0, len(s.rows)), s.rows...)
		s.reindex(indexSize(len(s.rows)))
	}
	s.ends, s.macs = slices.Clip(s.ends), slices.Clip(s.macs)
}

func wasteful(length, capacity int) bool { return capacity > length+length/64+1 }

func (s *keyShard) bytes() int64 {
	return int64(cap(s.rows)*keyRowBytes + cap(s.index)*4 + cap(s.ends)*endBytes + cap(s.macs)*macBytes)
}

// What an entry of ends and one of macs takes.
const (
	endBytes = 4 + 4
	macBytes = 4 + len(signature.MACKey{})
)
