package lastgood

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// The file, all numbers little endian:
//
//	magic and version [8] · root key id [16] · random id of the file [16]
//	blocks: length u32, its top bit set in the last one · sealed block
//
// A block is sealed by a key that the root key yields, with the header, its number
// (u64) and whether it is the last (u8) as additional data: none can be left out,
// moved, or come from another file. The first holds the facts, the last is empty,
// and those between are the blocks of the snapshot.
const (
	magic     = "UNKLKG\x00\x02"
	rootIDLen = 16
	fileIDLen = 16
	headerLen = len(magic) + rootIDLen + fileIDLen

	lastBlock = 1 << 31
	maxField  = 1<<16 - 1
	// blockSize is what a block of a snapshot is filled to. One is held in memory
	// sealed, and one open.
	blockSize = 1 << 20
)

// ErrDamaged: the file is not one of this package, or not whole, or was changed.
var ErrDamaged = errors.New("the last known good snapshot is damaged")

// Record is what is kept.
type Record struct {
	// Source names the database, so that nobody starts from another's snapshot.
	Source   string
	Snapshot *controlplane.Snapshot
	// ContactAt is when the database last confirmed the snapshot.
	ContactAt time.Time
	// DataKeys are those of the keyring as the database has them, wrapped: without
	// them nothing that the database sends later could be opened.
	DataKeys []controlplane.DataKey
}

// additional is the additional data of a block.
func additional(header []byte, number uint64, last bool) []byte {
	out := append(make([]byte, 0, headerLen+9), header...)
	out = binary.LittleEndian.AppendUint64(out, number)
	if last {
		return append(out, 1)
	}
	return append(out, 0)
}

// facts is the first block.
type facts struct {
	source    string
	contactAt time.Time
	revision  int64
	dataKeys  []controlplane.DataKey
}

func (f facts) encode() []byte {
	out := appendField(nil, []byte(f.source))
	out = binary.LittleEndian.AppendUint64(out, uint64(f.contactAt.UnixMicro()))
	out = binary.LittleEndian.AppendUint64(out, uint64(f.revision))
	for _, k := range f.dataKeys {
		out = binary.LittleEndian.AppendUint32(out, k.ID)
		out = binary.LittleEndian.AppendUint64(out, uint64(k.CreatedAt.UnixMicro()))
		for _, field := range [][]byte{[]byte(k.Purpose), []byte(k.RootID), k.Wrapped} {
			out = appendField(out, field)
		}
	}
	return out
}

func appendField(out, field []byte) []byte {
	return append(binary.LittleEndian.AppendUint16(out, uint16(len(field))), field...)
}

func decodeFacts(b []byte) (f facts, err error) {
	r := reader{rest: b}
	f.source = string(r.field())
	f.contactAt = time.UnixMicro(int64(r.uint64())).UTC()
	f.revision = int64(r.uint64())
	for len(r.rest) > 0 && !r.short {
		k := controlplane.DataKey{ID: uint32(r.number(4)), CreatedAt: time.UnixMicro(int64(r.uint64())).UTC()}
		k.Purpose, k.RootID = string(r.field()), string(r.field())
		k.Wrapped = append(k.Wrapped, r.field()...)
		f.dataKeys = append(f.dataKeys, k)
	}
	if r.short {
		return facts{}, fmt.Errorf("%w: its facts are cut short", ErrDamaged)
	}
	return f, nil
}

// reader takes fields off a slice, and remembers that one was missing.
type reader struct {
	rest  []byte
	short bool
}

func (r *reader) take(n int) []byte {
	if r.short || len(r.rest) < n {
		r.short = true
		return make([]byte, n)
	}
	out := r.rest[:n]
	r.rest = r.rest[n:]
	return out
}

func (r *reader) number(bytes int) (n uint64) {
	for i, b := range r.take(bytes) {
		n |= uint64(b) << (8 * i)
	}
	return n
}

func (r *reader) uint64() uint64 { return r.number(8) }

func (r *reader) field() []byte { return r.take(int(r.number(2))) }
