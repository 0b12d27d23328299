package store

import (
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSQLiteKeepsTheContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) controlplane.Store { return openTest(t) })
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
