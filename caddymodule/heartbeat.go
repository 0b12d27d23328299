package caddymodule

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

const (
	// beatTimeout bounds one heartbeat, so that a store that hangs cannot hold up a stop.
	beatTimeout = 5 * time.Second
	// nodesCleaned is how often nodes that went away are forgotten.
	nodesCleaned = time.Hour
	// maxNodes is how many nodes are listed.
	maxNodes = 2000
	// nodeIDFile has the id of this node, beside what else belongs to it.
	nodeIDFile = "node-id"
)

// nodeAbout is what a configuration makes of a server.
type nodeAbout struct {
	name   string
	roles  []controlplane.NodeRole
	replay string
}

// heartbeat tells the servers that share the database of this one. Where nobody
// shares it, nothing is written.
type heartbeat struct {
	node    *node
	about   func() nodeAbout
	report  func(error)
	started time.Time
	// id is empty where nobody shares the database.
	id atomic.Pointer[string]

	// Of run's goroutine.
	failing bool
	cleaned time.Time
}

// newHeartbeat finds the node's id in the directory, or makes one. A server that
// cannot keep it gets another one with each start.
func newHeartbeat(n *node, directory string, about func() nodeAbout, report func(error)) *heartbeat {
	h := &heartbeat{node: n, about: about, report: report, started: time.Now()}
	var id string
	if n.db.Shared() {
		var err error
		if id, err = keptNodeID(directory); err != nil {
			report(fmt.Errorf("keep the id of this node; it is another one after the next start: %w", err))
		}
	}
	h.id.Store(&id)
	return h
}

// keptNodeID returns an id even if it cannot be kept.
func keptNodeID(directory string) (string, error) {
	id, err := controlplane.NewID(controlplane.PrefixNode, time.Now(), rand.Reader)
	if err != nil {
		return "", err
	}
	path := filepath.Join(directory, nodeIDFile)
	kept, err := os.ReadFile(path)
	switch text := strings.TrimSpace(string(kept)); {
	case errors.Is(err, fs.ErrNotExist):
		return id, errors.Join(os.MkdirAll(directory, 0o700), os.WriteFile(path, []byte(id+"\n"), 0o600))
	case err != nil:
		return id, err
	default:
		if _, ok := controlplane.ParseID(controlplane.PrefixNode, text); !ok {
			return id, fmt.Errorf("%s does not hold the id of a node: delete it, and the next start makes one", path)
		}
		return text, nil
	}
}

// run tells until ctx ends.
func (h *heartbeat) run(ctx context.Context) {
	ticker := time.NewTicker(controlplane.NodeBeat)
	defer ticker.Stop()
	for {
		h.beat(ctx)
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// beat reports the first of several failures: while the database is away, the
// follower says so.
func (h *heartbeat) beat(ctx context.Context) {
	err := h.save(ctx)
	if errors.Is(err, controlplane.ErrDuplicate) {
		if err = h.rename(); err == nil {
			err = h.save(ctx)
		}
	}
	if err != nil && !h.failing && ctx.Err() == nil {
		h.report(err)
	}
	h.failing = err != nil
}

func (h *heartbeat) save(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, beatTimeout)
	defer cancel()
	now := time.Now()
	// A gateway may have a role that must not delete.
	cleans := now.Sub(h.cleaned) > nodesCleaned && !slices.Equal(h.about().roles, []controlplane.NodeRole{controlplane.NodeGateway})
	err := h.node.db.Update(controlplane.Concurrent(ctx), func(tx controlplane.Tx) error {
		newest, err := tx.Revision(ctx)
		if err != nil {
			return err
		}
		if err = tx.SaveNode(ctx, h.self(newest)); err != nil || !cleans {
			return err
		}
		_, err = tx.DeleteNodes(ctx, now.Add(-controlplane.NodeKept))
		return err
	})
	if err == nil && cleans {
		h.cleaned = now
	}
	return err
}

// rename gives way to a process that started later with a copy of the id: another one
// with the same directory, or a copy of the machine.
func (h *heartbeat) rename() error {
	id, err := controlplane.NewID(controlplane.PrefixNode, time.Now(), rand.Reader)
	if err == nil {
		h.report(fmt.Errorf("another server has the id of this one, %s; this one is %s until its next start: give each server a state_dir of its own", *h.id.Load(), id))
		h.id.Store(&id)
	}
	return err
}

// self is this node now; newest is the revision of the database.
func (h *heartbeat) self(newest int64) controlplane.Node {
	about := h.about()
	n := controlplane.Node{
		ID: *h.id.Load(), Name: about.name, Roles: about.roles, Version: moduleVersion(), SchemaVersion: h.node.db.Schema(), Replay: about.replay,
		ConfirmedAt: h.node.follower.LastSuccess(), StartedAt: h.started, SeenAt: time.Now(),
	}
	if s := h.node.follower.Current(); s != nil {
		n.Revision = s.Revision()
	}
	n.Newest = max(newest, n.Revision)
	return n
}
