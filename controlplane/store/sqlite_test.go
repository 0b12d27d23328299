package store

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/store/storetest"
)

// TestMain runs the test binary a second time as another process where a test
// needs one.
func TestMain(m *testing.M) {
	if role := os.Getenv(childRole); role != "" {
		os.Exit(child(role, os.Getenv(childPath)))
	}
	goleak.VerifyTestMain(server.Around(m))
}

func TestSQLiteKeepsTheContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) controlplane.Store { return openTest(t) })
}

func TestAnyFileNameWorks(t *testing.T) {
	for _, name := range []string{
		"plain.db", "with space", "q?mode=memory", "100%", "50%25", "h#sh", "ünïcode", "semi;colon&x=1", `quote'"`, "file:x", `back\slash`, "new\nline", ":memory:", "+plus",
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, name)
			db := openAt(t, SQLiteConfig{Path: path})
			mustInsert(t, db, 1)
			mustFind(t, db, 1)
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			if got, want := names(t, dir), []string{name, name + ".lock"}; strings.Join(got, "|") != strings.Join(want, "|") {
				t.Fatalf("the directory has %q, want %q", got, want)
			}
		})
	}
}

func TestFilesAreForTheOwnerOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	path := filepath.Join(dir, "control.db")
	db := openAt(t, SQLiteConfig{Path: path})
	mustInsert(t, db, 1)
	for file, want := range map[string]os.FileMode{dir: 0o700, path: 0o600, path + "-wal": 0o600, path + "-shm": 0o600, path + ".lock": 0o600} {
		if got := mode(t, file); got != want {
			t.Errorf("%s has mode %o, want %o", file, got, want)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	openAt(t, SQLiteConfig{Path: path})
	if got := mode(t, path); got != 0o600 {
		t.Errorf("a file that others could read has mode %o after opening", got)
	}
}

func TestEveryConnectionHasItsSettings(t *testing.T) {
	db := openTest(t)
	check := func(pool *sql.DB, want map[string]string) {
		var held []*sql.Conn
		for range pool.Stats().MaxOpenConnections {
			conn, err := pool.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			held = append(held, conn)
			for pragma, value := range want {
				var got string
				if err := conn.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != value {
					t.Errorf("%s is %q, want %q (%v)", pragma, got, value, err)
				}
			}
		}
		for _, conn := range held {
			if err := conn.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	check(db.writer.db, map[string]string{
		"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "recursive_triggers": "1", "busy_timeout": "5000",
		"wal_autocheckpoint": "10000", "temp_store": "2", "query_only": "0", "trusted_schema": "0",
	})
	check(db.readers, map[string]string{"journal_mode": "wal", "busy_timeout": "5000", "query_only": "1", "temp_store": "2"})
}

func TestPathIsCanonicalAndTouchesNothing(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	if err := errors.Join(os.Mkdir("real", 0o700), os.Symlink("real", "link"), os.Symlink("real/a.db", "alias"), os.WriteFile("real/a.db", nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	for given, want := range map[string]string{
		"alias": "real/a.db", "link/a.db": "real/a.db", "./link/../link/a.db": "real/a.db", "link/new/b.db": "real/new/b.db", "x/y/z": "x/y/z",
	} {
		got, err := SQLitePath(given)
		if err != nil || got != filepath.Join(dir, want) {
			t.Errorf("%s is %s (%v), want %s", given, got, err, want)
		}
	}
	for _, bad := range []string{"", "a\x00b"} {
		if _, err := SQLitePath(bad); controlplane.CodeOf(err) != controlplane.CodeInvalid {
			t.Errorf("%q: %v", bad, err)
		}
		if _, err := OpenSQLite(t.Context(), SQLiteConfig{Path: bad}); controlplane.CodeOf(err) != controlplane.CodeInvalid {
			t.Errorf("open %q: %v", bad, err)
		}
	}
	if got := names(t, dir); len(got) != 3 {
		t.Errorf("the directory now has %q", got)
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "notes.txt")
	if err := os.WriteFile(text, []byte(strings.Repeat("not a database\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		text:                            "not a SQLite database",
		otherProgram(t, dir):            "another program",
		filepath.Join(text, "x.db"):     "not a directory",
		newerDatabase(t, t.TempDir()):   "schema version 999, this program knows up to",
		damagedDatabase(t, t.TempDir()): "damaged",
	} {
		before, _ := os.ReadFile(path) // a path that cannot be read stays unreadable
		_, err := OpenSQLite(t.Context(), SQLiteConfig{Path: path})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", filepath.Base(path), err, want)
		}
		if after, _ := os.ReadFile(path); string(after) != string(before) {
			t.Errorf("%s was changed", filepath.Base(path))
		}
	}
}

// otherProgram makes a SQLite database that is not ours.
func otherProgram(t *testing.T, dir string) string {
	path := filepath.Join(dir, "other.db")
	raw(t, path, `CREATE TABLE bookmarks (url TEXT); INSERT INTO bookmarks VALUES ('x')`)
	return path
}

func newerDatabase(t *testing.T, dir string) string {
	path := filledDatabase(t, dir, 1)
	raw(t, path, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, 1)`)
	return path
}

// damagedDatabase has its first table's root pages overwritten.
func damagedDatabase(t *testing.T, dir string) string {
	path := filledDatabase(t, dir, 200)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte(strings.Repeat("\xff", 3*4096)), 4096); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// filledDatabase makes a closed database with n merchants.
func filledDatabase(t *testing.T, dir string, n int) string {
	t.Helper()
	path := filepath.Join(dir, "filled.db")
	db := openAt(t, SQLiteConfig{Path: path})
	if err := errors.Join(storetest.Fill(t.Context(), db, n, 0), db.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// raw runs SQL on a connection without any of our settings.
func raw(t *testing.T, path, text string) {
	t.Helper()
	if err := tryRaw(t.Context(), path, text); err != nil {
		t.Fatal(err)
	}
}

func tryRaw(ctx context.Context, path, text string) error {
	db, err := sql.Open("sqlite3", path)
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, text)
	return errors.Join(err, db.Close())
}

// openTest opens an empty database that is closed with the test.
func openTest(t testing.TB) *DB {
	t.Helper()
	return openAt(t, SQLiteConfig{Path: filepath.Join(t.TempDir(), "control.db")})
}

func openAt(t testing.TB, c SQLiteConfig) *DB {
	t.Helper()
	db, err := OpenSQLite(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// insert adds merchant n of the fixtures.
func insert(ctx context.Context, s controlplane.Store, n int) error {
	return s.Update(ctx, func(tx controlplane.Tx) error { return tx.InsertMerchant(ctx, storetest.Merchant(n)) })
}

func mustInsert(t testing.TB, s controlplane.Store, n int) {
	t.Helper()
	if err := insert(t.Context(), s, n); err != nil {
		t.Fatal(err)
	}
}

func find(ctx context.Context, s controlplane.Store, n int) error {
	return s.View(ctx, func(tx controlplane.Tx) error {
		_, err := tx.Merchant(ctx, storetest.Merchant(n).ID)
		return err
	})
}

func mustFind(t testing.TB, s controlplane.Store, n int) {
	t.Helper()
	if err := find(t.Context(), s, n); err != nil {
		t.Fatalf("merchant %d: %v", n, err)
	}
}

func mode(t *testing.T, path string) os.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}
