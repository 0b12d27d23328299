package keyring

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// The files of a root rotation, beside <path>:
//
//	<path>.next          the coming root, from NextRoot until FinishRotation
//	<path>.<fingerprint> a former root, which backups from its time still need
//
// The database decides which of them counts: the data keys carry the
// fingerprint of the root that wraps them, and change it in one transaction.
// Nothing here deletes a key, so no stop at any point can strand the database.

// NextPath is where the coming root of path waits.
func NextPath(path string) string { return path + ".next" }

func formerPath(path, rootID string) string { return path + "." + rootID }

// NextRoot returns the coming root, and makes it if there is none. One that is
// there already is taken up again: it may be left from a rotation whose commit
// went through unnoticed, and then holds the database's only key. It may also
// have been laid there for every node of several. Where the directory is
// read-only, LoadRoot the new file from any other path instead.
func NextRoot(path string, random io.Reader) (*Root, error) {
	return LoadOrCreateRoot(NextPath(path), random)
}

// FindRoot returns the root with the fingerprint rootID, which the database
// asks for, from among the files of path. It changes nothing, so it may run
// beside a live server. An empty rootID (no data key stored yet) is LoadRoot.
func FindRoot(path, rootID string) (*Root, error) {
	root, _, err := findRoot(path, rootID)
	return root, err
}

// LoadRootFor is FindRoot at start: it also finishes a rotation that stopped
// after the database had changed over.
func LoadRootFor(path, rootID string) (*Root, error) {
	root, from, err := findRoot(path, rootID)
	if err != nil || from != NextPath(path) {
		return root, err
	}
	if err := FinishRotation(path, rootID); err != nil {
		return nil, err
	}
	return root, nil
}

func findRoot(path, rootID string) (root *Root, from string, err error) {
	if rootID == "" {
		root, err = LoadRoot(path)
		return root, path, err
	}
	var seen []string
	// next before path: the other way round, a rename between the two looks
	// would hide the root from both.
	for _, p := range []string{NextPath(path), path, formerPath(path, rootID)} {
		root, err := LoadRoot(p)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			seen = append(seen, err.Error())
		case root.ID() == rootID:
			return root, p, nil
		default:
			seen = append(seen, fmt.Sprintf("%s is %q", p, root.ID()))
		}
	}
	if seen == nil {
		seen = []string{"there is no root key file"}
	}
	return nil, "", fmt.Errorf("the database needs root key %q at %s, but %s: put the file with that key back", rootID, path, strings.Join(seen, "; "))
}

// FinishRotation makes path hold the root rootID, which must be waiting at
// NextPath or be in place already; call it only when the database has committed
// rootID. The former root stays as <path>.<fingerprint>: remove it once no
// backup needs it.
func FinishRotation(path, rootID string) error {
	next, err := LoadRoot(NextPath(path))
	if errors.Is(err, fs.ErrNotExist) {
		next, err = LoadRoot(path)
		if err == nil && next.ID() == rootID {
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("finish root rotation: %w", err)
	}
	if next.ID() != rootID {
		return fmt.Errorf("finish root rotation: the database needs root key %q, but the one at hand for %s is %q", rootID, path, next.ID())
	}
	if err := replaceRoot(path); err != nil {
		return fmt.Errorf("finish root rotation: %w", err)
	}
	return nil
}

func replaceRoot(path string) error {
	if err := keepFormer(path); err != nil {
		return err
	}
	if err := os.Rename(NextPath(path), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// keepFormer gives the root at path a second name before it loses its first.
func keepFormer(path string) error {
	former, err := LoadRoot(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	err = os.Link(path, formerPath(path, former.ID()))
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(filepath.Dir(path))
}
