package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"io/fs"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pressly/goose/v3"
)

// postgresDialect is what PostgreSQL needs of its own.
type postgresDialect struct{}

func (postgresDialect) migrations() (goose.Dialect, fs.FS, error) {
	files, err := fs.Sub(migrationFiles, "migrations/postgres")
	return goose.DialectPostgres, files, err
}

// viewLevel: by READ COMMITTED each statement would see a state of its own.
func (postgresDialect) viewLevel() sql.IsolationLevel { return sql.LevelRepeatableRead }

func (postgresDialect) headLock() string { return " FOR UPDATE" }

// claimLock leaves out what another engine is claiming at this moment.
func (postgresDialect) claimLock() string { return " FOR UPDATE OF d SKIP LOCKED" }

// snapshotPages is nil: a row of a result costs little.
func (postgresDialect) snapshotPages() *snapshotPages { return nil }

func (postgresDialect) announce(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, `SELECT pg_notify($1, '')`, channelRevision)
	return err
}

// fault goes by SQLSTATE: PostgreSQL's manual, appendix A.
func (postgresDialect) fault(err error) fault {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return faultOfState(e.Code)
	}
	if errors.As(err, new(*pgconn.ConnectError)) || errors.As(err, new(net.Error)) && !errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) || connClosed(err) {
		return faultAway
	}
	return faultOther
}

// connClosed: the error of a connection that was found closed has no type.
func connClosed(err error) bool { return err != nil && strings.Contains(err.Error(), "conn closed") }

func faultOfState(code string) fault {
	switch code {
	case "23505":
		return faultDuplicate
	case "23503":
		return faultMissing
	case "40001", "40P01":
		return faultCollision
	case "55P03", "57014", "25P03":
		return faultBusy
	case "53100":
		return faultFull
	case "25006":
		return faultReadOnly
	case "3D000", "42501":
		return faultRefused
	case "58030":
		return faultIO
	case "57P01", "57P02", "57P03", "57P05":
		return faultAway
	}
	switch code[:min(2, len(code))] {
	case "08", "53":
		return faultAway
	case "28":
		return faultRefused
	case "XX":
		return faultCorrupt
	}
	return faultOther
}

func (postgresDialect) advice(f fault) string {
	switch f {
	case faultCollision:
		return "too many changes met; try again"
	case faultBusy:
		return "PostgreSQL did not answer in time; look for long transactions and locks there, and try again"
	case faultFull:
		return "the disk of PostgreSQL is full; free some space and try again"
	case faultReadOnly:
		return "PostgreSQL is read-only; check that the URL names the primary, not a standby"
	case faultCorrupt:
		return "PostgreSQL reports an internal error; look into its log"
	case faultIO:
		return "PostgreSQL cannot read or write its files; check its disk and its log"
	case faultAway:
		return "PostgreSQL cannot be reached; check that it runs, and its address"
	case faultRefused:
		return "PostgreSQL refuses; check the role, its password and its rights, and that the database exists"
	default:
		return ""
	}
}
