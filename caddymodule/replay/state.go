package replay

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

const (
	stateName  = "nonces"
	stateMagic = "UNKNONC1"
	recordSize = 20
)

// stateHeader starts the state file; Count records of 20 bytes (lo, hi, second) and the SHA-256 of
// all that follow it. Everything is little-endian.
type stateHeader struct {
	Magic     [8]byte
	Epoch     epoch
	K0, K1    uint64 // the hash key: the digests mean nothing without it
	Floor     int64
	Retention int64
	Count     uint64
}

// writeState writes the closed store. It holds back advance, so that floor, count and records agree.
func (m *Memory) writeState(w io.Writer) error {
	m.retiring.Lock()
	defer m.retiring.Unlock()
	sum := sha256.New()
	out := bufio.NewWriterSize(io.MultiWriter(w, sum), 1<<16)
	h := stateHeader{
		Epoch: m.mark.epoch, K0: m.key.k0, K1: m.key.k1,
		Floor: m.floor.Load(), Retention: m.retention.Load(), Count: m.settle(),
	}
	copy(h.Magic[:], stateMagic)
	// A bufio.Writer keeps its first error for Flush.
	_ = binary.Write(out, binary.LittleEndian, h)
	for i := range m.shards {
		m.shards[i].write(out, uint32(h.Floor))
	}
	if err := out.Flush(); err != nil {
		return err
	}
	_, err := w.Write(sum.Sum(nil))
	return err
}

// settle waits for every Use that was let in before the store closed and counts the live records.
// Nothing changes the shards afterwards.
func (m *Memory) settle() (count uint64) {
	for i := range m.shards {
		s := &m.shards[i]
		s.Lock()
		count += uint64(s.live)
		s.Unlock()
	}
	return count
}

func (s *shard) write(out *bufio.Writer, floor uint32) {
	for i := range s.segments {
		for r := range s.segments[i].live(floor) {
			d := r.key()
			var b [recordSize]byte
			binary.LittleEndian.PutUint64(b[:], d.lo)
			binary.LittleEndian.PutUint64(b[8:], d.hi)
			binary.LittleEndian.PutUint32(b[16:], r.second)
			_, _ = out.Write(b[:]) // kept for Flush
		}
	}
}

// readState hands every record to add and returns the header. Nothing that add got may be used
// unless the error is nil: the checksum comes last.
func readState(r io.Reader, want epoch, add func(d digest, second uint32) error) (stateHeader, error) {
	sum := sha256.New()
	in := bufio.NewReaderSize(r, 1<<16)
	hashed := io.TeeReader(in, sum)
	h, err := readHeader(hashed, want)
	if err != nil {
		return h, err
	}
	var b [recordSize]byte
	for range h.Count {
		if _, err := io.ReadFull(hashed, b[:]); err != nil {
			return h, truncated(err)
		}
		second := binary.LittleEndian.Uint32(b[16:])
		if int64(second) <= h.Floor {
			return h, fmt.Errorf("nonce below the floor: %w", errCorrupt)
		}
		d := digest{binary.LittleEndian.Uint64(b[:]), binary.LittleEndian.Uint64(b[8:])}
		if err := add(d, second); err != nil {
			return h, err
		}
	}
	return h, checkEnd(in, sum.Sum(nil))
}

func readHeader(r io.Reader, want epoch) (stateHeader, error) {
	var h stateHeader
	if err := binary.Read(r, binary.LittleEndian, &h); err != nil {
		return h, truncated(err)
	}
	switch {
	case string(h.Magic[:]) != stateMagic:
		return h, fmt.Errorf("not a nonce file: %w", errCorrupt)
	case h.Epoch != want:
		return h, fmt.Errorf("written by another run: %w", errCorrupt)
	case h.Floor < 0 || h.Floor > math.MaxUint32 || h.Retention < 0 || h.Retention > maxRetention ||
		h.Retention == 0 && h.Count > 0:
		return h, fmt.Errorf("header out of range: %w", errCorrupt)
	}
	return h, nil
}

func checkEnd(in io.Reader, sum []byte) error {
	var got [sha256.Size + 1]byte
	n, err := io.ReadFull(in, got[:])
	if err != io.ErrUnexpectedEOF {
		return truncated(err)
	}
	if !bytes.Equal(got[:n], sum) {
		return fmt.Errorf("checksum differs: %w", errCorrupt)
	}
	return nil
}

// truncated tells a file of the wrong length, which is damage, from a disk that cannot be read.
func truncated(err error) error {
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("wrong length: %w", errCorrupt)
	}
	return err
}
