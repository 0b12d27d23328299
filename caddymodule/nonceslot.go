package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2"
)

// nonceSlot is the place in the pool for one nonce store, opened by the first
// Start like a [dataSlot].
type nonceSlot struct {
	open    atomic.Pointer[nonces]
	opening sync.Mutex

	tenants tenants[nonceSettings]
}

// nonceSettings are what a started configuration asks of the store.
type nonceSettings struct{ guest replayGuest }

func takeNonceSlot(id nonceID) (*nonceSlot, error) {
	v, _, err := pool.LoadOrNew(id, func() (caddy.Destructor, error) { return new(nonceSlot), nil })
	if err != nil {
		return nil, err
	}
	return v.(*nonceSlot), nil
}

// start opens the store, unless it is open, and gives it the configured limits.
func (s *nonceSlot) start(ctx context.Context, set *nonceSettings) (nonces, error) {
	s.opening.Lock()
	defer s.opening.Unlock()
	if open := s.open.Load(); open != nil {
		if err := set.guest.apply(*open); err != nil {
			return nil, err
		}
		s.tenants.enter(set)
		return *open, nil
	}
	n, err := set.guest.open(ctx)
	if err != nil {
		return nil, fmt.Errorf("open the replay store: %w", err)
	}
	s.open.Store(&n)
	s.tenants.enter(set)
	return n, nil
}

// stop gives the store the limits of the configuration that stays, if one does.
func (s *nonceSlot) stop(set *nonceSettings) error {
	s.opening.Lock()
	defer s.opening.Unlock()
	s.tenants.leave(set)
	open, stays := s.open.Load(), s.tenants.newest()
	if open == nil || stays == nil {
		return nil
	}
	return stays.guest.apply(*open)
}

// store is nil before the first Start.
func (s *nonceSlot) store() nonces {
	if open := s.open.Load(); open != nil {
		return *open
	}
	return nil
}

var errNoNonces = errors.New("the replay store is not open")

// Use records a nonce in the open store.
func (s *nonceSlot) Use(ctx context.Context, keyID, nonce string, timestamp, expires int64) (bool, error) {
	open := s.open.Load()
	if open == nil {
		return false, errNoNonces
	}
	return (*open).Use(ctx, keyID, nonce, timestamp, expires)
}

// NotBefore is that of the open store.
func (s *nonceSlot) NotBefore() int64 {
	open := s.open.Load()
	if open == nil {
		return 0 // Use will tell
	}
	return (*open).NotBefore()
}

// Destruct closes the store and so writes the nonces down for the next start.
func (s *nonceSlot) Destruct() error {
	s.opening.Lock()
	defer s.opening.Unlock()
	if open := s.open.Swap(nil); open != nil {
		return (*open).Close()
	}
	return nil
}
