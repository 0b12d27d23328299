package replay

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

const (
	markName  = "mark"
	markMagic = "UNKMARK1"

	// markLead is how far ahead of the newest timestamp, in seconds, the mark is pushed. It is also
	// how long after a crash requests are refused, when no client's clock runs ahead.
	markLead = 2
	// renewEvery is short enough that a mark of markLead never runs out between two looks.
	renewEvery = 500 * time.Millisecond
)

// errCorrupt marks a file whose content cannot be trusted.
var errCorrupt = errors.New("file is damaged or not of this store")

// epoch names one run of one store. A state file counts only if it bears the epoch of the mark.
type epoch [16]byte

// markRecord is the durable promise that no timestamp above high has been accepted.
type markRecord struct {
	epoch epoch
	high  int64
}

// encode makes 48 bytes: less than a disk sector, so that writing them in place is all or nothing.
// Should a disk tear them nevertheless, the checksum shows it and the start fails closed.
func (r markRecord) encode() []byte {
	b := append([]byte(markMagic), r.epoch[:]...)
	b = binary.LittleEndian.AppendUint64(b, uint64(r.high))
	sum := sha256.Sum256(b)
	return append(b, sum[:16]...)
}

func decodeMark(b []byte) (markRecord, error) {
	const size = len(markMagic) + len(epoch{}) + 8 + 16
	if len(b) != size {
		return markRecord{}, fmt.Errorf("mark has %d bytes, want %d: %w", len(b), size, errCorrupt)
	}
	r := markRecord{high: int64(binary.LittleEndian.Uint64(b[len(markMagic)+len(epoch{}):]))}
	copy(r.epoch[:], b[len(markMagic):])
	if r.high < 0 || !bytes.Equal(b, r.encode()) {
		return markRecord{}, fmt.Errorf("mark fails its checksum: %w", errCorrupt)
	}
	return r, nil
}

func readMark(d disk) (markRecord, error) {
	f, err := d.Open(markName)
	if err != nil {
		return markRecord{}, err
	}
	b, err := io.ReadAll(io.LimitReader(f, 4096))
	if err = errors.Join(err, f.Close()); err != nil {
		return markRecord{}, err
	}
	return decodeMark(b)
}

// mark keeps a markRecord on disk ahead of every acceptance. While requests come, a goroutine
// renews it twice a second, so that only the first request after a quiet time and one whose client
// runs ahead wait for the disk. An idle store writes nothing.
type mark struct {
	file   file
	epoch  epoch
	newest func() int64  // newest timestamp accepted; not the clock, whose jump ahead would stay on disk
	high   atomic.Int64  // durable
	used   atomic.Bool   // since the last look of the renewer
	turn   chan struct{} // holds a token while somebody writes; a channel, so that waiting ends with ctx
	quit   chan struct{}
	done   sync.WaitGroup
}

// newMark continues r, the content of f, and starts the renewer.
func newMark(f file, r markRecord, newest func() int64) *mark {
	k := &mark{file: f, epoch: r.epoch, newest: newest, turn: make(chan struct{}, 1), quit: make(chan struct{})}
	k.high.Store(r.high)
	k.done.Go(k.run)
	return k
}

// cover returns nil once the mark is durably at or above timestamp.
func (k *mark) cover(ctx context.Context, timestamp int64) error {
	if !k.used.Load() { // read first: a shared cache line written by every request costs more
		k.used.Store(true)
	}
	if timestamp <= k.high.Load() {
		return nil
	}
	return k.push(ctx, timestamp, timestamp+markLead)
}

// push makes the mark at least need, by writing target. Those who waited for a writer that went far
// enough do not write again.
func (k *mark) push(ctx context.Context, need, target int64) error {
	select {
	case k.turn <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrUnavailable, context.Cause(ctx))
	}
	defer func() { <-k.turn }()
	if need <= k.high.Load() {
		return nil
	}
	if _, err := k.file.WriteAt(markRecord{k.epoch, target}.encode(), 0); err != nil {
		return fmt.Errorf("%w: write mark: %w", ErrUnavailable, err)
	}
	// After a failed sync the kernel may call the page clean; the next push writes it anew.
	if err := k.file.Sync(); err != nil {
		return fmt.Errorf("%w: sync mark: %w", ErrUnavailable, err)
	}
	k.high.Store(target)
	return nil
}

func (k *mark) run() {
	tick := time.NewTicker(renewEvery)
	defer tick.Stop()
	for {
		select {
		case <-k.quit:
			return
		case <-tick.C:
			k.renew()
		}
	}
}

func (k *mark) renew() {
	if !k.used.Swap(false) {
		return
	}
	target := k.newest() + markLead
	if err := k.push(context.Background(), target, target); err != nil {
		// Nothing is lost: the next request beyond the mark pushes it itself and reports the error.
		k.used.Store(true)
	}
}

func (k *mark) stop() {
	close(k.quit)
	k.done.Wait()
}

// close waits for a writer; who comes after it gets the closed file's error.
func (k *mark) close() error {
	k.turn <- struct{}{}
	defer func() { <-k.turn }()
	return k.file.Close()
}
