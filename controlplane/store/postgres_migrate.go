package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/pressly/goose/v3"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// migrationLock is the key of an advisory lock, "unkg": of many nodes that start at
// once, one migrates.
const migrationLock = applicationID

// preparePostgres brings the schema up to date and returns its version. A schema that
// is up to date is only looked at, which a role without any right to change it may.
func preparePostgres(ctx context.Context, db *sql.DB) (int64, error) {
	d := postgresDialect{}
	p, newest, err := migrator(db, d)
	if err != nil {
		return 0, err
	}
	have, err := postgresVersion(ctx, db)
	switch {
	case err != nil:
		return 0, err
	case have > newest:
		return 0, newerSchema(have, newest)
	case have == newest:
		return have, wantEvery(ctx, db, p.ListSources())
	}
	return migrateAlone(ctx, db, d)
}

// postgresVersion is 0 for an empty schema, and an error for that of another program.
func postgresVersion(ctx context.Context, db *sql.DB) (version int64, err error) {
	var ours bool
	var tables int64
	err = db.QueryRowContext(ctx, `SELECT to_regclass('goose_db_version') IS NOT NULL AND to_regclass('audit_head') IS NOT NULL,
		(SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename <> 'goose_db_version')`).Scan(&ours, &tables)
	if err != nil {
		return 0, explainUnlessOver(ctx, postgresDialect{}, "open the database", err)
	}
	if !ours && tables > 0 {
		return 0, controlplane.Errorf(controlplane.CodeConflict, "the schema of the database has tables of another program; give this one a database, or a schema, of its own")
	}
	if !ours {
		return 0, nil
	}
	if err = db.QueryRowContext(ctx, `SELECT max(version_id) FROM goose_db_version WHERE is_applied`).Scan(&version); err != nil {
		return 0, explainUnlessOver(ctx, postgresDialect{}, "read the schema version", err)
	}
	return version, nil
}

// wantEvery refuses a schema that lacks a migration and has newer ones: what it would
// have made is missed only when it is used.
func wantEvery(ctx context.Context, db *sql.DB, known []*goose.Source) error {
	for _, m := range known {
		var applied bool
		err := db.QueryRowContext(ctx, `SELECT EXISTS (SELECT FROM goose_db_version WHERE version_id = $1 AND is_applied)`, m.Version).Scan(&applied)
		if err != nil {
			return explainUnlessOver(ctx, postgresDialect{}, "read the applied migrations", err)
		}
		if !applied {
			return controlplane.Errorf(controlplane.CodeConflict,
				"the database has newer migrations, but not %d: it was made by a program of another line; run that one, or restore a backup made by this one", m.Version)
		}
	}
	return nil
}

// migrateAlone migrates while no other node does. The lock is the connection's: it
// ends with it, whatever happens to this process.
func migrateAlone(ctx context.Context, db *sql.DB, d dialect) (version int64, err error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return 0, explainUnlessOver(ctx, d, "connect", err)
	}
	defer conn.Close() // back to the pool
	// A node that waits here waits for a migration, however long that takes.
	for _, text := range []string{"SET lock_timeout = 0", "SET statement_timeout = 0"} {
		if _, err := conn.ExecContext(ctx, text); err != nil {
			return 0, explainUnlessOver(ctx, d, text, err)
		}
	}
	if _, err := conn.ExecContext(ctx, `SELECT pg_advisory_lock($1)`, int64(migrationLock)); err != nil {
		return 0, explainUnlessOver(ctx, d, "wait for the migration lock", err)
	}
	version, err = migrate(ctx, db, d)
	unlocked, cancel := context.WithTimeout(context.WithoutCancel(ctx), connectLimit)
	defer cancel()
	_, unlock := conn.ExecContext(unlocked, `SELECT pg_advisory_unlock($1)`, int64(migrationLock))
	_, reset := conn.ExecContext(unlocked, "RESET ALL")
	return version, errors.Join(err, unlock, reset)
}
