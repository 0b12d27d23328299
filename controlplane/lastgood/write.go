package lastgood

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/unknownpay/merchant-gateway/controlplane/keyring"
)

// Write puts a record into the place of the one that is there. Who reads at the same
// time, or after a power cut, finds the one or the other, whole. The directory is
// made if it is missing, for the server's user only.
func Write(path string, root *keyring.Root, rec Record, random io.Reader) error {
	if err := write(path, root, rec, random); err != nil {
		return fmt.Errorf("keep the last known good snapshot: %w", err)
	}
	return nil
}

func write(path string, root *keyring.Root, rec Record, random io.Reader) (err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+"-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	buffered := bufio.NewWriterSize(f, blockSize)
	err = encode(buffered, root, rec, random)
	if err := errors.Join(err, buffered.Flush(), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir makes the name outlive a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func encode(w io.Writer, root *keyring.Root, rec Record, random io.Reader) error {
	header := append(make([]byte, 0, headerLen), magic+root.ID()...)
	if len(header) != headerLen-fileIDLen {
		return fmt.Errorf("the id of the root key has %d characters, want %d", len(root.ID()), rootIDLen)
	}
	header = header[:headerLen]
	if _, err := io.ReadFull(random, header[headerLen-fileIDLen:]); err != nil {
		return fmt.Errorf("read randomness: %w", err)
	}
	if _, err := w.Write(header); err != nil {
		return err
	}
	if len(rec.Source) > maxField {
		return fmt.Errorf("the name of the database has %d bytes", len(rec.Source))
	}
	s := &sealer{w: w, root: root, header: header}
	if err := s.block(facts{rec.Source, rec.ContactAt, rec.Snapshot.Revision(), rec.DataKeys}.encode(), false); err != nil {
		return err
	}
	for block := range rec.Snapshot.Blocks(blockSize) {
		if err := s.block(block, false); err != nil {
			return err
		}
	}
	return s.block(nil, true)
}

type sealer struct {
	w      io.Writer
	root   *keyring.Root
	header []byte
	number uint64
	box    []byte
}

func (s *sealer) block(plain []byte, last bool) error {
	s.box = append(s.box[:0], 0, 0, 0, 0)
	s.box = s.root.SealLocal(s.box, additional(s.header, s.number, last), plain)
	length := len(s.box) - 4
	if length >= lastBlock {
		return fmt.Errorf("a block of %d bytes is too long", length)
	}
	if last {
		length |= lastBlock
	}
	binary.LittleEndian.PutUint32(s.box, uint32(length))
	s.number++
	_, err := s.w.Write(s.box)
	return err
}
