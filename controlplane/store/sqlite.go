package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/mattn/go-sqlite3"
	"github.com/pressly/goose/v3"

	"github.com/unknownpay/merchant-gateway/controlplane"
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

const (
	defaultReaders = 4
	// busyTimeout is how long, in milliseconds, a statement waits for another
	// program that has the file locked.
	busyTimeout = 5000
	// applicationID, "unkg", tells our databases from other programs'.
	applicationID = 0x756e6b67
	// autoCheckpoint is in pages of 4 KiB. SQLite's own 1,000 stalls the writer
	// 4–14 ms each time.
	autoCheckpoint = 10_000
)

// sqliteFile is what of an open SQLite database is not SQL.
type sqliteFile struct {
	path   string
	lock   *instanceLock
	schema int64
	wal    *walBound
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
	db.file.schema = schema
	db.file.wal = &walBound{db: write, path: path + "-wal", limit: walLimit}
	db.readers = sql.OpenDB(sqliteConnector(readerDSN(path), 0))
	readers := c.Readers
	if readers == 0 {
		readers = defaultReaders
	}
	db.readers.SetMaxOpenConns(readers)
	db.readers.SetMaxIdleConns(readers)
	db.writer = startWriter(write, db.dialect, db.afterCommit)
	return db, nil
}

func (db *DB) afterCommit(bumped bool) {
	if bumped {
		db.watch.wake()
	}
	db.file.wal.check()
}

// checkOwner refuses the database of another program before anything in it is
// changed: a mistyped path must not end in its migration. A file that is empty or
// not there is nobody's.
func checkOwner(ctx context.Context, path string) error {
	if fileSize(path) == 0 {
		return nil
	}
	db := sql.OpenDB(sqliteConnector(readerDSN(path), 0))
	return errors.Join(owned(ctx, db), db.Close())
}

func owned(ctx context.Context, db *sql.DB) error {
	var id, tables int64
	err := db.QueryRowContext(ctx, `PRAGMA application_id`).Scan(&id)
	if err == nil && id == applicationID {
		return checkVersion(ctx, db)
	}
	if err == nil { // a first start may have ended between goose's table and ours
		err = db.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema WHERE type = 'table'
			AND name NOT IN ('goose_db_version', 'sqlite_sequence')`).Scan(&tables)
	}
	if err != nil {
		return explain(sqliteDialect{}, "open the database", err)
	}
	if tables > 0 {
		return controlplane.Errorf(controlplane.CodeConflict, "the file is the SQLite database of another program; choose another path")
	}
	return nil
}

// checkVersion refuses a schema that this program does not know.
func checkVersion(ctx context.Context, db *sql.DB) error {
	var have int64
	if err := db.QueryRowContext(ctx, `SELECT max(version_id) FROM goose_db_version`).Scan(&have); err != nil {
		return explain(sqliteDialect{}, "read the schema version", err)
	}
	_, newest, err := migrator(db, sqliteDialect{})
	if err == nil && have > newest {
		err = newerSchema(have, newest)
	}
	return err
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

// SQLitePath returns the one absolute path, without symbolic links, by which a
// database is known. It changes nothing on disk, and the file need not exist.
func SQLitePath(path string) (string, error) {
	if path == "" || strings.ContainsRune(path, 0) {
		return "", controlplane.InvalidField("path", "the path of the database is %q; give the path of a file", path)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("path of the database: %w", err)
	}
	return resolve(abs)
}

// resolve follows the links of as much of path as exists.
func resolve(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return real, err
	}
	dir, err := resolve(filepath.Dir(path))
	return filepath.Join(dir, filepath.Base(path)), err
}

// A DSN carries what every connection of a pool must have; a PRAGMA run once
// would reach one of them.
func writerDSN(path string) string {
	return sqliteDSN(path, url.Values{
		"_journal_mode": {"WAL"}, "_synchronous": {"FULL"}, "_txlock": {"immediate"},
		"_foreign_keys": {"1"}, "_recursive_triggers": {"1"}, "_cache_size": {"-65536"},
	})
}

func readerDSN(path string) string {
	return sqliteDSN(path, url.Values{"mode": {"ro"}, "_query_only": {"1"}, "_txlock": {"deferred"}, "_cache_size": {"-8192"}})
}

func sqliteDSN(path string, v url.Values) string {
	v.Set("_busy_timeout", strconv.Itoa(busyTimeout))
	v.Set("_stmt_cache_size", "64")
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + v.Encode()
}

// sqliteConnector opens connections without a driver registered by name, of which
// a program has only one set.
func sqliteConnector(dsn string, maxPages int) driver.Connector {
	pragmas := []string{
		fmt.Sprintf(`PRAGMA wal_autocheckpoint = %d`, autoCheckpoint),
		// Sorting must not spill rows into a directory that others can read.
		`PRAGMA temp_store = MEMORY`,
		`PRAGMA trusted_schema = OFF`,
	}
	if maxPages > 0 {
		pragmas = append(pragmas, fmt.Sprintf(`PRAGMA max_page_count = %d`, maxPages))
	}
	return connector{dsn, &sqlite3.SQLiteDriver{ConnectHook: func(c *sqlite3.SQLiteConn) error {
		_, err := c.Exec(strings.Join(pragmas, ";"), nil)
		return err
	}}}
}

type connector struct {
	dsn    string
	driver *sqlite3.SQLiteDriver
}

func (c connector) Connect(context.Context) (driver.Conn, error) { return c.driver.Open(c.dsn) }
func (c connector) Driver() driver.Driver                        { return c.driver }

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
