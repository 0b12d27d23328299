package controlplane

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"runtime"
	"sync"
)

// everything is the revision before the first.
const everything = -1

// refresh brings the snapshot to the store's revision, in one view of the store,
// so that a key and its merchant are of one moment.
func (f *Follower) refresh(ctx context.Context) error {
	now := f.config.Clock()
	var l *load
	err := f.config.Store.View(ctx, func(tx Tx) (err error) {
		revision, err := tx.Revision(ctx)
		if err != nil {
			return fmt.Errorf("read the revision: %w", err)
		}
		base := f.current.Load()
		// A revision that went back: the database was restored under us.
		whole := base == nil || revision < base.Revision() ||
			len(f.unreadable) > 0 && now.Sub(f.loadedAt) >= unreadableRetry
		if !whole && revision == base.Revision() {
			return nil
		}
		l = &load{whole: whole, after: everything, revision: revision, unreadable: map[string]struct{}{}}
		if whole {
			base = NewSnapshot()
		} else {
			l.after = base.Revision()
			maps.Copy(l.unreadable, f.unreadable)
		}
		l.edit = base.Edit()
		return l.read(ctx, tx, f.config)
	})
	if err != nil {
		return fmt.Errorf("follow the control plane: %w", err)
	}
	f.success.Store(now.UnixNano())
	if l != nil {
		f.accept(l)
	}
	return nil
}

func (f *Follower) accept(l *load) {
	if l.whole {
		f.loadedAt = f.LastSuccess()
	}
	f.unreadable = l.unreadable
	f.leftOut.Store(int64(len(l.unreadable)))
	f.publish(l.edit.Snapshot(l.revision))
	for _, p := range l.problems {
		f.report(p)
	}
}

// load is one reading of the store: all of it, or what changed after a revision.
type load struct {
	whole           bool
	after, revision int64
	edit            *SnapshotEdit
	unreadable      map[string]struct{} // ids of keys that are left out
	problems        []error             // of single merchants and keys
}

func (l *load) read(ctx context.Context, tx SnapshotTx, c FollowerConfig) error {
	err := tx.SnapshotMerchants(ctx, l.after, func(m MerchantRecord) error {
		if err := l.edit.SetMerchant(m); err != nil {
			l.problems = append(l.problems, err)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read merchants: %w", err)
	}
	keys := keyReader{sealer: c.Sealer, load: l}
	err = tx.SnapshotKeys(ctx, l.after, c.Clock().Add(-RevokedKeyRetention), keys.add)
	keys.finish()
	if err != nil {
		return fmt.Errorf("read keys: %w", err)
	}
	return nil
}

// keyBatch is how many keys a worker opens at a time: enough that handing them
// over costs nothing beside opening them (about 1 µs each).
const keyBatch = 256

// keyReader opens secrets on all processors while the store is still reading.
type keyReader struct {
	sealer  Sealer
	batch   []KeyRecord
	batches chan []KeyRecord
	workers sync.WaitGroup

	mu     sync.Mutex
	load   *load
	failed int
	first  error
}

// add keeps a copy of what the store lends.
func (r *keyReader) add(k KeyRecord) error {
	k.SealedSecret = bytes.Clone(k.SealedSecret)
	r.batch = append(r.batch, k)
	if len(r.batch) < keyBatch {
		return nil
	}
	if r.batches == nil {
		r.start()
	}
	r.batches <- r.batch
	r.batch = make([]KeyRecord, 0, keyBatch)
	return nil
}

func (r *keyReader) start() {
	n := runtime.GOMAXPROCS(0)
	r.batches = make(chan []KeyRecord, n)
	for range n {
		r.workers.Go(func() {
			for batch := range r.batches {
				r.open(batch)
			}
		})
	}
}

// finish opens the rest, waits for the workers, and reports the keys that were
// left out in one error: a wrong root key makes it a million of them.
func (r *keyReader) finish() {
	if r.batches != nil {
		close(r.batches)
		r.workers.Wait()
	}
	r.open(r.batch)
	if r.failed > 0 {
		r.load.problems = append(r.load.problems,
			fmt.Errorf("%d keys are left out and their requests refused; the first: %w", r.failed, r.first))
	}
}

func (r *keyReader) open(batch []KeyRecord) {
	materials := make([]KeyMaterial, len(batch))
	errs := make([]error, len(batch))
	for i, k := range batch {
		materials[i], errs[i] = openKey(r.sealer, k)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, k := range batch {
		r.set(k, materials[i], errs[i])
	}
}

func (r *keyReader) set(k KeyRecord, m KeyMaterial, err error) {
	if err == nil {
		err = r.load.edit.SetKey(k, m)
	}
	if err == nil {
		delete(r.load.unreadable, k.ID)
		return
	}
	r.load.edit.RemoveKey(k.ID)
	r.load.unreadable[k.ID] = struct{}{}
	if r.failed++; r.failed == 1 {
		r.first = err
	}
}

func openKey(s Sealer, k KeyRecord) (KeyMaterial, error) {
	aad := APISecretLocation(k.ID, k.MerchantID, k.Environment).AAD()
	secret, err := s.Unseal(PurposeAPISecret, aad, k.SealedSecret)
	if err != nil {
		return KeyMaterial{}, fmt.Errorf("open the secret of %s: %w", k.ID, err)
	}
	defer clear(secret)
	m, err := NewKeyMaterial(k.Environment, secret)
	if err != nil {
		return KeyMaterial{}, fmt.Errorf("derive the key of %s: %w", k.ID, err)
	}
	return m, nil
}
