package keyring

import (
	"crypto/cipher"
	"fmt"
	"strconv"
	"time"
)

// WrappedKey is a data key as the database stores it. None of it is secret
// without the root.
type WrappedKey struct {
	ID        uint32 // unique, never used again; the highest of a purpose seals
	Purpose   string
	RootID    string    // fingerprint of the root that wraps the key; the same for all keys of a database
	Wrapped   []byte    // 0x01 ‖ nonce (12) ‖ ciphertext (32) ‖ tag (16)
	CreatedAt time.Time // whole microseconds, UTC; shown to people, not authenticated
}

const wrapVersion = 1

// wrapAAD ties a wrapped key to its id and purpose: were they free to change in
// the database, a record could be passed off as one of another purpose.
func wrapAAD(id uint32, purpose string) []byte {
	return AAD("data key", strconv.FormatUint(uint64(id), 10), purpose)
}

func (r *Root) wrap(id uint32, purpose string, key []byte) []byte {
	return r.kek.Seal([]byte{wrapVersion}, nil, key, wrapAAD(id, purpose))
}

// unwrap returns the plain data key. The caller clears it.
func (r *Root) unwrap(k WrappedKey) ([]byte, error) {
	refused := &UnwrapError{KeyID: k.ID, Purpose: k.Purpose, WantRoot: k.RootID, HaveRoot: r.id}
	if k.RootID != r.id || len(k.Wrapped) == 0 || k.Wrapped[0] != wrapVersion {
		return nil, refused
	}
	key, err := r.kek.Open(nil, nil, k.Wrapped[1:], wrapAAD(k.ID, k.Purpose))
	if err != nil {
		return nil, refused
	}
	return key, nil
}

func (r *Root) unwrapAEAD(k WrappedKey) (cipher.AEAD, error) {
	key, err := r.unwrap(k)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	return newAEAD(key)
}

// Rewrap returns keys wrapped by next instead of old, for the caller to store
// in one transaction. All or none: one key that does not unwrap is an
// *UnwrapError. Keys that next wraps already stay as they are, so that a
// rotation whose commit had an unknown outcome may simply be run again.
func Rewrap(old, next *Root, keys []WrappedKey) ([]WrappedKey, error) {
	if err := old.check(); err != nil {
		return nil, fmt.Errorf("old root: %w", err)
	}
	if err := next.check(); err != nil {
		return nil, fmt.Errorf("new root: %w", err)
	}
	if old.id == next.id {
		return nil, fmt.Errorf("the new root is the old one (%s): make another", old.id)
	}
	out := make([]WrappedKey, 0, len(keys))
	for _, k := range keys {
		k, err := rewrap(old, next, k)
		if err != nil {
			return nil, err
		}
		out = append(out, k)
	}
	return out, nil
}

func rewrap(old, next *Root, k WrappedKey) (WrappedKey, error) {
	from := old
	if k.RootID == next.id {
		from = next
	}
	key, err := from.unwrap(k)
	if err != nil {
		return WrappedKey{}, err
	}
	defer clear(key)
	if from == old {
		k.RootID, k.Wrapped = next.id, next.wrap(k.ID, k.Purpose, key)
	}
	return k, nil
}
