package caddymodule

import (
	"context"

	"github.com/unknownpay/merchant-gateway/controlplane/store"
)

// storeGuest is a module of merchants.stores: the database of the control plane.
type storeGuest interface {
	// identity names the data. It is asked for in Provision, beside a live server,
	// so it changes nothing and waits for nobody.
	identity() (string, error)
	// directory is where the files that belong to the data lie unless the
	// configuration says otherwise: the root key and the nonces.
	directory() (string, error)
	// open opens the database and brings its schema up to date.
	open(ctx context.Context) (*store.DB, error)
}

// fileGuest is a storeGuest whose data is a file, which open makes if it is not
// there.
type fileGuest interface {
	file() (path string, found bool, err error)
}

// replayGuest is a module of merchants.replay: the memory of used nonces.
type replayGuest interface {
	// identity names the nonces; directory is that of the store guest.
	identity(directory string) (string, error)
	// open reads back what an earlier process left.
	open(ctx context.Context) (nonces, error)
	// apply gives an open store the limits of this configuration.
	apply(nonces) error
}

// nonces is an open nonce store. See replay.Memory for what the answers mean.
type nonces interface {
	Use(ctx context.Context, keyID, nonce string, timestamp, expires int64) (fresh bool, err error)
	// NotBefore is the Unix second at or below which timestamps cannot be vouched
	// for; 0 means no restriction.
	NotBefore() int64
	Close() error
}
