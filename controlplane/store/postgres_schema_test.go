package store

import (
	"database/sql"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/tests/pgtest"
)

// Every table, column, type, key and index of one database is in the other, and
// nothing else.
func TestBothDatabasesHaveTheSameSchema(t *testing.T) {
	lite, full := sqliteSchema(t, openTest(t).readers), postgresSchema(t, openPostgres(t).readers)
	for _, line := range slices.Sorted(maps.Keys(lite)) {
		if !full[line] {
			t.Errorf("only SQLite has %s", line)
		}
	}
	for _, line := range slices.Sorted(maps.Keys(full)) {
		if !lite[line] {
			t.Errorf("only PostgreSQL has %s", line)
		}
	}
	if len(lite) < 200 {
		t.Errorf("only %d things were compared", len(lite))
	}
}

func sqliteSchema(t *testing.T, db *sql.DB) map[string]bool {
	t.Helper()
	const tables = `(SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name NOT LIKE 'goose%') AS t`
	found := map[string]bool{}
	add(t, db, found, `SELECT 'column ' || t.name || '.' || c.name || ' ' || CASE c.type WHEN 'INTEGER' THEN 'bigint' WHEN 'TEXT' THEN 'text' ELSE 'bytea' END ||
			CASE WHEN c."notnull" OR c.pk THEN '' ELSE ' or null' END
		FROM `+tables+` JOIN pragma_table_info(t.name) c`)
	add(t, db, found, `SELECT CASE i."unique" WHEN 1 THEN 'unique ' ELSE 'index ' || i.name || ' ' END || t.name || CASE i.partial WHEN 1 THEN ' partly' ELSE '' END || ' by ' ||
			(SELECT group_concat(x.name) FROM pragma_index_info(i.name) x)
		FROM `+tables+` JOIN pragma_index_list(t.name) i`)
	// The key that is the table itself has no index.
	add(t, db, found, `SELECT 'unique ' || t.name || ' by ' || c.name FROM `+tables+` JOIN pragma_table_info(t.name) c
		WHERE c.pk = 1 AND c.type = 'INTEGER' AND (SELECT count(*) FROM pragma_table_info(t.name) WHERE pk > 0) = 1`)
	add(t, db, found, `SELECT 'reference ' || t.name || '.' || f."from" || ' to ' || f."table" || '.' || f."to" FROM `+tables+` JOIN pragma_foreign_key_list(t.name) f`)
	return found
}

func postgresSchema(t *testing.T, db *sql.DB) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	add(t, db, found, `SELECT 'column ' || table_name || '.' || column_name || ' ' || data_type || CASE is_nullable WHEN 'NO' THEN '' ELSE ' or null' END
		FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT LIKE 'goose%'`)
	add(t, db, found, `SELECT CASE WHEN i.indisunique THEN 'unique ' ELSE 'index ' || x.relname || ' ' END || t.relname || CASE WHEN i.indpred IS NULL THEN '' ELSE ' partly' END || ' by ' ||
			(SELECT string_agg(a.attname, ',' ORDER BY k.n) FROM unnest(i.indkey) WITH ORDINALITY AS k (att, n) JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.att)
		FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace s ON s.oid = t.relnamespace
		WHERE s.nspname = 'public' AND t.relname NOT LIKE 'goose%'`)
	add(t, db, found, `SELECT 'reference ' || c.conrelid::regclass || '.' || a.attname || ' to ' || c.confrelid::regclass || '.' || b.attname
		FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1] JOIN pg_attribute b ON b.attrelid = c.confrelid AND b.attnum = c.confkey[1]
		WHERE c.contype = 'f'`)
	return found
}

func add(t *testing.T, db *sql.DB, to map[string]bool, query string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		to[line] = true
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestPostgresSchemaThatLacksAMigrationIsRefused(t *testing.T) {
	db := openPostgres(t)
	err := db.Update(t.Context(), func(u controlplane.Tx) error {
		_, err := u.(*tx).sql.ExecContext(t.Context(), `DELETE FROM goose_db_version WHERE version_id = 90`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := preparePostgres(t.Context(), db.readers); controlplane.CodeOf(err) != controlplane.CodeConflict || !strings.Contains(err.Error(), "90") {
		t.Errorf("a schema without migration 90: %v", err)
	}
}

// Text is compared by its bytes whatever the locale, or pages of a listing would
// leave rows out.
func TestPostgresCollatesEveryTextByItsBytes(t *testing.T) {
	wrong := map[string]bool{}
	add(t, openPostgres(t).readers, wrong, `SELECT table_name || '.' || column_name FROM information_schema.columns
		WHERE table_schema = 'public' AND table_name NOT LIKE 'goose%' AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C'`)
	for column := range wrong {
		t.Errorf(`%s is not COLLATE "C"`, column)
	}
}

// Whoever reaches the database past this program cannot change the trail either, as
// long as they are not its owner.
func TestPostgresKeepsTheAuditTrail(t *testing.T) {
	url := migratedURL(t)
	db := openPostgresAt(t, PostgresConfig{URL: url})
	mustAudit(t, db)
	for _, text := range []string{
		`UPDATE audit_events SET reason = 'x'`, `UPDATE audit_events SET reason = 'x' WHERE false`, `DELETE FROM audit_events`, `TRUNCATE audit_events`,
		`INSERT INTO audit_events SELECT 7, at, actor_kind, actor_id, actor_name, merchant_id, operation, target, outcome, reason, ip, user_agent, request_id, diff, prev_hash, hash FROM audit_events`,
		`UPDATE audit_head SET seq = seq - 1`, `UPDATE audit_head SET hash = hash`, `DELETE FROM audit_head`, `TRUNCATE audit_head`, `INSERT INTO audit_head SELECT id + 1, seq, hash FROM audit_head`,
	} {
		if err := pgtest.Exec(url, text); err == nil || !strings.Contains(err.Error(), "append-only") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func mustAudit(t *testing.T, db *DB) {
	t.Helper()
	err := db.Update(t.Context(), func(tx controlplane.Tx) error {
		return controlplane.WriteAudit(t.Context(), tx, controlplane.AuditEvent{ActorKind: controlplane.ActorSystem, Operation: "test", Outcome: controlplane.OutcomeOK})
	})
	if err != nil {
		t.Fatal(err)
	}
}
