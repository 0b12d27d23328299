package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/mattn/go-sqlite3"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// backupStep is how many pages are copied between two looks at the context.
const backupStep = 1000

// Backup copies the database to a new file at path, mode 0600, while changes go
// on: the copy is the state of one moment. It is checked before it gets its name,
// and its data keys are still wrapped by the root key, which is not in it.
//
// A file that is already there is [controlplane.CodeConflict], and so is PostgreSQL,
// which has tools of its own for this.
func (db *DB) Backup(ctx context.Context, path string) error {
	if db.server != nil {
		return controlplane.Errorf(controlplane.CodeConflict, "the control plane is in PostgreSQL; back it up with its own tools, such as pg_dump or pg_basebackup")
	}
	if !db.enter() {
		return errClosed()
	}
	defer db.views.Done()
	path, err := SQLitePath(path)
	if err != nil {
		return err
	}
	if err := reserve(path); err != nil {
		return err
	}
	if err := copyChecked(ctx, db.file.path, path); err != nil {
		return errors.Join(fmt.Errorf("back up: %w", err), os.Remove(path))
	}
	return nil
}

// reserve takes the name of the backup, so that of two backups at once one is
// refused.
func reserve(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return controlplane.Errorf(controlplane.CodeConflict, "%s is already there; a backup overwrites nothing", path)
	}
	if err != nil {
		return fmt.Errorf("make the backup: %w", err)
	}
	return f.Close()
}

// RestoreSQLite puts the backup at from in the place of the database at to, whose
// server must be stopped. The replaced database is kept, and its path returned
// ("" if there was none).
//
// from is checked first: a damaged one is [controlplane.CodeUnavailable], one of
// another program or of a newer schema [controlplane.CodeConflict], and neither
// changes anything.
func RestoreSQLite(ctx context.Context, from, to string, now time.Time) (replaced string, err error) {
	if to, err = SQLitePath(to); err != nil {
		return "", err
	}
	if _, err := os.Stat(from); err != nil {
		return "", controlplane.InvalidField("from", "cannot read the backup: %v", err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return "", fmt.Errorf("make the directory of the database: %w", err)
	}
	lock, err := lockInstance(to)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, lock.release()) }()
	return restoreLocked(ctx, from, to, freeName(to+".before-restore-"+now.UTC().Format("20060102T150405Z")))
}

// freeName numbers what is kept by a second restore within a second.
func freeName(name string) string {
	free := name
	for n := 2; ; n++ {
		if _, err := os.Lstat(free); err != nil {
			return free
		}
		free = name + "-" + strconv.Itoa(n)
	}
}

func restoreLocked(ctx context.Context, from, to, kept string) (string, error) {
	if from, err := SQLitePath(from); err != nil || from == to {
		return "", errors.Join(err, controlplane.InvalidField("from", "the backup is the database itself"))
	}
	temp, err := copyBeside(ctx, from, to)
	if err != nil {
		return "", fmt.Errorf("restore: %w", err)
	}
	if kept, err = keepReplaced(ctx, to, kept); err != nil {
		return "", errors.Join(fmt.Errorf("keep the replaced database: %w", err), os.Remove(temp))
	}
	return kept, publish(temp, to)
}

