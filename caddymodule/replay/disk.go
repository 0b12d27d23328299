package replay

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// disk is the directory of a store; the tests have one that loses power.
type disk interface {
	Open(name string) (io.ReadCloser, error)
	Create(name string) (file, error) // emptied if it exists
	Edit(name string) (file, error)   // an existing file, for writing
	Rename(from, to string) error
	Remove(name string) error
	Sync() error // makes creations, renames and removals durable
	Close() error
}

type file interface {
	io.Writer
	io.WriterAt
	Sync() error
	Close() error
}

// replace gives name a new content so that, whenever the power fails, either the old or the new one
// is there whole; when it returns nil, the new one.
func replace(d disk, name string, write func(io.Writer) error) error {
	temporary := name + ".new"
	f, err := d.Create(temporary)
	if err != nil {
		return err
	}
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := d.Rename(temporary, name); err != nil {
		return err
	}
	return d.Sync()
}

// dir is a real directory, locked against other processes until it is closed.
type dir struct {
	root *os.Root
	self *os.File
}

func openDir(path string) (*dir, error) {
	if err := makeDir(path); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	self, err := root.Open(".")
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	d := &dir{root: root, self: self}
	if err := lock(self); err != nil {
		return nil, errors.Join(fmt.Errorf("%s is in use by another process: %w", path, err), d.Close())
	}
	return d, nil
}

// makeDir is os.MkdirAll made durable: a directory that a power cut takes away again would let the
// next start pass for the first.
func makeDir(path string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(path)
	if err := makeDir(parent); err != nil {
		return err
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		return err
	}
	p, err := os.Open(parent)
	if err != nil {
		return err
	}
	return errors.Join(p.Sync(), p.Close())
}

func (d *dir) Open(name string) (io.ReadCloser, error) { return d.root.Open(name) }

func (d *dir) Create(name string) (file, error) {
	return d.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
}

func (d *dir) Edit(name string) (file, error) { return d.root.OpenFile(name, os.O_WRONLY, 0) }

func (d *dir) Rename(from, to string) error { return d.root.Rename(from, to) }
func (d *dir) Remove(name string) error     { return d.root.Remove(name) }
func (d *dir) Sync() error                  { return d.self.Sync() }

// Close releases the lock with the descriptor.
func (d *dir) Close() error { return errors.Join(d.self.Close(), d.root.Close()) }
