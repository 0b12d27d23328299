package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// applicationID, "unkg", tells our databases from other programs'.
const applicationID = 0x756e6b67

// checkOwner refuses the database of another program before anything in it is
// changed: a mistyped path must not end in its migration. A file that is empty or
// not there is nobody's.
func checkOwner(ctx context.Context, path string) error {
	if fileSize(path) == 0 {
		return nil
	}
	db := sql.OpenDB(sqliteConnector(readerDSN(path), 0))
	return errors.Join(owned(ctx, db), db.Close())
}

func owned(ctx context.Context, db *sql.DB) error {
	var id, tables int64
	err := db.QueryRowContext(ctx, `PRAGMA application_id`).Scan(&id)
	if err == nil && id == applicationID {
		return checkVersion(ctx, db)
	}
	if err == nil { // a first start may have ended between goose's table and ours
		err = db.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema WHERE type = 'table'
			AND name NOT IN ('goose_db_version', 'sqlite_sequence')`).Scan(&tables)
	}
	if err != nil {
		return explain(sqliteDialect{}, "open the database", err)
	}
	if tables > 0 {
		return controlplane.Errorf(controlplane.CodeConflict, "the file is the SQLite database of another program; choose another path")
	}
	return nil
}

// checkVersion refuses a schema that this program does not know.
func checkVersion(ctx context.Context, db *sql.DB) error {
	var have int64
	if err := db.QueryRowContext(ctx, `SELECT max(version_id) FROM goose_db_version`).Scan(&have); err != nil {
		return explain(sqliteDialect{}, "read the schema version", err)
	}
	_, newest, err := migrator(db, sqliteDialect{})
	if err == nil && have > newest {
		err = newerSchema(have, newest)
	}
	return err
}
