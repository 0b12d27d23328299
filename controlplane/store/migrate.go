package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"log/slog"

	"github.com/pressly/goose/v3"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// migrationFiles has a folder for each database: what differs is column types
// and triggers.
//
//go:embed migrations
var migrationFiles embed.FS

// migrator returns what can migrate db, and the newest version it knows.
func migrator(db *sql.DB, d dialect) (*goose.Provider, int64, error) {
	kind, files, err := d.migrations()
	if err != nil {
		return nil, 0, err
	}
	p, err := goose.NewProvider(kind, db, files,
		goose.WithDisableGlobalRegistry(true), goose.WithSlog(slog.New(slog.DiscardHandler)))
	if err != nil {
		return nil, 0, fmt.Errorf("read the migrations: %w", err)
	}
	known := p.ListSources()
	return p, known[len(known)-1].Version, nil
}

// migrate brings the schema up to the newest version this program knows, and
// returns that. Each migration is one transaction: one that fails leaves the
// schema before it. The caller holds the lock that keeps others from migrating
// too.
func migrate(ctx context.Context, db *sql.DB, d dialect) (int64, error) {
	p, newest, err := migrator(db, d)
	if err != nil {
		return 0, err
	}
	have, err := p.GetDBVersion(ctx)
	if err != nil {
		return 0, explain(d, "read the schema version", err)
	}
	if have > newest {
		return 0, newerSchema(have, newest)
	}
	if _, err := p.Up(ctx); err != nil {
		return 0, explain(d, fmt.Sprintf("migrate the schema from version %d to %d", have, newest), err)
	}
	return newest, nil
}

func newerSchema(have, newest int64) error {
	return controlplane.Errorf(controlplane.CodeConflict,
		"the database has schema version %d, this program knows up to %d; run the newer program, or restore a backup made by this one", have, newest)
}
