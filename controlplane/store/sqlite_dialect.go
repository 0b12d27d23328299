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

// headLock is empty: there is one writer.
func (sqliteDialect) headLock() string { return "" }

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
