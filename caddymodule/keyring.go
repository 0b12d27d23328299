package caddymodule

import (
	"crypto/rand"
	"errors"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/keyring"
)

// ring lends the keyring to the domain, whose data keys are rows of the store.
type ring struct {
	*keyring.Ring
	// rootPath is where the root key lies.
	rootPath string
	// newer is nil if no other server has the database.
	newer *newerKeys
}

var _ controlplane.Keyring = (*ring)(nil)

func (r *ring) NewDataKey(purpose string, now time.Time) (controlplane.DataKey, error) {
	k, err := r.Ring.NewDataKey(purpose, now)
	return controlplane.DataKey(k), err
}

func (r *ring) Add(k controlplane.DataKey) error { return r.Ring.Add(keyring.WrappedKey(k)) }

// Drop also succeeds for a key that is gone: a rotation whose commit was uncertain
// drops again.
func (r *ring) Drop(id uint32) error {
	if err := r.Ring.Drop(id); !errors.Is(err, keyring.ErrUnknownKey) {
		return err
	}
	return nil
}

func (r *ring) NextRoot(source string) (controlplane.NextRoot, error) {
	current, err := keyring.FindRoot(r.rootPath, r.Status().RootID)
	if err != nil {
		return nil, err
	}
	next := &nextRoot{ring: r, old: current, source: source}
	if source == "" {
		next.root, err = keyring.NextRoot(r.rootPath, rand.Reader)
	} else {
		next.root, err = keyring.LoadRoot(source)
	}
	if err != nil {
		return nil, err
	}
	return next, nil
}

// nextRoot is a root key between being made and being in use.
type nextRoot struct {
	ring      *ring
	old, root *keyring.Root
	source    string
}

func (n *nextRoot) ID() string { return n.root.ID() }

func (n *nextRoot) Rewrap(keys []controlplane.DataKey) ([]controlplane.DataKey, error) {
	wrapped := make([]keyring.WrappedKey, len(keys))
	for i, k := range keys {
		wrapped[i] = keyring.WrappedKey(k)
	}
	wrapped, err := keyring.Rewrap(n.old, n.root, wrapped)
	if err != nil {
		return nil, err
	}
	out := make([]controlplane.DataKey, len(wrapped))
	for i, k := range wrapped {
		out[i] = controlplane.DataKey(k)
	}
	return out, nil
}

// Commit leaves the files alone when the operator brought the key: the
// configuration has to name its place from now on.
func (n *nextRoot) Commit() error {
	if err := n.ring.SetRoot(n.root); err != nil {
		return err
	}
	if n.source != "" {
		return nil
	}
	return keyring.FinishRotation(n.ring.rootPath, n.root.ID())
}
