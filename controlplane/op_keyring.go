package controlplane

import (
	"context"
	"errors"
)

// Keyring is what the rotation of keys at rest needs beyond [Sealer].
type Keyring interface {
	Sealer
	// NewDataKey makes and wraps a data key; it seals nothing until added.
	NewDataKey(purpose string) (DataKey, error)
	// Add makes k known; the newest key of a purpose seals.
	Add(k DataKey) error
	// Drop forgets a data key that no record needs any more.
	Drop(id uint32) error
	// NeedsReseal reports whether the record is sealed by an older data key.
	NeedsReseal(purpose string, record []byte) bool
	// Reseal returns the record sealed by the newest data key of its purpose.
	Reseal(purpose string, aad, record []byte) ([]byte, error)
	// DataKeys returns the wrapped keys the ring was opened with or was given.
	DataKeys() []DataKey
	// StageRoot makes the next root key and returns all data keys wrapped by it.
	// Nothing changes for readers until [Keyring.CommitRoot].
	StageRoot(source string) ([]DataKey, error)
	// CommitRoot makes the staged root the root; AbandonRoot forgets it.
	CommitRoot() error
	AbandonRoot() error
}

// resealBatch rows are re-encrypted in one transaction, so that other writers are
// not kept waiting.
const resealBatch = 500

// Resealed says what a rotation of data keys did.
type Resealed struct {
	Purposes []string `json:"purposes"`
	Records  int      `json:"records"`
}

// RotateDataKeys makes a new data key for each purpose, re-encrypts every record
// with it and deletes the old ones. An interrupted rotation is finished by the
// next: records stay readable at every moment in between.
func (s *Service) RotateDataKeys(ctx context.Context, a Actor, ring Keyring) (Resealed, error) {
	var out Resealed
	r := request{actor: a, op: OpKeyringRotate}
	for _, purpose := range []string{PurposeAPISecret} {
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

func (s *Service) addDataKey(ctx context.Context, r request, ring Keyring, purpose string) (DataKey, error) {
	k, err := change(ctx, s, r, func(tx Tx, rec *record) (DataKey, error) {
		k, err := ring.NewDataKey(purpose)
		if err != nil {
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
	for _, k := range ring.DataKeys() {
		if k.Purpose != purpose || k.ID == keep.ID {
			continue
		}
		if err := s.store.Update(ctx, func(tx Tx) error { return tx.DeleteDataKey(ctx, k.ID) }); err != nil {
			return err
		}
		if err := ring.Drop(k.ID); err != nil {
			return err
		}
	}
	return nil
}

// RotateRoot replaces the root key: all data keys are wrapped again in one
// transaction. source is where the operator put the new root key, or empty to
// have one made beside the old one.
func (s *Service) RotateRoot(ctx context.Context, a Actor, ring Keyring, source string) (rootID string, err error) {
	r := request{actor: a, op: OpKeyringRotateRoot}
	if err := s.admit(ctx, r); err != nil {
		return "", err
	}
	keys, err := ring.StageRoot(source)
	if err != nil {
		return "", asError(err)
	}
	if len(keys) == 0 {
		return "", asError(errors.Join(errors.New("the keyring holds no data key"), ring.AbandonRoot()))
	}
	rootID, err = change(ctx, s, r, func(tx Tx, rec *record) (string, error) {
		for _, k := range keys {
			if err := tx.PutDataKey(ctx, k); err != nil {
				return "", err
			}
		}
		rec.target = keys[0].RootID
		return keys[0].RootID, nil
	})
	if err != nil {
		return "", asError(errors.Join(err, ring.AbandonRoot()))
	}
	return rootID, asErrorOrNil(ring.CommitRoot())
}

func asErrorOrNil(err error) error {
	if err == nil {
		return nil
	}
	return asError(err)
}
