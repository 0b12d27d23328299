package portal

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/unknownpay/merchant-gateway/tests/pgtest"
	"github.com/unknownpay/merchant-gateway/tests/teststore"
)

// countWrites counts each row that a transaction has written when it commits: what is
// rolled back is not written. A sequence, so that writers do not wait for each other.
const countWrites = `
CREATE SEQUENCE test_writes;
CREATE FUNCTION test_count() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM nextval(''test_writes''); RETURN NULL; END';
DO $$
DECLARE name text;
BEGIN
	FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
		EXECUTE format('CREATE CONSTRAINT TRIGGER test_count AFTER INSERT OR UPDATE OR DELETE ON %I DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION test_count()', name);
	END LOOP;
END $$`

// version changes with every commit that anyone else makes, so that one which
// stays the same says more than two dumps that are alike: nothing was written, not
// even what was there before.
func (w *world) version() int64 {
	w.Helper()
	if w.reader == nil {
		w.shared = teststore.Postgres(w)
		w.reader = w.openReader()
	}
	n, err := w.readVersion(w.Context())
	w.must(err)
	return n
}

// readVersion is version where the world must not fail, as in a fuzz target.
func (w *world) readVersion(ctx context.Context) (n int64, err error) {
	query := `PRAGMA data_version`
	if w.shared {
		query = `SELECT last_value + is_called::int FROM test_writes`
	}
	err = w.reader.QueryRowContext(ctx, query).Scan(&n)
	return n, err
}

func (w *world) openReader() *sql.DB {
	w.Helper()
	path := filepath.Join(w.dir, "control.db")
	driver, source := "sqlite3", "file:"+path+"?mode=ro"
	if w.shared {
		driver, source = "pgx", stores.URL(w, path)
		w.must(pgtest.Exec(source, countWrites))
	}
	db, err := sql.Open(driver, source)
	w.must(err)
	db.SetMaxOpenConns(1) // the number of SQLite means something within one connection only
	w.Cleanup(func() { w.must(db.Close()) })
	return db
}

func TestVersionOfTheDatabaseSeesEveryWrite(t *testing.T) {
	w := newWorld(t)
	before := w.version()
	w.owner()
	if w.version() == before {
		t.Error("a write went unseen: the matrix would prove nothing")
	}
	if n := w.version(); n != w.version() {
		t.Error("looking counts as a write")
	}
}
