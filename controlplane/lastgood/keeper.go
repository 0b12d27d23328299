package lastgood

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/keyring"
)

const (
	// restMin is the least time between two writings, and restShare how many times as
	// long as the last one took it is at least: a million keys are 111 MB, written in
	// 0.3 s, and must not keep a disk busy while keys change all the time.
	restMin   = time.Second
	restShare = 20
	// confirmEvery is how often the file is written though nothing has changed, so
	// that it says that the database confirms it; a tenth of MaxStale if that is less.
	confirmEvery = 10 * time.Minute
)

// Config says what a [Keeper] keeps. All but OnError are required.
type Config struct {
	Path     string
	Source   string // see [Record]
	Store    controlplane.Store
	Follower *controlplane.Follower
	// Ring has the root key that seals the file.
	Ring  interface{ Root() *keyring.Root }
	Clock func() time.Time
	// Random is for the id of each file.
	Random io.Reader
	// MaxStale is that of the follower.
	MaxStale time.Duration
	// OnError is told what went wrong; the keeper goes on. It may be nil.
	OnError func(error)
}

// Keeper writes the snapshot of a follower to the disk, soon after each change.
//
// A change of the last moment before the database goes away, and the server down, is
// lost to a start from the file: with up to 20,000 keys that is a second.
type Keeper struct {
	config  Config
	changed chan struct{}
	// Of Run's goroutine: what the file holds.
	written Record
	rest    time.Duration
}

// NewKeeper returns a keeper of a file that holds a record, or the zero Record if
// there is none.
func NewKeeper(c Config, written Record) *Keeper {
	return &Keeper{config: c, changed: make(chan struct{}, 1), written: written}
}

// Changed says that there is a new snapshot. It never waits.
func (k *Keeper) Changed() {
	select {
	case k.changed <- struct{}{}:
	default:
	}
}

// Run keeps until ctx ends, and then writes what is not written yet.
func (k *Keeper) Run(ctx context.Context) {
	confirm := time.NewTicker(k.confirmEvery())
	defer confirm.Stop()
	for {
		select {
		case <-ctx.Done():
			if k.config.Follower.Current() != k.written.Snapshot {
				k.keep(context.WithoutCancel(ctx))
			}
			return
		case <-k.changed:
		case <-confirm.C:
		}
		k.keep(ctx)
		rest := time.NewTimer(k.rest)
		select {
		case <-ctx.Done():
		case <-rest.C:
		}
		rest.Stop()
	}
}

func (k *Keeper) confirmEvery() time.Duration {
	if tenth := k.config.MaxStale / 10; tenth > 0 {
		return min(confirmEvery, tenth)
	}
	return confirmEvery
}

func (k *Keeper) keep(ctx context.Context) {
	began := k.config.Clock()
	if err := k.write(ctx); err != nil {
		if ctx.Err() == nil && k.config.OnError != nil {
			k.config.OnError(err)
		}
		k.Changed() // try again
	}
	k.rest = max(restMin, restShare*k.config.Clock().Sub(began))
}

// storePatience bounds the one look at the store.
const storePatience = 5 * time.Second

// write does nothing while the database is away: the file says already what there is
// to say.
func (k *Keeper) write(ctx context.Context) error {
	rec := Record{Source: k.config.Source, ContactAt: k.config.Follower.LastSuccess()}
	// A snapshot that was read at this very moment and is not published yet will be
	// told of by Changed.
	rec.Snapshot = k.config.Follower.Current()
	if rec.Snapshot == nil || rec.ContactAt.Equal(k.written.ContactAt) {
		return nil
	}
	var err error
	if rec.DataKeys, err = k.dataKeys(ctx); err != nil {
		return err
	}
	if err := Write(k.config.Path, k.config.Ring.Root(), rec, k.config.Random); err != nil {
		return err
	}
	k.written = rec
	return nil
}

// dataKeys are the last ones if the database went away since it sent the snapshot.
func (k *Keeper) dataKeys(ctx context.Context) (keys []controlplane.DataKey, err error) {
	ctx, cancel := context.WithTimeout(ctx, storePatience)
	defer cancel()
	err = k.config.Store.View(ctx, func(tx controlplane.Tx) (err error) {
		keys, err = tx.DataKeys(ctx)
		return err
	})
	if err != nil && k.written.DataKeys == nil {
		return nil, fmt.Errorf("read the data keys for the last known good snapshot: %w", err)
	}
	if err != nil {
		return k.written.DataKeys, nil
	}
	return keys, nil
}
