package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

var errTxOver = errors.New("this transaction is over; a Tx must not be kept after its function returned")

// tx implements [controlplane.Tx] with one SQL text for all databases.
//
// Every statement is a constant whose name starts with "sql". A test lists them
// from the source and holds them to the rules: placeholders numbered in order of
// first appearance (SQLite binds them in that order), no construct of a single
// database, and the merchant's id in every query of a merchant's data.
type tx struct {
	sql     *sql.Tx
	dialect dialect
	// writes is set in an Update.
	writes bool
	bumped bool
	// limit, if there is one, bounds the statements instead of the caller's context.
	limit context.Context
	// collided: the database wants the transaction to run again.
	collided bool
	// broken is the fault after which the database may have rolled the
	// transaction back by itself. A further statement would then commit alone.
	broken error
	over   atomic.Bool
}

var _ controlplane.Tx = (*tx)(nil)

// scanner is a row that is being read.
type scanner interface{ Scan(dest ...any) error }

// usable says why no statement may run now, or returns nil.
func (t *tx) usable() error {
	if t.over.Load() {
		return errTxOver
	}
	return t.broken
}

// context keeps a caller who gives up from interrupting a write: the driver would
// abort the whole transaction, with the changes of everyone who shares it.
func (t *tx) context(ctx context.Context) context.Context {
	switch {
	case t.limit != nil:
		return t.limit
	case t.writes:
		return context.WithoutCancel(ctx)
	}
	return ctx
}

// exec runs a statement and returns the number of rows it changed. what names the
// thing that it changes, for the error.
func (t *tx) exec(ctx context.Context, what, query string, args ...any) (int64, error) {
	if err := t.usable(); err != nil {
		return 0, err
	}
	result, err := t.sql.ExecContext(t.context(ctx), query, args...)
	if err != nil {
		return 0, t.fail(what, err)
	}
	n, err := result.RowsAffected()
	if err != nil {
		return 0, t.fail(what, err)
	}
	return n, nil
}

// insertRow inserts one row and returns the number that the database gave it, 0 if it
// inserted none. A driver that knows the number spares the query that asks for it.
func (t *tx) insertRow(ctx context.Context, what, insert string, args []any, query string, id ...any) (int64, error) {
	if err := t.usable(); err != nil {
		return 0, err
	}
	result, err := t.sql.ExecContext(t.context(ctx), insert, args...)
	if err != nil {
		return 0, t.fail(what, err)
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return 0, t.fail(what, err)
	}
	if row, err := result.LastInsertId(); err == nil {
		return row, nil
	}
	return one(ctx, t, what, scanValue[int64], query, id...)
}

// change is exec for a statement that must meet a row.
func (t *tx) change(ctx context.Context, what, query string, args ...any) error {
	n, err := t.exec(ctx, what, query, args...)
	if err == nil && n == 0 {
		return fmt.Errorf("%s: %w", what, controlplane.ErrNotFound)
	}
	return err
}

// insert is exec for a statement whose row count says nothing.
func (t *tx) insert(ctx context.Context, what, query string, args ...any) error {
	_, err := t.exec(ctx, what, query, args...)
	return err
}

// each calls fn for each row of a query. fn's own errors are returned as they are.
func (t *tx) each(ctx context.Context, what, query string, args []any, fn func(*sql.Rows) error) error {
	if err := t.usable(); err != nil {
		return err
	}
	rows, err := t.sql.QueryContext(t.context(ctx), query, args...)
	if err != nil {
		return t.fail(what, err)
	}
	defer rows.Close() // a second close; Err below has the error of the first
	for rows.Next() {
		if err := fn(rows); err != nil {
			return err
		}
	}
	return t.fail(what, rows.Err())
}

// one reads one value; the first result is usable only without an error.
func one[T any](ctx context.Context, t *tx, what string, scan func(scanner, *T) error, query string, args ...any) (T, error) {
	var v T
	err := t.usable()
	if err != nil {
		return v, err
	}
	err = scan(t.sql.QueryRowContext(t.context(ctx), query, args...), &v)
	if errors.Is(err, sql.ErrNoRows) {
		return v, fmt.Errorf("%s: %w", what, controlplane.ErrNotFound)
	}
	return v, t.fail(what, err)
}

// list reads all rows of a query.
func list[T any](ctx context.Context, t *tx, what string, scan func(scanner, *T) error, query string, args ...any) ([]T, error) {
	var all []T
	err := t.each(ctx, what, query, args, func(r *sql.Rows) error {
		var v T
		if err := scan(r, &v); err != nil {
			return t.fail(what, err)
		}
		all = append(all, v)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// fail turns an error of the driver into one that the domain knows, and remembers
// faults after which the transaction cannot be trusted.
func (t *tx) fail(what string, err error) error {
	if err == nil {
		return nil
	}
	t.collided = t.collided || t.dialect.fault(err) == faultCollision
	err = explain(t.dialect, what, err)
	if controlplane.CodeOf(err) == controlplane.CodeUnavailable {
		t.broken = err
	}
	return err
}

// explain words an error of the driver for the domain. The driver's texts name
// tables and columns, never values.
func explain(d dialect, what string, err error) error {
	switch f := d.fault(err); f {
	case faultDuplicate:
		return fmt.Errorf("%s: %w (%s)", what, controlplane.ErrDuplicate, err.Error())
	case faultMissing:
		return fmt.Errorf("%s refers to a row that is not there: %w", what, controlplane.ErrNotFound)
	default:
		if text := d.advice(f); text != "" {
			return &controlplane.Error{Code: controlplane.CodeUnavailable, Message: text, Err: fmt.Errorf("%s: %w", what, err)}
		}
		return fmt.Errorf("%s: %w", what, err)
	}
}
