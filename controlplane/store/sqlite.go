package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// SQLiteConfig says where an embedded database is.
type SQLiteConfig struct {
	// Path of the database file. It and its directory are made if they are not
	// there, readable by the owner only.
	Path string
	// Readers is how many Views run at once; 0 means 4. Each holds up to 8 MiB of
	// page cache.
	Readers int
	// maxPages stops the database from growing: the tests' full disk.
	maxPages int
}

const defaultReaders = 4

// sqliteFile is what of an open SQLite database is not SQL.
type sqliteFile struct {
	path string
	lock *instanceLock
	wal  *walBound
}

// OpenSQLite opens the database of one machine, makes it if it is not there, and
// brings its schema up to date. Only one process can have it open. Errors that
// people can do something about are [*controlplane.Error]: in use, not ours,
// newer schema, damaged.
func OpenSQLite(ctx context.Context, c SQLiteConfig) (*DB, error) {
	path, err := SQLitePath(c.Path)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of the database: %w", err)
	}
	lock, err := lockInstance(path)
	if err != nil {
		return nil, err
	}
	db, err := openLocked(ctx, path, lock, c)
	if err != nil {
		return nil, errors.Join(err, lock.release())
	}
	return db, nil
}

func openLocked(ctx context.Context, path string, lock *instanceLock, c SQLiteConfig) (*DB, error) {
	if err := checkOwner(ctx, path); err != nil {
		return nil, err
	}
	if err := ensurePrivate(path); err != nil {
		return nil, err
	}
	db := &DB{dialect: sqliteDialect{}, file: &sqliteFile{path: path, lock: lock}}
	write := sql.OpenDB(sqliteConnector(writerDSN(path), c.maxPages))
	write.SetMaxOpenConns(1)
	schema, err := migrate(ctx, write, db.dialect)
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	db.schema = schema
	db.file.wal = &walBound{db: write, path: path + "-wal", limit: walLimit, most: walMost, readers: &db.reading}
	db.readers = sql.OpenDB(sqliteConnector(readerDSN(path), 0))
	readers := c.Readers
	if readers == 0 {
		readers = defaultReaders
	}
	db.readers.SetMaxOpenConns(readers)
	db.readers.SetMaxIdleConns(readers)
	db.writer = startWriter(write, db.dialect, db.afterCommit)
	db.updates = db.writer
	return db, nil
}

func (db *DB) afterCommit(bumped bool) {
	if bumped {
		db.watch.wake()
	}
	if db.file != nil {
		db.file.wal.check()
	}
}

// ensurePrivate makes the file, or takes away what others may do with it. SQLite
// gives its write-ahead log the mode of the database.
func ensurePrivate(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	return errors.Join(f.Chmod(0o600), f.Close())
}
