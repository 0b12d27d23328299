package caddymodule

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/keyring"
)

// openRing opens the keyring of a database. The very first time it makes the root
// key; from then on a missing root key is an error, because a new one could not
// read what the lost one sealed.
func openRing(ctx context.Context, db controlplane.Store, rootPath string, clock func() time.Time) (*ring, error) {
	keys, err := storedDataKeys(ctx, db)
	if err != nil {
		return nil, fmt.Errorf("open the keyring: %w", err)
	}
	root, err := rootFor(rootPath, keys)
	if err != nil {
		return nil, err
	}
	r, err := ringOf(root, rootPath, db, keys)
	if err != nil {
		return nil, err
	}
	return r, r.addMissing(ctx, db, keys, clock())
}

// ringOf is the ring with these data keys.
func ringOf(root *keyring.Root, rootPath string, db controlplane.Store, keys []controlplane.DataKey) (*ring, error) {
	wrapped := make([]keyring.WrappedKey, len(keys))
	for i, k := range keys {
		wrapped[i] = keyring.WrappedKey(k)
	}
	open, err := keyring.Open(root, wrapped)
	if err != nil {
		return nil, fmt.Errorf("open the keyring: %w", err)
	}
	r := &ring{Ring: open, rootPath: rootPath}
	if shared, ok := db.(interface{ Shared() bool }); ok && shared.Shared() {
		r.newer = &newerKeys{db: db}
	}
	return r, nil
}

func storedDataKeys(ctx context.Context, db controlplane.Store) (keys []controlplane.DataKey, err error) {
	err = db.View(ctx, func(tx controlplane.Tx) (err error) {
		keys, err = tx.DataKeys(ctx)
		return err
	})
	return keys, err
}

func rootFor(path string, keys []controlplane.DataKey) (*keyring.Root, error) {
	if len(keys) == 0 {
		return keyring.LoadOrCreateRoot(path, rand.Reader)
	}
	return keyring.LoadRootFor(path, keys[0].RootID)
}

// addMissing makes a data key for each purpose that has none: all of them on the
// first start, the new ones after an upgrade.
func (r *ring) addMissing(ctx context.Context, db controlplane.Store, have []controlplane.DataKey, now time.Time) error {
	var made []controlplane.DataKey
	for _, purpose := range controlplane.Purposes() {
		if slices.ContainsFunc(have, func(k controlplane.DataKey) bool { return k.Purpose == purpose }) {
			continue
		}
		k, err := r.NewDataKey(purpose, now)
		if err != nil {
			return err
		}
		made = append(made, k)
	}
	if len(made) == 0 {
		return nil
	}
	err := db.Update(ctx, func(tx controlplane.Tx) error {
		// Of several nodes that start at once on an empty database, one makes the keys:
		// those of another root key would replace what the first has sealed with.
		stored, err := tx.DataKeys(ctx)
		if err != nil {
			return err
		}
		if len(stored) != len(have) {
			return controlplane.Errorf(controlplane.CodeConflict, "another server made data keys at this moment; start this one again, with the same root key")
		}
		for _, k := range made {
			if err := tx.PutDataKey(ctx, k); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("store the first data keys: %w", err)
	}
	for _, k := range made {
		if err := r.Add(k); err != nil {
			return err
		}
	}
	return nil
}
