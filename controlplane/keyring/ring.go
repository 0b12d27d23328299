package keyring

import (
	"cmp"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Ring holds the data keys, ready for use. All methods may be called at once
// from many goroutines; sealing and unsealing take no lock.
type Ring struct {
	redacted
	keys atomic.Pointer[keySet]

	mu     sync.Mutex // held by whoever replaces keys
	lastID uint32     // highest id seen or handed out
}

// keySet is never changed once the Ring points to it.
type keySet struct {
	root  *Root
	byID  map[uint32]*dataKey
	seals map[string]*dataKey // by purpose: the key with the highest id
}

type dataKey struct {
	id        uint32
	purpose   string
	createdAt time.Time
	aead      cipher.AEAD
	sealed    atomic.Uint64
}

// Open unwraps keys with root. A key that does not unwrap is an *UnwrapError:
// refuse to start. No keys at all is a ring that has to be filled by
// NewDataKey and Add.
func Open(root *Root, keys []WrappedKey) (*Ring, error) {
	if err := root.check(); err != nil {
		return nil, err
	}
	r := new(Ring)
	r.keys.Store(&keySet{root: root})
	err := r.change(func(s *keySet) error {
		for _, k := range keys {
			if err := r.add(s, k); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// change replaces the key set as a whole, or not at all.
func (r *Ring) change(edit func(*keySet) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.keys.Load()
	s := &keySet{root: old.root, byID: maps.Clone(old.byID), seals: maps.Clone(old.seals)}
	if s.byID == nil {
		s.byID, s.seals = map[uint32]*dataKey{}, map[string]*dataKey{}
	}
	if err := edit(s); err != nil {
		return err
	}
	r.keys.Store(s)
	return nil
}

func (r *Ring) add(s *keySet, k WrappedKey) error {
	if _, ok := s.byID[k.ID]; ok {
		return fmt.Errorf("data key %d (%s) is in the ring already", k.ID, k.Purpose)
	}
	aead, err := s.root.unwrapAEAD(k)
	if err != nil {
		return err
	}
	d := &dataKey{id: k.ID, purpose: k.Purpose, createdAt: k.CreatedAt, aead: aead}
	s.byID[d.id] = d
	if now, ok := s.seals[d.purpose]; !ok || d.id > now.id {
		s.seals[d.purpose] = d
	}
	r.lastID = max(r.lastID, d.id)
	return nil
}

// NewDataKey makes a data key for purpose, wrapped by the current root. The
// ring does not use it: store it first, then Add it. A record sealed by a key
// that did not reach the database could never be read again.
//
// The transaction that stores it must check that the stored keys still carry
// its RootID and that its ID is free: another process may have rotated.
func (r *Ring) NewDataKey(purpose string, now time.Time) (WrappedKey, error) {
	if purpose == "" {
		return WrappedKey{}, errors.New("new data key: the purpose is empty")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lastID == math.MaxUint32 {
		return WrappedKey{}, errors.New("new data key: all 4294967295 ids are used")
	}
	r.lastID++
	key := make([]byte, keySize)
	defer clear(key)
	rand.Read(key) // never fails: without randomness it ends the program
	root := r.keys.Load().root
	return WrappedKey{
		ID:        r.lastID,
		Purpose:   purpose,
		RootID:    root.id,
		Wrapped:   root.wrap(r.lastID, purpose, key),
		CreatedAt: now.UTC().Truncate(time.Microsecond),
	}, nil
}

// Add takes a stored key into use. The highest id of a purpose seals, the
// others still unseal. With several nodes, Add it everywhere before records
// sealed by it can arrive, or load the keys again on ErrUnknownKey.
func (r *Ring) Add(k WrappedKey) error {
	return r.change(func(s *keySet) error { return r.add(s, k) })
}

// Drop forgets a data key. The caller has made sure that no record names it
// (KeyID tells which one a record names), and that no Seal begun before the
// newer key was added, here or on another node, is still to be stored. The key that seals a purpose is
// refused with ErrKeyInUse, which also keeps the highest id, and thus every id
// ever used, from being given out again.
func (r *Ring) Drop(id uint32) error {
	return r.change(func(s *keySet) error {
		d, ok := s.byID[id]
		if !ok {
			return fmt.Errorf("%w: %d", ErrUnknownKey, id)
		}
		if s.seals[d.purpose] == d {
			return fmt.Errorf("drop data key %d (%s): %w", id, d.purpose, ErrKeyInUse)
		}
		delete(s.byID, id)
		return nil
	})
}

// SetRoot lets root wrap the data keys made from now on. Call it when the keys
// that Rewrap returned are committed.
func (r *Ring) SetRoot(root *Root) error {
	if err := root.check(); err != nil {
		return err
	}
	return r.change(func(s *keySet) error {
		s.root = root
		return nil
	})
}

// Status is what an operator may see of a ring.
type Status struct {
	RootID string
	Keys   []KeyStatus // by id
}

// KeyStatus describes one data key.
type KeyStatus struct {
	ID        uint32
	Purpose   string
	CreatedAt time.Time
	Seals     bool   // seals the new records of its purpose
	Sealed    uint64 // records sealed by this process; see MaxSeals
}

// Status lists the data keys.
func (r *Ring) Status() Status {
	s := r.keys.Load()
	out := Status{RootID: s.root.id}
	for _, d := range s.byID {
		out.Keys = append(out.Keys, KeyStatus{
			ID: d.id, Purpose: d.purpose, CreatedAt: d.createdAt,
			Seals: s.seals[d.purpose] == d, Sealed: d.sealed.Load(),
		})
	}
	slices.SortFunc(out.Keys, func(a, b KeyStatus) int { return cmp.Compare(a.ID, b.ID) })
	return out
}
