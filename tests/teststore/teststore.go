// Package teststore opens the database that tests of the whole control plane run on:
// SQLite, or with TEST_STORE=postgres a private PostgreSQL. What they prove has to
// hold on both.
package teststore

import (
	"context"
	"os"
	"sync"
	"testing"

	"github.com/unknownpay/merchant-gateway/controlplane/store"
	"github.com/unknownpay/merchant-gateway/tests/pgtest"
)

// Env chooses the database: sqlite, the preset, or postgres.
const Env = "TEST_STORE"

// Stores are the databases of one test binary. The zero value is ready for use; Around
// has to end it.
type Stores struct {
	pgtest.Server

	urls sync.Map // path → URL
}

// Postgres reports whether the tests run on PostgreSQL.
func Postgres(tb testing.TB) bool {
	tb.Helper()
	switch name := os.Getenv(Env); name {
	case "", "sqlite":
		return false
	case "postgres":
		return true
	default:
		tb.Fatalf("%s is %q; it can be sqlite or postgres", Env, name)
		return false
	}
}

// Open opens the database of a path, makes it the first time, and leaves closing it
// to the test. On PostgreSQL a path is the name of a database.
func (s *Stores) Open(tb testing.TB, path string) (*store.DB, error) {
	tb.Helper()
	if !Postgres(tb) {
		return store.OpenSQLite(tb.Context(), store.SQLiteConfig{Path: path})
	}
	return store.OpenPostgres(tb.Context(), store.PostgresConfig{URL: s.URL(tb, path), Readers: 4, Writers: 8})
}

// URL is the PostgreSQL database of a path, which the test that asks first owns.
func (s *Stores) URL(tb testing.TB, path string) string {
	tb.Helper()
	if url, ok := s.urls.Load(path); ok {
		return url.(string)
	}
	url := s.Migrated(tb)
	s.urls.Store(path, url)
	tb.Cleanup(func() { s.urls.Delete(path) })
	return url
}

// Migrated is a new PostgreSQL database with the schema in it.
func (s *Stores) Migrated(tb testing.TB) string {
	tb.Helper()
	return s.Copy(tb, "migrated", func(url string) error {
		db, err := store.OpenPostgres(context.Background(), store.PostgresConfig{URL: url})
		if err != nil {
			return err
		}
		return db.Close()
	})
}
