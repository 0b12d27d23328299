package lastgood

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/keyring"
)

func encoded(tb testing.TB, root *keyring.Root, rec Record) []byte {
	tb.Helper()
	var b bytes.Buffer
	check(tb, encode(&b, root, rec, rand.Reader))
	return b.Bytes()
}

func decoded(root *keyring.Root, file []byte) (Record, error) {
	return decode(bytes.NewReader(file), int64(len(file)), only(root))
}

func blocks(s *controlplane.Snapshot) (all []byte) {
	for b := range s.Blocks(1 << 20) {
		all = append(all, b...)
	}
	return all
}

func TestRecordIsReadAsItWasWritten(t *testing.T) {
	root, path := newRoot(t), filepath.Join(t.TempDir(), "new", "dir", "last-known-good")
	for _, n := range []int{0, 1, 30_000} { // several blocks
		rec := recordOf(t, n)
		check(t, Write(path, root, rec, rand.Reader))
		got, err := Read(path, source, only(root))
		check(t, err)
		if !bytes.Equal(blocks(got.Snapshot), blocks(rec.Snapshot)) || got.Snapshot.Len() != n || got.Snapshot.Revision() != 42 {
			t.Errorf("%d keys: %+v", n, got.Snapshot.Stats())
		}
		if !got.ContactAt.Equal(rec.ContactAt) || !reflect.DeepEqual(got.DataKeys, rec.DataKeys) {
			t.Errorf("%v, %+v", got.ContactAt, got.DataKeys)
		}
	}
	info, err := os.Stat(path)
	check(t, err)
	dir, err := os.Stat(filepath.Dir(path))
	check(t, err)
	if info.Mode().Perm() != 0o600 || dir.Mode().Perm() != 0o700 {
		t.Errorf("mode %v in %v", info.Mode(), dir.Mode())
	}
	left, err := os.ReadDir(filepath.Dir(path))
	check(t, err)
	if len(left) != 1 {
		t.Errorf("%d files are left", len(left))
	}
}

func TestNothingButTheRootsIDIsInTheClear(t *testing.T) {
	root, rec := newRoot(t), recordOf(t, 3)
	file := encoded(t, root, rec)
	mac := [64]byte{}
	if c, ok := rec.Snapshot.Key(keyID(2)); ok {
		mac = c.MAC()
	}
	for _, secret := range [][]byte{mac[:16], mac[48:], []byte(keyID(2))[9:], rec.DataKeys[0].Wrapped, []byte(controlplane.PurposeAPISecret)} {
		if bytes.Contains(file, secret) {
			t.Errorf("%q is readable", secret)
		}
	}
	if !bytes.Contains(file[:headerLen], []byte(root.ID())) || bytes.Equal(file, encoded(t, root, rec)) {
		t.Error("the header lacks the root key's id, or two files are the same")
	}
}

func TestEveryDamageIsFound(t *testing.T) {
	root := newRoot(t)
	file := encoded(t, root, recordOf(t, 4))
	for i := range file {
		bad := bytes.Clone(file)
		bad[i] ^= 0x10
		_, err := decoded(root, bad)
		if err == nil {
			t.Fatalf("byte %d of %d may be another", i, len(file))
		}
		if at := i - len(magic); at >= 0 && at < rootIDLen {
			continue // another root key is asked for
		}
		if !errors.Is(err, ErrDamaged) {
			t.Fatalf("byte %d: %v", i, err)
		}
	}
	for n := range file {
		if _, err := decoded(root, file[:n]); !errors.Is(err, ErrDamaged) {
			t.Fatalf("%d of %d bytes: %v", n, len(file), err)
		}
	}
	if _, err := decoded(root, append(bytes.Clone(file), 0)); !errors.Is(err, ErrDamaged) {
		t.Errorf("a byte more: %v", err)
	}
}

// parts cuts a file into its header and blocks.
func parts(file []byte) (header []byte, all [][]byte) {
	header, file = file[:headerLen], file[headerLen:]
	for len(file) > 0 {
		n := 4 + int(binary.LittleEndian.Uint32(file)&^lastBlock)
		all = append(all, file[:n])
		file = file[n:]
	}
	return header, all
}

