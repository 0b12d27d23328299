package store

import (
	"database/sql"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/pressly/goose/v3"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// withMigrations is SQLite with other schema changes.
type withMigrations struct {
	sqliteDialect
	files fs.FS
}

func (d withMigrations) migrations() (goose.Dialect, fs.FS, error) {
	return goose.DialectSQLite3, d.files, nil
}

func TestMigrationThatFailsHalfWayLeavesTheSchemaBeforeIt(t *testing.T) {
	db := rawPool(t)
	first := &fstest.MapFile{Data: []byte("-- +goose Up\nCREATE TABLE one (a INTEGER) STRICT;")}
	if v, err := migrate(t.Context(), db, withMigrations{files: fstest.MapFS{"00001_one.sql": first}}); err != nil || v != 1 {
		t.Fatalf("version %d, %v", v, err)
	}
	bad := &fstest.MapFile{Data: []byte("-- +goose Up\nALTER TABLE one ADD COLUMN b INTEGER;\nCREATE TABLE two (a INTEGER) STRICT;\nINSERT INTO nowhere VALUES (1);")}
	_, err := migrate(t.Context(), db, withMigrations{files: fstest.MapFS{"00001_one.sql": first, "00002_two.sql": bad}})
	if err == nil || !strings.Contains(err.Error(), "from version 1 to 2") {
		t.Fatal(err)
	}
	if got := schemaOf(t, db); got != "one: CREATE TABLE one (a INTEGER) STRICT" {
		t.Fatalf("the schema is now %s", got)
	}
	good := &fstest.MapFile{Data: []byte("-- +goose Up\nCREATE TABLE two (a INTEGER) STRICT;")}
	if v, err := migrate(t.Context(), db, withMigrations{files: fstest.MapFS{"00001_one.sql": first, "00002_two.sql": good}}); err != nil || v != 2 {
		t.Fatalf("version %d, %v", v, err)
	}
	if _, err := migrate(t.Context(), db, withMigrations{files: fstest.MapFS{"00001_one.sql": first}}); controlplane.CodeOf(err) != controlplane.CodeConflict {
		t.Fatalf("an older program: %v", err)
	}
}

func TestMigrationsAreOneNumberedLine(t *testing.T) {
	_, files, err := sqliteDialect{}.migrations()
	if err != nil {
		t.Fatal(err)
	}
	all, err := fs.Glob(files, "*.sql")
	if err != nil || len(all) == 0 {
		t.Fatalf("%v, %v", all, err)
	}
	last := int64(0)
	for _, name := range all {
		n, err := goose.NumericComponent(name)
		if err != nil || n <= last {
			t.Errorf("%s is number %d (%v), after %d", name, n, err, last)
		}
		last = n
	}
}

func TestMissingMigrationsAreAnError(t *testing.T) {
	for name, files := range map[string]fs.FS{"none": fstest.MapFS{}, "no number": fstest.MapFS{"one.sql": {}}} {
		if _, err := migrate(t.Context(), rawPool(t), withMigrations{files: files}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestTablesAreStrict(t *testing.T) {
	db := openTest(t)
	rows, err := db.readers.QueryContext(t.Context(), `SELECT name FROM pragma_table_list
		WHERE schema = 'main' AND type = 'table' AND strict = 0 AND name NOT LIKE 'sqlite_%' AND name <> 'goose_db_version'`)
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		var name string
		t.Error(rows.Scan(&name), name, "is not STRICT")
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		t.Fatal(err)
	}
}

// A query of a listing or a delta that scans a table would be fast in every test
// and slow in production.
func TestHotQueriesUseTheirIndexes(t *testing.T) {
	db := openTest(t)
	for query, want := range map[string]string{
		sqlMerchants: "sqlite_autoindex_merchants_1", sqlUsers: "users_merchant", sqlUserByUsername: "sqlite_autoindex_users_2",
		sqlActiveKey: "api_keys_one_active", sqlKeys: "api_keys_merchant", sqlAllowlist: "sqlite_autoindex_allowlist_entries_2", sqlAllowlistRequests: "allowlist_requests_merchant",
		sqlAudit: "INTEGER PRIMARY KEY", sqlAuditOfMerchant: "audit_events_merchant", sqlAuditAfter: "INTEGER PRIMARY KEY",
		sqlSnapshotMerchantsAfter: "merchants_revision", sqlSnapshotKeysAfter: "api_keys_revision", sqlSaveAllowlistMatch: "INTEGER PRIMARY KEY",
		sqlSealedAPISecrets: "sqlite_autoindex_api_keys_1", sqlSaveKeyUse: "sqlite_autoindex_api_keys_1",
	} {
		if plan := planOf(t, db, query); !strings.Contains(plan, want) || strings.HasPrefix(plan, "SCAN") {
			t.Errorf("%s\nruns as %s, want %s", query, plan, want)
		}
	}
}

func planOf(t *testing.T, db *DB, query string) string {
	t.Helper()
	args := make([]any, strings.Count(query, "$")) // more than enough
	for i := range args {
		args[i] = int64(i)
	}
	for strings.Contains(query, "$") && !strings.Contains(query, "$"+string(rune('0'+len(args)))) {
		args = args[:len(args)-1]
	}
	return joined(t, db.writer.db, "EXPLAIN QUERY PLAN "+query, args, 4, 3)
}

func schemaOf(t *testing.T, db *sql.DB) string {
	t.Helper()
	return joined(t, db, `SELECT name || ': ' || sql FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name NOT LIKE 'goose%'`, nil, 1, 0)
}

// joined returns one column of the rows of a query.
func joined(t *testing.T, db *sql.DB, query string, args []any, columns, column int) string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query, args...)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for rows.Next() {
		values := make([]string, columns)
		into := make([]any, columns)
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		all = append(all, values[column])
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, "; ")
}

func rawPool(t *testing.T) *sql.DB {
	t.Helper()
	db := sql.OpenDB(sqliteConnector(writerDSN(filepath.Join(t.TempDir(), "raw.db")), 0))
	db.SetMaxOpenConns(1)
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}
