package controlplane

import (
	"context"
	"slices"
	"time"
)

// Keyring is what the rotation of keys at rest needs beyond [Sealer].
type Keyring interface {
	Sealer
	// NewDataKey makes and wraps a data key; it seals nothing until added.
	NewDataKey(purpose string, now time.Time) (DataKey, error)
	// Add makes k known; the newest key of a purpose seals.
	Add(k DataKey) error
	// Drop forgets a data key that no record needs any more. One that is not known
	// is forgotten already.
	Drop(id uint32) error
	// NeedsReseal reports whether the record is sealed by an older data key.
	NeedsReseal(purpose string, record []byte) bool
	// Reseal returns the record sealed by the newest data key of its purpose.
	Reseal(purpose string, aad, record []byte) ([]byte, error)
	// NextRoot makes the coming root key, or reads the one that the operator has
	// put at source. The ring stays on its present root until Commit.
	NextRoot(source string) (NextRoot, error)
}

// NextRoot is a root key that is about to take over.
type NextRoot interface {
	ID() string
	// Rewrap returns the data keys wrapped by this root.
	Rewrap(keys []DataKey) ([]DataKey, error)
	// Commit makes it the root, now that the database holds what it wraps.
	Commit() error
}

// resealBatch rows are re-encrypted in one transaction, so that other writers are
// not kept waiting.
const resealBatch = 500

// Resealed says what a rotation of data keys did.
type Resealed struct {
	Purposes []string `json:"purposes"`
	Records  int      `json:"records"`
}

// RotateDataKeys makes a new data key for each purpose that has one, re-encrypts
// every record with it and deletes the old ones. An interrupted rotation is
// finished by the next: records stay readable at every moment in between.
func (s *Service) RotateDataKeys(ctx context.Context, a Actor, ring Keyring) (Resealed, error) {
	var out Resealed
	r := request{actor: a, op: OpKeyringRotate}
	if err := s.startRekeying(ctx, r); err != nil {
		return out, err
	}
	defer s.rekeying.Unlock()
	purposes, err := s.purposesInUse(ctx)
	if err != nil {
		return out, asError(err)
	}
	for _, purpose := range purposes {
		fresh, err := s.addDataKey(ctx, r, ring, purpose)
		if err != nil {
			return out, err
		}
		n, err := s.resealAll(ctx, ring, purpose)
		out.Records += n
		if err != nil {
			return out, asError(err)
		}
		if err := s.dropOldKeys(ctx, ring, purpose, fresh); err != nil {
			return out, asError(err)
		}
		out.Purposes = append(out.Purposes, purpose)
	}
	return out, nil
}

// startRekeying admits r and takes the lock that rotations hold.
func (s *Service) startRekeying(ctx context.Context, r request) error {
	if err := s.admit(ctx, r); err != nil {
		return err
	}
	if !s.rekeying.TryLock() {
		return Errorf(CodeConflict, "a rotation of keys is under way; wait for its end and try again")
	}
	return nil
}

// purposesInUse are those that have a data key, in the order of [Purposes].
func (s *Service) purposesInUse(ctx context.Context) (used []string, err error) {
	err = s.store.View(ctx, func(tx Tx) error {
		keys, err := tx.DataKeys(ctx)
		used = slices.DeleteFunc(Purposes(), func(purpose string) bool {
			return !slices.ContainsFunc(keys, func(k DataKey) bool { return k.Purpose == purpose })
		})
		return err
	})
	return used, err
}

func (s *Service) addDataKey(ctx context.Context, r request, ring Keyring, purpose string) (DataKey, error) {
	k, err := change(ctx, s, r, func(tx Tx, rec *record) (DataKey, error) {
		k, err := ring.NewDataKey(purpose, s.now())
		if err != nil {
			return k, err
		}
		if err := fitsStoredKeys(ctx, tx, k); err != nil {
			return k, err
		}
		rec.target, rec.diff = purpose, map[string]Change{"data_key": {To: k.ID}}
		return k, tx.PutDataKey(ctx, k)
	})
	if err != nil {
		return k, err
	}
	// Only now that the key is durable may anything be sealed with it.
	return k, asErrorOrNil(ring.Add(k))
}

