package store

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"

	"github.com/mattn/go-sqlite3"
	"github.com/pressly/goose/v3"
)

// sqliteDialect is what SQLite needs of its own.
type sqliteDialect struct{}

func (sqliteDialect) migrations() (goose.Dialect, fs.FS, error) {
	files, err := fs.Sub(migrationFiles, "migrations/sqlite")
	return goose.DialectSQLite3, files, err
}

// viewLevel is the preset: a read transaction sees one state.
func (sqliteDialect) viewLevel() sql.IsolationLevel { return sql.LevelDefault }

// headLock and claimLock are empty: there is one writer.
func (sqliteDialect) headLock() string  { return "" }
func (sqliteDialect) claimLock() string { return "" }

// announce has nothing to do: the instance lock says that nobody else listens.
func (sqliteDialect) announce(context.Context, *sql.Tx) error { return nil }

func (sqliteDialect) fault(err error) fault {
	var e sqlite3.Error
	if !errors.As(err, &e) {
		return faultOther
	}
	switch e.ExtendedCode {
	case sqlite3.ErrConstraintUnique, sqlite3.ErrConstraintPrimaryKey, sqlite3.ErrConstraintRowID:
		return faultDuplicate
	case sqlite3.ErrConstraintForeignKey:
		return faultMissing
	}
	switch e.Code {
	case sqlite3.ErrBusy, sqlite3.ErrLocked, sqlite3.ErrProtocol:
		return faultBusy
	case sqlite3.ErrFull:
		return faultFull
	case sqlite3.ErrReadonly, sqlite3.ErrPerm:
		return faultReadOnly
	case sqlite3.ErrCorrupt:
		return faultCorrupt
	case sqlite3.ErrNotADB:
		return faultNotADatabase
	case sqlite3.ErrIoErr, sqlite3.ErrCantOpen, sqlite3.ErrNomem, sqlite3.ErrInterrupt, sqlite3.ErrAbort:
		return faultIO
	}
	return faultOther
}

func (sqliteDialect) advice(f fault) string {
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
