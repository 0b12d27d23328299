package replay

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"sync"
)

var (
	errPower = errors.New("the power is gone")
	errIO    = errors.New("input/output error")
)

// powerDisk is a disk that keeps what was written apart from what was synced, and can fail or lose
// power before any of its steps. After a power cut each file holds its synced content, its newest,
// or a torn mixture, and each name what was last synced or the newest.
type powerDisk struct {
	mu      sync.Mutex
	random  *rand.Rand
	names   map[string]*inode
	durable map[string]*inode
	steps   int
	cutAt   int  // the power goes before this step; 0: never
	broken  bool // every step that changes something fails, and changes nothing
	dead    bool
}

type inode struct{ data, synced []byte }

func newPowerDisk(seed uint64) *powerDisk {
	return &powerDisk{
		random: rand.New(rand.NewPCG(seed, 1)), names: map[string]*inode{}, durable: map[string]*inode{},
	}
}

func (d *powerDisk) step() error {
	d.steps++
	if d.steps == d.cutAt {
		d.dead = true
	}
	switch {
	case d.dead:
		return errPower
	case d.broken:
		return errIO
	}
	return nil
}

// powerUp is the disk that the machine finds when it starts again.
func (d *powerDisk) powerUp() *powerDisk {
	d.mu.Lock()
	defer d.mu.Unlock()
	next := newPowerDisk(d.random.Uint64())
	all := maps.Clone(d.durable)
	maps.Copy(all, d.names)
	for name := range all {
		survivor := d.durable[name]
		if d.random.IntN(2) == 0 {
			survivor = d.names[name]
		}
		if survivor != nil {
			data := survivor.afterCut(d.random)
			next.names[name] = &inode{data, data}
			next.durable[name] = next.names[name]
		}
	}
	return next
}

func (i *inode) afterCut(random *rand.Rand) []byte {
	switch random.IntN(4) {
	case 0:
		return bytes.Clone(i.data)
	case 1:
		at := random.IntN(len(i.data) + 1)
		return append(bytes.Clone(i.data[:at]), i.synced[min(at, len(i.synced)):]...)
	default:
		return bytes.Clone(i.synced)
	}
}

// killed is the disk after only the process died: the kernel has every write. The old process,
// should it still run, writes into the void.
func (d *powerDisk) killed() *powerDisk {
	d.mu.Lock()
	defer d.mu.Unlock()
	next := newPowerDisk(d.random.Uint64())
	next.names, next.durable = d.names, d.durable
	d.dead, d.names, d.durable = true, map[string]*inode{}, map[string]*inode{}
	return next
}

func (d *powerDisk) Open(name string) (io.ReadCloser, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i, found := d.names[name]
	if !found {
		return nil, fs.ErrNotExist
	}
	return io.NopCloser(bytes.NewReader(bytes.Clone(i.data))), nil
}

func (d *powerDisk) Create(name string) (file, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step(); err != nil {
		return nil, err
	}
	if d.names[name] == nil {
		d.names[name] = new(inode)
	}
	d.names[name].data = nil
	return &powerFile{d, d.names[name]}, nil
}

func (d *powerDisk) Edit(name string) (file, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step(); err != nil {
		return nil, err
	}
	if d.names[name] == nil {
		return nil, fs.ErrNotExist
	}
	return &powerFile{d, d.names[name]}, nil
}

func (d *powerDisk) Rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step(); err != nil {
		return err
	}
	d.names[to] = d.names[from]
	delete(d.names, from)
	return nil
}

func (d *powerDisk) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step(); err != nil {
		return err
	}
	if d.names[name] == nil {
		return fs.ErrNotExist
	}
	delete(d.names, name)
	return nil
}

func (d *powerDisk) Sync() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step(); err != nil {
		return err
	}
	d.durable = maps.Clone(d.names)
	return nil
}

func (d *powerDisk) Close() error { return nil }

type powerFile struct {
	disk *powerDisk
	*inode
}

func (f *powerFile) Write(b []byte) (int, error) { return f.WriteAt(b, int64(len(f.data))) }

// WriteAt may be cut in the middle, too.
func (f *powerFile) WriteAt(b []byte, at int64) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	wasDead := f.disk.dead
	err := f.disk.step()
	if err != nil {
		b = b[:f.disk.random.IntN(len(b)+1)]
	}
	if wasDead || errors.Is(err, errIO) {
		return 0, err
	}
	if missing := int(at) + len(b) - len(f.data); missing > 0 {
		f.data = append(f.data, make([]byte, missing)...)
	}
	f.data = bytes.Clone(f.data) // powerUp and synced may share the array
	return copy(f.data[at:], b), err
}

func (f *powerFile) Sync() error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if err := f.disk.step(); err != nil {
		return err
	}
	f.synced = bytes.Clone(f.data)
	return nil
}

func (f *powerFile) Close() error { return nil }