// fitsStoredKeys refuses a new data key when another process has rotated since
// this one loaded its keys: one wrapped by a former root could not be unwrapped at
// the next start, and one whose id is taken would replace the key that holds it.
func fitsStoredKeys(ctx context.Context, tx Tx, k DataKey) error {
	stored, err := tx.DataKeys(ctx)
	if err != nil {
		return err
	}
	for _, other := range stored {
		if other.ID >= k.ID || other.RootID != k.RootID {
			return Errorf(CodeConflict, "the keys in the database are not those that this server loaded: a rotation was interrupted, or another server made one; restart this server and try again")
		}
	}
	return nil
}

func (s *Service) resealAll(ctx context.Context, ring Keyring, purpose string) (n int, err error) {
	for after := ""; ; {
		var rows []SealedRow
		var resealed int
		err := s.store.Update(ctx, func(tx Tx) (err error) {
			if rows, err = tx.SealedRows(ctx, purpose, after, resealBatch); err != nil {
				return err
			}
			resealed, err = resealRows(ctx, tx, ring, purpose, rows)
			return err
		})
		if err != nil {
			return n, err
		}
		if len(rows) == 0 {
			return n, nil
		}
		n += resealed
		after = rows[len(rows)-1].Location.Row
	}
}

func resealRows(ctx context.Context, tx Tx, ring Keyring, purpose string, rows []SealedRow) (n int, err error) {
	for _, row := range rows {
		if !ring.NeedsReseal(purpose, row.Record) {
			continue
		}
		old := row.Record
		if row.Record, err = ring.Reseal(purpose, row.Location.AAD(), old); err != nil {
			return n, err
		}
		replaced, err := tx.ReplaceSealed(ctx, purpose, row, old)
		if err != nil {
			return n, err
		}
		if replaced {
			n++
		}
	}
	return n, nil
}

// dropOldKeys deletes the data keys of a purpose that nothing is sealed with any
// more: in the database first, so that a crash leaves a key too many, not one too
// few.
func (s *Service) dropOldKeys(ctx context.Context, ring Keyring, purpose string, keep DataKey) error {
	var dropped []uint32
	err := s.store.Update(ctx, func(tx Tx) error {
		dropped = dropped[:0] // the transaction may run again
		keys, err := tx.DataKeys(ctx)
		if err != nil {
			return err
		}
		for _, k := range keys {
			if k.Purpose != purpose || k.ID >= keep.ID {
				continue
			}
			if err := tx.DeleteDataKey(ctx, k.ID); err != nil {
				return err
			}
			dropped = append(dropped, k.ID)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, id := range dropped {
		if err := ring.Drop(id); err != nil {
			return err
		}
	}
	return nil
}

// RotateRoot replaces the root key: all data keys are wrapped again in one
// transaction. source is where the operator put the new root key, or empty to
// have one made beside the old one. It returns the new root's fingerprint.
func (s *Service) RotateRoot(ctx context.Context, a Actor, ring Keyring, source string) (string, error) {
	r := request{actor: a, op: OpKeyringRotateRoot}
	if err := s.startRekeying(ctx, r); err != nil {
		return "", err
	}
	defer s.rekeying.Unlock()
	next, err := ring.NextRoot(source)
	if err != nil {
		return "", asError(err)
	}
	id, err := change(ctx, s, r, func(tx Tx, rec *record) (string, error) {
		keys, err := tx.DataKeys(ctx)
		if err != nil {
			return "", err
		}
		wrapped, err := next.Rewrap(keys)
		if err != nil {
			return "", err
		}
		for _, k := range wrapped {
			if err := tx.PutDataKey(ctx, k); err != nil {
				return "", err
			}
		}
		rec.target = next.ID()
		return next.ID(), nil
	})
	if err != nil {
		return "", err
	}
	return id, asErrorOrNil(next.Commit())
}

func asErrorOrNil(err error) error {
	if err == nil {
		return nil
	}
	return asError(err)
}
