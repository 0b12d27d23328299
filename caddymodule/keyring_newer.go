package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/keyring"
)

const (
	// newerPause is the least time between two looks for what sealed a record: those that
	// nobody can open must not keep the database busy.
	newerPause = time.Second
	// newerPatience bounds one look.
	newerPatience = 5 * time.Second
)

// newerKeys finds the data keys that another server has made.
type newerKeys struct {
	db controlplane.Store

	mu     sync.Mutex
	looked time.Time
}

// Seal seals with the newest data key there is. An operation seals in the turn that it
// has of all servers: were it to use a key that another one has replaced in an earlier
// turn, and then deleted, nobody could ever open the record.
func (r *ring) Seal(purpose string, aad, plaintext []byte) ([]byte, error) {
	if r.newer != nil {
		if err := r.learn(0); err != nil {
			return nil, err
		}
	}
	return r.Ring.Seal(purpose, aad, plaintext)
}

// Unseal opens a record. One that was sealed with a data key that this server has not
// seen, because another one made it since, makes it look for that key.
func (r *ring) Unseal(purpose string, aad, record []byte) ([]byte, error) {
	out, err := r.Ring.Unseal(purpose, aad, record)
	if r.newer == nil || !errors.Is(err, keyring.ErrUnknownKey) {
		return out, err
	}
	if newer := r.learn(newerPause); newer != nil {
		return nil, errors.Join(err, newer)
	}
	return r.Ring.Unseal(purpose, aad, record)
}

// learn takes over what the database has more than the ring, unless it did so less than
// a pause ago.
func (r *ring) learn(pause time.Duration) error {
	r.newer.mu.Lock()
	defer r.newer.mu.Unlock()
	if time.Since(r.newer.looked) < pause {
		return nil
	}
	defer func() { r.newer.looked = time.Now() }()
	ctx, cancel := context.WithTimeout(context.Background(), newerPatience)
	defer cancel()
	keys, err := storedDataKeys(ctx, r.newer.db)
	if err != nil {
		return fmt.Errorf("look for newer data keys: %w", err)
	}
	known := r.Status()
	for _, k := range keys {
		if slices.ContainsFunc(known.Keys, func(s keyring.KeyStatus) bool { return s.ID == k.ID }) {
			continue
		}
		if err := r.follow(k.RootID); err != nil {
			return err
		}
		if err := r.Add(k); err != nil {
			return err
		}
	}
	return nil
}

// follow changes over to the root key that another server has changed over to.
func (r *ring) follow(rootID string) error {
	if rootID == r.Status().RootID {
		return nil
	}
	root, err := keyring.FindRoot(r.rootPath, rootID)
	if err != nil {
		return err
	}
	return r.SetRoot(root)
}
