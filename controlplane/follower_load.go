package controlplane

import (
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
		whole := base == nil || f.kept || revision < base.Revision() ||
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
	f.kept = false
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

	mu         sync.Mutex // held by the worker that changes what follows
	edit       *SnapshotEdit
	unreadable map[string]struct{} // ids of keys that are left out
	problems   []error             // of single merchants and keys
	leftOut    int                 // keys of this load
	firstErr   error
}

// read streams what the store has to the workers, merchants before their keys.
func (l *load) read(ctx context.Context, tx SnapshotTx, c FollowerConfig) error {
	if l.whole {
		merchants, keys, err := tx.SnapshotSize(ctx)
		if err != nil {
			return fmt.Errorf("count merchants and keys: %w", err)
		}
		l.edit.expect(merchants, keys)
	}
	merchants := workers[MerchantRecord]{work: l.setMerchants}
	err := tx.SnapshotMerchants(ctx, l.after, func(m MerchantRecord) error {
		merchants.add(m)
		return nil
	})
	merchants.finish()
	if err != nil {
		return fmt.Errorf("read merchants: %w", err)
	}
	if l.whole {
		l.edit.indexMerchants()
	}
	keys := workers[KeyRecord]{work: func(batch []KeyRecord) { l.setKeys(c.Sealer, batch) }}
	err = tx.SnapshotKeys(ctx, l.after, c.Clock().Add(-RevokedKeyRetention), func(k KeyRecord) error {
		keys.add(k)
		return nil
	})
	keys.finish()
	if err != nil {
		return fmt.Errorf("read keys: %w", err)
	}
	// One error for all keys: a wrong root key leaves out a million.
	if l.leftOut > 0 {
		l.problems = append(l.problems, fmt.Errorf("%d keys are left out and their requests refused; one of them: %w", l.leftOut, l.firstErr))
	}
	return nil
}

func (l *load) setMerchants(batch []MerchantRecord) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range batch {
		if err := l.edit.SetMerchant(m); err != nil {
			l.problems = append(l.problems, err)
		}
	}
}

// setKeys opens secrets, about a microsecond each, before it takes the lock.
func (l *load) setKeys(s Sealer, batch []KeyRecord) {
	materials := make([]KeyMaterial, len(batch))
	errs := make([]error, len(batch))
	var aad []byte
	for i, k := range batch {
		aad = APISecretLocation(k.ID, k.MerchantID, k.Environment).AppendAAD(aad[:0])
		materials[i], errs[i] = openKey(s, k, aad)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, k := range batch {
		l.setKey(k, materials[i], errs[i])
	}
}

func (l *load) setKey(k KeyRecord, m KeyMaterial, err error) {
	if err == nil {
		err = l.edit.SetKey(k, m)
	}
	if err == nil {
		delete(l.unreadable, k.ID)
		return
	}
	l.edit.RemoveKey(k.ID)
	l.unreadable[k.ID] = struct{}{}
	if l.leftOut++; l.leftOut == 1 {
		l.firstErr = err
	}
}

func openKey(s Sealer, k KeyRecord, aad []byte) (KeyMaterial, error) {
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

// workerBatch is how many records are handed over at a time: enough that handing
// over costs nothing beside the work.
const workerBatch = 256

// workers do the work on all processors while the store is still reading. What
// fits into one batch, as nearly every change does, starts no goroutine.
type workers[T any] struct {
	work  func([]T)
	batch []T
	queue chan []T
	wg    sync.WaitGroup
}

func (w *workers[T]) add(v T) {
	w.batch = append(w.batch, v)
	if len(w.batch) < workerBatch {
		return
	}
	if w.queue == nil {
		w.start()
	}
	w.queue <- w.batch
	w.batch = make([]T, 0, workerBatch)
}

func (w *workers[T]) start() {
	n := runtime.GOMAXPROCS(0)
	w.queue = make(chan []T, n)
	for range n {
		w.wg.Go(func() {
			for batch := range w.queue {
				w.work(batch)
			}
		})
	}
}

// finish does the rest and waits.
func (w *workers[T]) finish() {
	if w.queue != nil {
		close(w.queue)
		w.wg.Wait()
	}
	w.work(w.batch)
}
