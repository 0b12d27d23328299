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

// migrate brings the schema up to the newest version this program knows. Each
// migration is one transaction: one that fails leaves the schema before it. The
// caller holds the lock that keeps others from migrating too.
func migrate(ctx context.Context, db *sql.DB, d dialect) (int64, error) {
	kind, files, err := d.migrations()
	if err != nil {
		return 0, err
	}
	p, err := goose.NewProvider(kind, db, files,
		goose.WithDisableGlobalRegistry(true), goose.WithSlog(slog.New(slog.DiscardHandler)))
	if err != nil {
		return 0, fmt.Errorf("read the migrations: %w", err)
	}
	have, want, err := p.GetVersions(ctx)
	if err != nil {
		return 0, explain(d, "read the schema version", err)
	}
	if have > want {
		return 0, newerSchema(have, want)
	}
	if _, err := p.Up(ctx); err != nil {
		return 0, explain(d, fmt.Sprintf("migrate the schema from version %d to %d", have, want), err)
	}
	return want, nil
}

func newerSchema(have, want int64) error {
	return controlplane.Errorf(controlplane.CodeConflict,
		"the database has schema version %d, this program knows up to %d; run the newer program, or restore a backup made by this one", have, want)
}
