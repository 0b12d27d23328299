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
	// fault classifies an error of the driver.
	fault(err error) fault
	// headLock ends the query that reads the audit head in an Update, so that
	// appenders wait for one another.
	headLock() string
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
	// faultBusy and below: the database cannot work now, and the transaction may
	// already be rolled back behind our back.
	faultBusy
	faultFull
	faultReadOnly
	faultCorrupt
	faultNotADatabase
	faultIO
)

// unavailable tells people what stopped the database, "" for faults of one
// statement.
func (f fault) unavailable() string {
	switch f {
	case faultBusy:
		return "the database is locked by another program; close it and try again"
	case faultFull:
		return "the disk of the database is full; free some space and try again"
	case faultReadOnly:
		return "the database is read-only; check the owner and mode of its file and directory"
	case faultCorrupt:
		return "the database file is damaged; stop the server and restore a backup"
	case faultNotADatabase:
		return "the file is not a SQLite database; check its path"
	case faultIO:
		return "the database cannot be read or written; check its disk"
	default:
		return ""
	}
}