func TestBlocksKeepTheirPlaceAndFile(t *testing.T) {
	root, rec := newRoot(t), recordOf(t, 30_000)
	header, a := parts(encoded(t, root, rec))
	other, b := parts(encoded(t, root, rec))
	if len(a) < 5 {
		t.Fatalf("%d blocks", len(a))
	}
	last := len(a) - 1
	for name, f := range map[string][][]byte{
		"two change places":        {header, a[0], a[2], a[1], a[3], a[last]},
		"one is left out":          {header, a[0], a[1], a[3], a[last]},
		"one comes twice":          {header, a[0], a[1], a[1], a[2], a[last]},
		"the end comes early":      {header, a[0], a[1], a[last]},
		"the facts are missing":    {header, a[1], a[2], a[3], a[last]},
		"one is of another file":   {header, a[0], b[1], a[2], a[3], a[last]},
		"facts of another file":    {header, b[0], a[1], a[2], a[3], a[last]},
		"header of another file":   append([][]byte{other}, a...),
		"only the end":             {header, a[last]},
		"the end is marked in one": {header, a[0], marked(a[1])},
	} {
		if _, err := decoded(root, bytes.Join(f, nil)); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func marked(block []byte) []byte {
	out := bytes.Clone(block)
	out[3] |= 0x80
	return out
}

func TestFileOfAnotherRootKeySaysWhich(t *testing.T) {
	root, path := newRoot(t), filepath.Join(t.TempDir(), "f")
	check(t, Write(path, root, recordOf(t, 1), rand.Reader))
	_, err := Read(path, source, only(newRoot(t)))
	if err == nil || errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), root.ID()) {
		t.Errorf("%v", err)
	}
}

func TestFileOfAnotherDatabaseIsRefused(t *testing.T) {
	root, path := newRoot(t), filepath.Join(t.TempDir(), "f")
	check(t, Write(path, root, recordOf(t, 1), rand.Reader))
	if rec, err := Read(path, "postgres://db.example/other", only(root)); err == nil || rec.Snapshot != nil || !strings.Contains(err.Error(), source) {
		t.Errorf("%v", err)
	}
	long := recordOf(t, 1)
	long.Source = strings.Repeat("x", 1<<16)
	if err := Write(path, root, long, rand.Reader); err == nil {
		t.Error("a name was cut")
	}
}

func TestWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	root := newRoot(t)
	if _, err := Read(filepath.Join(dir, "none"), source, only(root)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if _, err := Read(dir, source, only(root)); err == nil {
		t.Error("a directory was read")
	}
	check(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
	if err := Write(filepath.Join(dir, "file", "f"), root, recordOf(t, 1), rand.Reader); err == nil {
		t.Error("a file was taken for a directory")
	}
	if err := Write(dir, root, recordOf(t, 1), rand.Reader); err == nil {
		t.Error("a directory was replaced")
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(dir), ".*"))
	check(t, err)
	if len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// FuzzDecode has the bytes of a file, and, sealed as they should be, of its blocks.
func FuzzDecode(f *testing.F) {
	root, err := keyring.LoadOrCreateRoot(filepath.Join(f.TempDir(), "root.key"), rand.Reader)
	check(f, err)
	rec := recordOf(f, 2)
	f.Add(encoded(f, root, rec), facts{source, rec.ContactAt, 1, rec.DataKeys}.encode(), blocks(rec.Snapshot))
	f.Add([]byte(magic+root.ID()), []byte{}, []byte{1})
	f.Fuzz(func(t *testing.T, file, first, second []byte) {
		if _, err := decoded(root, file); err != nil && !errors.Is(err, ErrDamaged) && !strings.Contains(err.Error(), "no root key") {
			t.Fatalf("%v", err)
		}
		var b bytes.Buffer
		header := append([]byte(magic+root.ID()), make([]byte, fileIDLen)...)
		b.Write(header)
		s := &sealer{w: &b, root: root, header: header}
		for i, block := range [][]byte{first, second, nil} {
			check(t, s.block(block, i == 2))
		}
		got, err := decoded(root, b.Bytes())
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Fatalf("%v", err)
			}
			return
		}
		again, err := decoded(root, encoded(t, root, got))
		if err != nil || !reflect.DeepEqual(again.DataKeys, got.DataKeys) || !again.ContactAt.Equal(got.ContactAt) {
			t.Fatalf("%v: %+v, %+v", err, again, got)
		}
	})
}
