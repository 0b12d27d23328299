package keyring

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

const maxRootFile = 256 // bytes: 44 characters and white space

// LoadRoot reads a root file. It changes nothing. It refuses a file that
// others may read or write, one that belongs to another user, and content
// other than 32 bytes in base64. Below $CREDENTIALS_DIRECTORY the group may
// read a file of root: systemd grants the service its access by an ACL, whose
// mask shows as group bits, and keeps everyone else out at the directory.
//
// A missing file is an fs.ErrNotExist.
func LoadRoot(path string) (*Root, error) {
	// O_NONBLOCK: a named pipe must be refused, not waited for.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("root key: %w", err)
	}
	defer f.Close()
	if err := checkFile(f); err != nil {
		return nil, fmt.Errorf("root key: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxRootFile))
	defer clear(text)
	if err != nil {
		return nil, fmt.Errorf("root key: %w", err)
	}
	root, err := parseRoot(text)
	if err != nil {
		return nil, fmt.Errorf("root key: %s: %w", path, err)
	}
	return root, nil
}

// checkFile looks at the open file, not at its name, which could lead
// elsewhere a moment later.
func checkFile(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	owner := -1 // refused, where the system names no owner
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		owner = int(st.Uid)
	}
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	credential := dir != "" && filepath.Dir(filepath.Clean(f.Name())) == filepath.Clean(dir)
	return checkAccess(f.Name(), info.Mode(), owner, os.Geteuid(), credential)
}

func checkAccess(path string, mode fs.FileMode, owner, self int, credential bool) error {
	allowed := fs.FileMode(0o700)
	if credential && owner == 0 {
		allowed |= 0o040
	}
	switch {
	case !mode.IsRegular():
		return fmt.Errorf("%s is not a regular file", path)
	case mode.Perm()&^allowed != 0:
		return fmt.Errorf("%s has mode %04o, which lets others at it: run chmod 0400 %s, and rotate the root if they were there", path, mode.Perm(), path)
	case owner != 0 && owner != self:
		return fmt.Errorf("%s belongs to user %d, who could change it: run chown %d %s", path, owner, self, path)
	}
	return nil
}

// CreateRoot makes a root key of 32 bytes from random, writes it to path with
// mode 0400 and returns it once it is safely on disk. It never overwrites: an
// existing file is an fs.ErrExist. Readers see the whole file or none.
func CreateRoot(path string, random io.Reader) (*Root, error) {
	// Asked first only for a clear answer on a read-only directory; it is the
	// link below that cannot overwrite.
	if _, err := os.Lstat(path); err == nil {
		return nil, fmt.Errorf("root key: %w", &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist})
	}
	var key [keySize]byte
	defer clear(key[:])
	if _, err := io.ReadFull(random, key[:]); err != nil {
		return nil, fmt.Errorf("root key: read random bytes: %w", err)
	}
	root, err := newRoot(key[:])
	if err != nil {
		return nil, fmt.Errorf("root key: %w", err)
	}
	if err := writeNew(path, key[:]); err != nil {
		return nil, fmt.Errorf("root key: %w", err)
	}
	return root, nil
}

// LoadOrCreateRoot is for the first start, when the database holds no data key
// yet; later a missing root must be an error, for which use LoadRootFor.
func LoadOrCreateRoot(path string, random io.Reader) (*Root, error) {
	root, err := CreateRoot(path, random)
	if !errors.Is(err, fs.ErrExist) {
		return root, err
	}
	// Its maker may have been killed before the name was safely on disk. Keys
	// wrapped by a root that a power cut takes away would be lost.
	if err := syncDir(filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("root key: %w", err)
	}
	return LoadRoot(path)
}

func writeNew(path string, key []byte) error {
	text := make([]byte, 0, base64.StdEncoding.EncodedLen(len(key))+1)
	text = append(base64.StdEncoding.AppendEncode(text, key), '\n')
	defer clear(text)
	dir := filepath.Dir(path)
	tmp, err := writeTemp(dir, text)
	if err != nil {
		return err
	}
	if err := errors.Join(os.Link(tmp, path), os.Remove(tmp)); err != nil {
		return err
	}
	return syncDir(dir)
}

func writeTemp(dir string, text []byte) (string, error) {
	f, err := os.CreateTemp(dir, ".root-key-*")
	if err != nil {
		return "", err
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Chmod(0o400), f.Sync(), f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// syncDir makes the names in dir outlive a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
