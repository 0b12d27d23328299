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
// A function given to Update must use nothing but its Tx: on SQLite it runs on the
// one writer, and a View or an Update inside it would not see its changes, or never
// return.
type DB struct {
	dialect dialect
	readers *sql.DB
	updates updater
	reading reading
	watch   watchers
	schema  int64

	// Of SQLite, and nil elsewhere.
	writer *writer
	file   *sqliteFile
	// Of PostgreSQL, and nil elsewhere.
	server *postgresServer
	gate   *gate

	mu     sync.Mutex
	closed bool
	views  sync.WaitGroup
}

var _ controlplane.Store = (*DB)(nil)

// updater carries Updates out.
type updater interface {
	update(ctx context.Context, fn func(controlplane.Tx) error) error
	// close commits what waits and refuses what comes. It is called once.
	close()
}

// Shared reports whether other processes can have the database open too: what one
// of them has taken to do must then be written in it.
func (db *DB) Shared() bool { return db.server != nil }

// View runs fn in a read-only transaction over one consistent state.
//
// A View that lasts keeps the write-ahead log from being emptied. When that has
// grown to 320 MiB the View is ended: [controlplane.CodeUnavailable].
func (db *DB) View(ctx context.Context, fn func(controlplane.Tx) error) error {
	if !db.enter() {
		return errClosed()
	}
	defer db.views.Done()
	if err := db.gate.pass(ctx); err != nil {
		return err
	}
	ctx, leave := db.reading.begin(ctx)
	defer leave()
	if db.server != nil {
		limited, cancel := context.WithTimeout(ctx, viewLimit)
		defer cancel()
		ctx = limited
	}
	conn, t, err := begin(ctx, ctx, db.readers, sql.TxOptions{Isolation: db.dialect.viewLevel(), ReadOnly: true}, db.dialect)
	if err != nil {
		return ended(ctx, explainUnlessOver(ctx, db.dialect, "begin", err))
	}
	defer conn.Close() // back to the pool
	tx := &tx{sql: t, dialect: db.dialect}
	if db.server != nil {
		tx.limit = ctx
	}
	err = ended(ctx, view(tx, fn))
	if errors.Is(err, sql.ErrTxDone) && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// begin waits for a connection until ctx ends, and begins a transaction that may last
// until limited does. A pool does not notice that its server was restarted before it
// uses a connection: every dead one is passed over.
func begin(ctx, limited context.Context, db *sql.DB, o sql.TxOptions, d dialect) (*sql.Conn, *sql.Tx, error) {
	for spare := db.Stats().MaxOpenConnections; ; spare-- {
		conn, err := db.Conn(ctx)
		if err != nil {
			return nil, nil, err
		}
		t, err := conn.BeginTx(limited, &o)
		if err == nil {
			return conn, t, nil
		}
		err = errors.Join(err, conn.Close())
		if spare == 0 || limited.Err() != nil || d.fault(err) != faultAway {
			return nil, nil, err
		}
	}
}

// explainUnlessOver leaves the error of a caller's own context as it is.
func explainUnlessOver(ctx context.Context, d dialect, what string, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return ctx.Err()
	}
	return explain(d, what, err)
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
	if err := db.gate.pass(ctx); err != nil {
		return err
	}
	return db.updates.update(ctx, fn)
}

// Changes counts the Updates that are not [controlplane.Concurrent], of which it knows
// them all only where no other process can write. What was read, in a View or an
// Update, after it was asked is as good for as long as the count stays.
func (db *DB) Changes() (n int64, known bool) {
	if db.writer == nil {
		return 0, false
	}
	return db.writer.others.Load(), true
}

// Watch returns a channel that receives after commits that bumped the revision.
func (db *DB) Watch(ctx context.Context) <-chan struct{} { return db.watch.watch(ctx) }

// Close commits what waits, lets running Views end and closes every connection. On
// SQLite it folds the write-ahead log into the database and lets go of the instance
// lock. A second call does nothing.
func (db *DB) Close() error {
	db.mu.Lock()
	closed := db.closed
	db.closed = true
	db.mu.Unlock()
	if closed {
		return nil
	}
	db.updates.close()
	db.views.Wait()
	if err := db.closePools(); err != nil {
		return fmt.Errorf("close the database: %w", err)
	}
	return nil
}

func (db *DB) closePools() error {
	if db.server != nil {
		db.server.listener.stop()
		return errors.Join(db.readers.Close(), db.server.writers.Close())
	}
	// The last connection to close folds the log in, so it must be the one that
	// may write.
	return errors.Join(db.readers.Close(), db.writer.db.Close(), db.file.lock.release())
}
