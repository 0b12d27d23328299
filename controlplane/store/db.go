package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// DB is an open database. It implements [controlplane.Store].
//
// A function given to Update must use nothing but its Tx: it runs on the one
// writer, and a View or an Update inside it would not see its changes, or never
// return.
type DB struct {
	dialect dialect
	readers *sql.DB
	writer  *writer
	watch   watchers
	file    *sqliteFile

	mu     sync.Mutex
	closed bool
	views  sync.WaitGroup
}

var _ controlplane.Store = (*DB)(nil)

// View runs fn in a read-only transaction over one consistent state. A View that
// lasts keeps the write-ahead log from being emptied.
func (db *DB) View(ctx context.Context, fn func(controlplane.Tx) error) error {
	if !db.enter() {
		return errClosed()
	}
	defer db.views.Done()
	t, err := db.readers.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelDefault, ReadOnly: true})
	if err != nil {
		return explain(db.dialect, "begin", err)
	}
	tx := &tx{sql: t, dialect: db.dialect}
	err = view(tx, fn)
	if errors.Is(err, sql.ErrTxDone) && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// view ends the transaction however fn ends.
func view(t *tx, fn func(controlplane.Tx) error) (err error) {
	defer func() {
		t.over.Store(true)
		err = undo(t.sql, err)
	}()
	return fn(t)
}

// enter counts a View in, unless the database is closed.
func (db *DB) enter() bool {
	db.mu.Lock()
	defer db.mu.Unlock()
	if !db.closed {
		db.views.Add(1)
	}
	return !db.closed
}

// Update runs fn in a read-write transaction; see [controlplane.Store].
//
// A database that cannot work now (locked, full, read-only, damaged, closed) is
// [controlplane.CodeUnavailable]. A panic of fn is [controlplane.CodeInternal],
// and fn undone.
func (db *DB) Update(ctx context.Context, fn func(controlplane.Tx) error) error {
	return db.writer.update(ctx, fn)
}

// Watch returns a channel that receives after commits that bumped the revision.
func (db *DB) Watch(ctx context.Context) <-chan struct{} { return db.watch.watch(ctx) }

// Close commits what waits, lets running Views end, folds the write-ahead log
// into the database and lets go of the instance lock. A second call does nothing.
func (db *DB) Close() error {
	db.mu.Lock()
	closed := db.closed
	db.closed = true
	db.mu.Unlock()
	if closed {
		return nil
	}
	db.writer.close()
	db.views.Wait()
	// The last connection to close folds the log in, so it must be the one that
	// may write.
	if err := errors.Join(db.readers.Close(), db.writer.db.Close(), db.file.lock.release()); err != nil {
		return fmt.Errorf("close the database: %w", err)
	}
	return nil
}
