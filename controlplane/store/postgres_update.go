package store

import (
	"context"
	"database/sql"
	"sync"
	"sync/atomic"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

const (
	// collisionTries is how often a change runs that others get in the way of.
	collisionTries = 12
	collisionPause = 2 * time.Millisecond
)

// sqlTurn makes changes of all nodes go one after another, as SQLite's one writer
// does: each sees all that the one before it did. It is the lock of the audit trail,
// which most of them end with anyway.
const sqlTurn = `SELECT seq FROM audit_head WHERE id = 1`

// parallelWriter carries each Update out in a transaction of its own, by READ
// COMMITTED. Those that do not say that they are [controlplane.Concurrent] take
// turns, in this process by a channel, so that those who wait hold no connections,
// and among processes by a lock in the database.
type parallelWriter struct {
	db        *sql.DB
	dialect   dialect
	committed func(bumped bool)
	turn      chan struct{} // of capacity one

	mu      sync.Mutex
	closed  bool
	running sync.WaitGroup

	changes, collisions atomic.Int64
}

func (w *parallelWriter) enter() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed {
		w.running.Add(1)
	}
	return !w.closed
}

func (w *parallelWriter) close() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.running.Wait()
}

// update runs fn until it meets no collision. ctx counts only while fn waits its
// turn, as with SQLite's writer.
func (w *parallelWriter) update(ctx context.Context, fn func(controlplane.Tx) error) error {
	if !w.enter() {
		return errClosed()
	}
	defer w.running.Done()
	if !controlplane.IsConcurrent(ctx) {
		select {
		case w.turn <- struct{}{}:
			defer func() { <-w.turn }()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for try := 1; ; try++ {
		collided, err := w.attempt(ctx, fn)
		if !collided || try == collisionTries {
			return err
		}
		w.collisions.Add(1)
		if !pause(ctx, time.Duration(try)*collisionPause) {
			return err
		}
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// attempt runs fn once. Nothing of it is committed if it collided.
func (w *parallelWriter) attempt(ctx context.Context, fn func(controlplane.Tx) error) (collided bool, err error) {
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), updateLimit)
	defer cancel()
	conn, t, err := begin(ctx, limited, w.db, sql.TxOptions{Isolation: sql.LevelReadCommitted}, w.dialect)
	if err != nil {
		return false, explainUnlessOver(ctx, w.dialect, "begin", err)
	}
	defer conn.Close() // back to the pool
	tx := &tx{sql: t, dialect: w.dialect, writes: true, limit: limited}
	defer func() { err = undo(t, err) }()
	if err = w.run(ctx, tx, fn); err == nil {
		err = w.commit(tx)
	}
	if err != nil && limited.Err() != nil {
		err = &controlplane.Error{Code: controlplane.CodeUnavailable, Message: w.dialect.advice(faultBusy), Err: err}
	}
	return tx.collided && err != nil, err
}

func (w *parallelWriter) run(ctx context.Context, t *tx, fn func(controlplane.Tx) error) error {
	if !controlplane.IsConcurrent(ctx) {
		if _, err := one(ctx, t, "turn", scanValue[int64], sqlTurn+w.dialect.headLock()); err != nil {
			return err
		}
	}
	err := call(fn, t)
	t.over.Store(true)
	if t.broken != nil {
		return t.broken
	}
	return err
}

func (w *parallelWriter) commit(t *tx) error {
	if err := t.sql.Commit(); err != nil {
		t.collided = t.collided || w.dialect.fault(err) == faultCollision
		return explain(w.dialect, "commit", err)
	}
	w.changes.Add(1)
	w.committed(t.bumped)
	return nil
}
