package lastgood

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/keyring"
)

// Read reads what [Write] has written last from a source. find finds the root key with
// an id. Errors: fs.ErrNotExist if there is no file, [ErrDamaged], those of find.
func Read(path, source string, find func(rootID string) (*keyring.Root, error)) (Record, error) {
	rec, err := read(path, find)
	if err == nil && rec.Source != source {
		err = fmt.Errorf("it is of another database, %s", rec.Source)
	}
	if err != nil {
		return Record{}, fmt.Errorf("read the last known good snapshot: %w", err)
	}
	return rec, nil
}

func read(path string, find func(string) (*keyring.Root, error)) (rec Record, err error) {
	f, err := os.Open(path)
	if err != nil {
		return rec, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return rec, err
	}
	if !info.Mode().IsRegular() {
		return rec, fmt.Errorf("%s is not a regular file", path)
	}
	return decode(f, info.Size(), find)
}

// decode reads a file of size bytes: no length in it is believed beyond that.
func decode(r io.Reader, size int64, find func(string) (*keyring.Root, error)) (rec Record, err error) {
	o := opener{r: bufio.NewReaderSize(r, blockSize), left: size - int64(headerLen), header: make([]byte, headerLen)}
	if _, err := io.ReadFull(o.r, o.header); err != nil || string(o.header[:len(magic)]) != magic {
		return rec, fmt.Errorf("%w: it does not begin as version %d of it does", ErrDamaged, magic[len(magic)-1])
	}
	if o.root, err = find(string(o.header[len(magic) : len(magic)+rootIDLen])); err != nil {
		return rec, err
	}
	first, last, err := o.block()
	if err != nil {
		return rec, err
	}
	if last {
		return rec, fmt.Errorf("%w: it ends before the snapshot", ErrDamaged)
	}
	f, err := decodeFacts(first)
	if err != nil {
		return rec, err
	}
	rec.Source, rec.ContactAt, rec.DataKeys = f.source, f.contactAt, f.dataKeys
	rec.Snapshot, err = o.snapshot(f.revision)
	return rec, err
}

type opener struct {
	r      *bufio.Reader
	left   int64
	root   *keyring.Root
	header []byte
	number uint64
	box    []byte
	plain  []byte
}

func (o *opener) snapshot(revision int64) (*controlplane.Snapshot, error) {
	defer func() { clear(o.plain[:cap(o.plain)]) }()
	var s controlplane.SnapshotReader
	for {
		block, last, err := o.block()
		if err != nil {
			return nil, err
		}
		if last {
			break
		}
		if err := s.Add(block); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
	}
	if o.left != 0 {
		return nil, fmt.Errorf("%w: %d bytes follow its end", ErrDamaged, o.left)
	}
	out, err := s.Snapshot(revision)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return out, nil
}

// block opens the next one, which is valid until the one after.
func (o *opener) block() (plain []byte, last bool, err error) {
	var head [4]byte
	if _, err := io.ReadFull(o.r, head[:]); err != nil {
		return nil, false, fmt.Errorf("%w: block %d is missing", ErrDamaged, o.number)
	}
	o.left -= int64(len(head))
	length := binary.LittleEndian.Uint32(head[:])
	last = length&lastBlock != 0
	if length &^= lastBlock; int64(length) > o.left {
		return nil, false, fmt.Errorf("%w: block %d is cut short", ErrDamaged, o.number)
	}
	o.left -= int64(length)
	if cap(o.box) < int(length) {
		o.box = make([]byte, length)
	}
	o.box = o.box[:length]
	if _, err := io.ReadFull(o.r, o.box); err != nil {
		return nil, false, fmt.Errorf("%w: block %d is cut short", ErrDamaged, o.number)
	}
	if o.plain, err = o.root.OpenLocal(o.plain[:0], additional(o.header, o.number, last), o.box); err != nil {
		return nil, false, fmt.Errorf("%w: block %d: %w", ErrDamaged, o.number, err)
	}
	o.number++
	return o.plain, last, nil
}
