package store

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// Copied says what [CopySQLite] did to one table.
type Copied struct {
	Table    string `json:"table"`
	Rows     int64  `json:"rows"`
	Inserted int64  `json:"inserted"`
	Updated  int64  `json:"updated"`
	Deleted  int64  `json:"deleted"`
}

// CopyReport is the outcome of [CopySQLite].
type CopyReport struct {
	Tables []Copied `json:"tables"`
	// Revision and AuditSeq are those of the state that was copied.
	Revision int64 `json:"revision"`
	AuditSeq int64 `json:"audit_seq"`
	// Served: a server has the source open, and what it changes now is not copied.
	Served bool `json:"served"`
}

// CopySQLite makes the shared database to the same as the SQLite file at path, and
// then compares every row of both. It reads one consistent state of the source, while
// a server may use it, and writes only what differs: run again after an
// interruption, or after the server has stopped, it carries on.
//
// The target has to be empty, or an earlier copy: its audit trail has to be the
// beginning of the source's. Anything else is [controlplane.CodeConflict]. The trail's
// hashes are computed anew from its rows on the way. The source needs the newest
// schema. progress, if not nil, is told of each table when it is done.
func CopySQLite(ctx context.Context, path string, to *DB, progress func(Copied)) (out CopyReport, err error) {
	if to.server == nil {
		return out, controlplane.Errorf(controlplane.CodeConflict, "only PostgreSQL can be copied to")
	}
	path, err = SQLitePath(path)
	if err != nil {
		return out, err
	}
	from := sql.OpenDB(sqliteConnector(readerDSN(path), 0))
	defer func() { err = errors.Join(err, from.Close()) }()
	if err := sameSchema(ctx, from, to); err != nil {
		return out, err
	}
	source, err := from.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return out, explain(sqliteDialect{}, "read the source", err)
	}
	defer func() { err = undo(source, err) }()
	c := &copier{source: source, target: to.server.writers, progress: progress}
	if c.tables, err = copyOrder(ctx, source); err != nil {
		return out, explain(sqliteDialect{}, "read the schema of the source", err)
	}
	if err := c.run(ctx, to, &out); err != nil {
		return out, err
	}
	out.Served, err = served(path)
	return out, err
}

// served reports whether a process holds the instance lock.
func served(path string) (bool, error) {
	lock, err := lockInstance(path)
	if controlplane.CodeOf(err) == controlplane.CodeUnavailable {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	return false, lock.release()
}

func sameSchema(ctx context.Context, from *sql.DB, to *DB) error {
	if err := owned(ctx, from); err != nil {
		return err
	}
	var have int64
	if err := from.QueryRowContext(ctx, `SELECT COALESCE(max(version_id), 0) FROM goose_db_version`).Scan(&have); err != nil {
		return explain(sqliteDialect{}, "read the schema version", err)
	}
	if have != to.schema {
		return controlplane.Errorf(controlplane.CodeConflict, "the SQLite database has schema version %d, and %d is needed; start the server of this version on it once", have, to.schema)
	}
	return nil
}

// copyTable is one table: its columns, of which the first keys are its key.
type copyTable struct {
	name    string
	columns []string
	keys    int
}

// copyOrder lists the tables of the source, those that others refer to first. The
// audit trail is copied by rules of its own, and the nodes of a shared database are
// nobody else's.
func copyOrder(ctx context.Context, source *sql.Tx) (order []copyTable, err error) {
	names, err := texts(ctx, source, `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'
		AND name NOT IN ('goose_db_version', 'audit_events', 'audit_head', 'nodes') ORDER BY name`)
	if err != nil {
		return nil, err
	}
	done := map[string]bool{}
	for len(order) < len(names) {
		before := len(order)
		for _, name := range names {
			refers, err := texts(ctx, source, `SELECT "table" FROM pragma_foreign_key_list($1)`, name)
			if err != nil {
				return nil, err
			}
			if done[name] || !all(refers, func(r string) bool { return done[r] || r == name }) {
				continue
			}
			t, err := tableOf(ctx, source, name)
			if err != nil {
				return nil, err
			}
			done[name], order = true, append(order, t)
		}
		if len(order) == before {
			return nil, errors.New("tables refer to each other in a circle")
		}
	}
	return order, nil
}

func all(list []string, ok func(string) bool) bool {
	for _, s := range list {
		if !ok(s) {
			return false
		}
	}
	return true
}

// tableOf finds a table's key: its primary key, or else its unique id.
func tableOf(ctx context.Context, source *sql.Tx, name string) (t copyTable, err error) {
	t.name = name
	keys, err := texts(ctx, source, `SELECT name FROM pragma_table_info($1) WHERE pk > 0 ORDER BY pk`, name)
	if err != nil {
		return t, err
	}
	if len(keys) == 0 {
		keys = []string{"id"}
	}
	rest, err := texts(ctx, source, `SELECT name FROM pragma_table_info($1) ORDER BY cid`, name)
	t.columns, t.keys = keys, len(keys)
	for _, column := range rest {
		if all(keys, func(key string) bool { return key != column }) {
			t.columns = append(t.columns, column)
		}
	}
	return t, err
}

func texts(ctx context.Context, tx *sql.Tx, query string, args ...any) (all []string, err error) {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, rows.Err()
}

func (t copyTable) key() string { return strings.Join(t.columns[:t.keys], ", ") }

// read lists a table by its key. Names are those of our own schema.
func (t copyTable) read() string {
	return "SELECT " + strings.Join(t.columns, ", ") + " FROM " + t.name + " ORDER BY " + t.key()
}

func (t copyTable) insert() string {
	marks := make([]string, len(t.columns))
	for i := range marks {
		marks[i] = fmt.Sprintf("$%d", i+1)
	}
	return "INSERT INTO " + t.name + " (" + strings.Join(t.columns, ", ") + ") VALUES (" + strings.Join(marks, ", ") + ")"
}

func (t copyTable) where() string {
	terms := make([]string, t.keys)
	for i := range terms {
		terms[i] = fmt.Sprintf("%s = $%d", t.columns[i], i+1)
	}
	return " WHERE " + strings.Join(terms, " AND ")
}

func (t copyTable) update() string {
	var sets []string
	for i := t.keys; i < len(t.columns); i++ {
		sets = append(sets, fmt.Sprintf("%s = $%d", t.columns[i], i+1))
	}
	return "UPDATE " + t.name + " SET " + strings.Join(sets, ", ") + t.where()
}

// compareKeys orders two rows as both databases do: numbers by value, text and bytes
// by their bytes.
func (t copyTable) compareKeys(a, b []any) int {
	for i := range t.keys {
		if c := compareValues(a[i], b[i]); c != 0 {
			return c
		}
	}
	return 0
}

func compareValues(a, b any) int {
	switch x := a.(type) {
	case int64:
		if y, ok := b.(int64); ok {
			return cmp.Compare(x, y)
		}
	case string:
		if y, ok := b.(string); ok {
			return cmp.Compare(x, y)
		}
	case []byte:
		if y, ok := b.([]byte); ok {
			return bytes.Compare(x, y)
		}
	}
	return -1 // of two types: never equal
}

func sameRow(a, b []any) bool {
	for i := range a {
		if compareValues(a[i], b[i]) != 0 {
			return false
		}
	}
	return true
}