// keepReplaced gives the database at path a second name, and returns that unless
// there was none. It never takes the first name away: a crash here must not leave
// the path empty, or the next start would make a new database there.
func keepReplaced(ctx context.Context, path, kept string) (string, error) {
	foldLog(ctx, path)
	replaced := kept
	switch err := os.Link(path, kept); {
	case errors.Is(err, fs.ErrNotExist):
		replaced = ""
	case err != nil:
		return "", err
	}
	// A log that is still there belongs to a database too damaged to open. SQLite
	// would play it into the restored one.
	for _, suffix := range []string{"-wal", "-shm"} {
		if err := os.Rename(path+suffix, kept+suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return replaced, nil
}

// foldLog empties the write-ahead log of a database that was not closed. That it
// cannot be done is no error: the log is then kept beside its database.
func foldLog(ctx context.Context, path string) {
	if fileSize(path) == 0 {
		return
	}
	db := sql.OpenDB(sqliteConnector(sqliteDSN(path, url.Values{"mode": {"rw"}}), 0))
	defer db.Close()                                                 // the last connection to close folds the log in
	_, _ = db.ExecContext(ctx, `SELECT count(*) FROM sqlite_schema`) // opens the file; see above for the error
}

// copyChecked copies the database at from over the file at to.
func copyChecked(ctx context.Context, from, to string) error {
	temp, err := copyBeside(ctx, from, to)
	if err != nil {
		return err
	}
	return publish(temp, to)
}

// copyBeside makes a checked, durable copy of the database at from, in the
// directory of to and under another name.
func copyBeside(ctx context.Context, from, to string) (temp string, err error) {
	f, err := os.CreateTemp(filepath.Dir(to), "."+filepath.Base(to)+".*") // mode 0600
	if err != nil {
		return "", err
	}
	temp = f.Name()
	err = copyDatabase(ctx, from, temp)
	if err == nil {
		err = checkDatabase(ctx, temp)
	}
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(temp))
	}
	return temp, nil
}

// publish gives a finished file its name, durably.
func publish(temp, path string) error {
	if err := os.Rename(temp, path); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// copyDatabase copies page by page. The copy keeps no write-ahead log, so that it
// is one file.
func copyDatabase(ctx context.Context, from, to string) error {
	source, err := openRaw(readerDSN(from))
	if err != nil {
		return explain(sqliteDialect{}, "open "+from, err)
	}
	target, err := openRaw(sqliteDSN(to, url.Values{"_journal_mode": {"OFF"}, "_synchronous": {"OFF"}}))
	if err != nil {
		return errors.Join(explain(sqliteDialect{}, "open "+to, err), source.Close())
	}
	err = copyPages(ctx, source, target)
	if err == nil {
		_, err = target.Exec(`PRAGMA journal_mode = DELETE`, nil)
	}
	if err = errors.Join(err, target.Close(), source.Close()); err != nil {
		return explain(sqliteDialect{}, "copy the database", err)
	}
	return nil
}

func openRaw(dsn string) (*sqlite3.SQLiteConn, error) {
	c, err := (&sqlite3.SQLiteDriver{}).Open(dsn)
	if err != nil {
		return nil, err
	}
	conn, ok := c.(*sqlite3.SQLiteConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("the SQLite driver opened a %T", c), c.Close())
	}
	return conn, nil
}

// copyPages holds one read transaction for the whole copy. Without it, SQLite
// starts over whenever somebody commits, and under load never ends.
func copyPages(ctx context.Context, source, target *sqlite3.SQLiteConn) error {
	if _, err := source.Exec(`BEGIN; SELECT count(*) FROM sqlite_schema`, nil); err != nil {
		return err
	}
	b, err := target.Backup("main", source, "main")
	if err != nil {
		return err
	}
	for done := false; err == nil && !done; {
		if err = ctx.Err(); err == nil {
			done, err = b.Step(backupStep)
		}
	}
	return errors.Join(err, b.Finish())
}

// checkDatabase says whether a copy can be trusted and used by this program.
func checkDatabase(ctx context.Context, path string) error {
	db := sql.OpenDB(sqliteConnector(readerDSN(path), 0))
	err := checkCopy(ctx, db)
	return errors.Join(err, db.Close())
}

func checkCopy(ctx context.Context, db *sql.DB) error {
	var verdict string
	if err := db.QueryRowContext(ctx, `PRAGMA integrity_check(1)`).Scan(&verdict); err != nil {
		return explain(sqliteDialect{}, "check the copy", err)
	}
	if verdict != "ok" {
		return controlplane.Errorf(controlplane.CodeUnavailable, "the database is damaged: %s", verdict)
	}
	var id int64
	err := db.QueryRowContext(ctx, `PRAGMA application_id`).Scan(&id)
	if err != nil || id != applicationID {
		return errors.Join(err, controlplane.Errorf(controlplane.CodeConflict, "the file is no backup of a control plane"))
	}
	return checkVersion(ctx, db)
}
