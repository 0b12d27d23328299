package caddymodule

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/account"
	"github.com/unknownpay/merchant-gateway/controlplane/keyring"
	"github.com/unknownpay/merchant-gateway/controlplane/lastgood"
	"github.com/unknownpay/merchant-gateway/controlplane/store"
)

// standbyGuest is a storeGuest whose database is elsewhere, and can be away.
type standbyGuest interface {
	storeGuest
	// standby says what this server does then.
	standby() (standby, error)
	// openLater opens a database that is away.
	openLater() (*store.DB, error)
}

// standby is what a server does while its database is away.
type standby struct {
	// path is where the last known good snapshot is kept; empty for nowhere.
	path string
	// source names the database in that file.
	source   string
	maxStale time.Duration
}

// standby is zero for a store that is not elsewhere.
func (c nodeConfig) standby() (standby, error) {
	if guest, ok := c.store.(standbyGuest); ok {
		return guest.standby()
	}
	return standby{}, nil
}

// openServing is openNode for a server: if the database is away and there is a last
// known good snapshot, the node has that one until the database is back. warn is told.
func openServing(ctx context.Context, c nodeConfig, warn func(string, ...zap.Field)) (*node, error) {
	n, err := openNode(ctx, c)
	guest, ok := c.store.(standbyGuest)
	if !ok || controlplane.CodeOf(err) != controlplane.CodeUnavailable {
		return n, err
	}
	by, standbyErr := guest.standby()
	if standbyErr != nil || by.path == "" {
		return nil, errors.Join(err, standbyErr)
	}
	n, away := openAway(c, guest, by)
	if errors.Is(away, fs.ErrNotExist) {
		return nil, err // nothing was kept yet
	}
	if away != nil {
		return nil, errors.Join(err, away)
	}
	warn("the database is away; requests are decided by the last known good snapshot",
		zap.Error(err), zap.Time("confirmed", n.kept.ContactAt), zap.Duration("max_stale", by.maxStale))
	return n, nil
}

// openAway puts a node on top of what is kept.
func openAway(c nodeConfig, guest standbyGuest, by standby) (*node, error) {
	rootPath, err := c.rootPath()
	if err != nil {
		return nil, err
	}
	n := &node{sending: new(sync.WaitGroup), hasher: account.NewHasher(account.HasherConfig{}), standby: by}
	var root *keyring.Root
	n.kept, err = lastgood.Read(by.path, by.source, func(id string) (_ *keyring.Root, err error) {
		root, err = keyring.FindRoot(rootPath, id)
		return root, err
	})
	if err != nil {
		return nil, err
	}
	if n.db, err = guest.openLater(); err != nil {
		return nil, err
	}
	if n.ring, err = ringOf(root, rootPath, n.db, n.kept.DataKeys); err == nil {
		err = n.assemble(c.rules)
	}
	if err != nil {
		return nil, errors.Join(err, n.db.Close())
	}
	return n, nil
}

// keep writes what the follower has to the disk, until ctx ends. It returns what to
// call for each new snapshot.
func (n *node) keep(ctx context.Context, follower *controlplane.Follower, report func(what string, err error)) (changed func()) {
	if n.standby.path == "" {
		return func() {}
	}
	keeper := lastgood.NewKeeper(lastgood.Config{
		Path: n.standby.path, Source: n.standby.source, Store: n.db, Follower: follower, Ring: n.ring, Clock: time.Now, Random: rand.Reader,
		MaxStale: n.standby.maxStale, OnError: func(err error) { report("keep the last known good snapshot", err) },
	}, n.kept)
	n.sending.Go(func() { keeper.Run(ctx) })
	return keeper.Changed
}

// engageLater starts the engine when the database is there, unless the node is closed
// first. The lock is not waited for: who closes the node holds it.
func (s *dataSlot) engageLater(n *node) {
	if s.engaging {
		return
	}
	s.engaging = true
	n.sending.Go(func() {
		for again := true; again; {
			select {
			case <-n.done:
				return
			case <-time.After(time.Second):
			}
			if s.opening.TryLock() {
				again = !s.engagedNow(n)
				s.opening.Unlock()
			}
		}
	})
}

// engagedNow reports whether there is nothing more to try. The lock is held.
func (s *dataSlot) engagedNow(n *node) bool {
	if s.engaged || s.delivering.newest() == nil {
		s.engaging = false
		return true
	}
	err := n.engine.Start(context.Background())
	if s.engaged = err == nil; controlplane.CodeOf(err) == controlplane.CodeUnavailable {
		return false
	}
	if err != nil {
		s.report("deliver webhooks", fmt.Errorf("the database is back: %w", err))
	}
	s.engaging = false
	return true
}
