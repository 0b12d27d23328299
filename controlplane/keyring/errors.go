package keyring

import (
	"errors"
	"fmt"
)

var (
	// ErrMalformed: the bytes are not a record of this package.
	ErrMalformed = errors.New("not a sealed record")
	// ErrUnknownKey: the record names a data key that the ring does not hold.
	// On a node of several, load the data keys again and retry.
	ErrUnknownKey = errors.New("unknown data key")
	// ErrNotAuthentic: the record was altered, or belongs to another place or purpose.
	ErrNotAuthentic = errors.New("sealed record is altered or belongs elsewhere")
	// ErrNoDataKey: the purpose has no data key yet; make one with NewDataKey and Add.
	ErrNoDataKey = errors.New("no data key for the purpose")
	// ErrExhausted: the data key has sealed MaxSeals records; rotate it.
	ErrExhausted = errors.New("data key is used up, rotate it")
	// ErrKeyInUse: the data key seals the new records of its purpose.
	ErrKeyInUse = errors.New("data key seals new records, add a newer one first")

	errNoRoot = errors.New("no root key loaded")
)

// UnwrapError says which data key could not be unwrapped, and with which root.
// A server must not start on it: every secret under that key would be lost
// from view.
type UnwrapError struct {
	KeyID    uint32
	Purpose  string
	WantRoot string // fingerprint of the root that wrapped the key
	HaveRoot string // fingerprint of the root that was tried
}

func (e *UnwrapError) Error() string {
	if e.WantRoot != e.HaveRoot {
		return fmt.Sprintf("data key %d (%s) is wrapped by root key %q, but root key %q is loaded: supply the root key file with fingerprint %q",
			e.KeyID, e.Purpose, e.WantRoot, e.HaveRoot, e.WantRoot)
	}
	return fmt.Sprintf("data key %d (%s) does not unwrap with its root key %q: the stored key was altered or damaged, restore it from a backup",
		e.KeyID, e.Purpose, e.HaveRoot)
}
