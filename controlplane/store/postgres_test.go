package store

import (
	"context"
	"testing"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/store/storetest"
	"github.com/unknownpay/merchant-gateway/tests/pgtest"
)

// server is the PostgreSQL of this package's tests.
var server pgtest.Server

func TestPostgresKeepsTheContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) controlplane.Store { return openPostgres(t) })
}

// migratedURL is a database with the schema in it.
func migratedURL(t testing.TB) string {
	t.Helper()
	return server.Copy(t, "migrated", func(url string) error {
		db, err := OpenPostgres(context.Background(), PostgresConfig{URL: url})
		if err != nil {
			return err
		}
		return db.Close()
	})
}

func openPostgres(t testing.TB) *DB {
	t.Helper()
	return openPostgresAt(t, PostgresConfig{URL: migratedURL(t)})
}

func openPostgresAt(t testing.TB, c PostgresConfig) *DB {
	t.Helper()
	db, err := OpenPostgres(t.Context(), c)
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
