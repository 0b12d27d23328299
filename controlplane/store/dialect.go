package store

import (
	"context"
	"database/sql"
	"io/fs"

	"github.com/pressly/goose/v3"
)

// dialect is all in which one database differs from another.
type dialect interface {
	// migrations returns the numbered schema changes and how goose is to run them.
	migrations() (goose.Dialect, fs.FS, error)
	// fault classifies an error of the driver, and advice says what to do about it:
	// "" for faults of one statement, after which the database works still.
	fault(err error) fault
	advice(f fault) string
	// viewLevel is the isolation in which a View sees one state.
	viewLevel() sql.IsolationLevel
	// headLock ends the query that reads the audit head in an Update, so that
	// appenders wait for one another.
	headLock() string
	// claimLock ends the query that finds deliveries to claim, so that engines of
	// several processes do not wait for one another.
	claimLock() string
	// snapshotPages are queries that read everything faster than row by row, or nil.
	snapshotPages() *snapshotPages
	// announce tells other processes, within the transaction, that the revision
	// was bumped.
	announce(ctx context.Context, tx *sql.Tx) error
}

// fault is what an error of a driver means to a caller.
type fault int

const (
	faultOther fault = iota
	// faultDuplicate: a unique constraint refused the row.
	faultDuplicate
	// faultMissing: the row that a foreign key points to is not there.
	faultMissing
	// faultCollision: transactions got in each other's way, and this one is to run
	// again.
	faultCollision
	// faultBusy and below: the database cannot work now, and the transaction may
	// already be rolled back behind our back.
	faultBusy
	faultFull
	faultReadOnly
	faultCorrupt
	faultNotADatabase
	faultIO
	faultAway
	faultRefused
)
