package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// copyBatch is how many rows one transaction writes.
const copyBatch = 500

// copier walks both databases side by side.
type copier struct {
	source   *sql.Tx
	target   *sql.DB
	tables   []copyTable
	progress func(Copied)
}

// difference is a row that the target lacks, has otherwise, or has too much.
type difference struct {
	kind differenceKind
	row  []any
}

type differenceKind int

const (
	differenceMissing differenceKind = iota
	differenceOther
	differenceExtra
)

func (c *copier) run(ctx context.Context, to *DB, out *CopyReport) error {
	head, err := c.continues(ctx, to)
	if err != nil {
		return err
	}
	out.AuditSeq = head.Seq
	done := make([]Copied, len(c.tables))
	// What is too much goes first, and what refers before what it refers to: a row
	// that took the place of another must find it free.
	for i := len(c.tables) - 1; i >= 0; i-- {
		if err := c.write(ctx, c.tables[i], &done[i], differenceExtra); err != nil {
			return err
		}
	}
	for i, t := range c.tables {
		if err := c.write(ctx, t, &done[i], differenceMissing, differenceOther); err != nil {
			return err
		}
		if c.progress != nil {
			c.progress(done[i])
		}
	}
	if err := c.copyAudit(ctx, to); err != nil {
		return err
	}
	if err := c.advanceSequences(ctx); err != nil {
		return err
	}
	out.Tables = done
	return c.verify(ctx, to, out)
}

// walk finds the differences of a table and counts the source's rows.
func (c *copier) walk(ctx context.Context, t copyTable, found func(difference) error) (rows int64, err error) {
	target, err := c.target.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return 0, explain(postgresDialect{}, "read "+t.name, err)
	}
	defer func() { err = undo(target, err) }()
	left, err := openCursor(ctx, c.source, t, sqliteDialect{})
	if err != nil {
		return 0, err
	}
	defer left.close(&err)
	right, err := openCursor(ctx, target, t, postgresDialect{})
	if err != nil {
		return 0, err
	}
	defer right.close(&err)
	for left.row != nil || right.row != nil {
		d, step := t.step(left, right)
		if left.row != nil && step <= 0 {
			rows++
		}
		if d != nil {
			if err := found(*d); err != nil {
				return rows, err
			}
		}
		if err := advance(step, left, right); err != nil {
			return rows, err
		}
	}
	return rows, nil
}

// step compares where both cursors stand: negative means that the left one moves on,
// positive the right one, zero both.
func (t copyTable) step(left, right *cursor) (*difference, int) {
	switch {
	case right.row == nil:
		return &difference{differenceMissing, left.row}, -1
	case left.row == nil:
		return &difference{differenceExtra, right.row}, 1
	}
	step := t.compareKeys(left.row, right.row)
	switch {
	case step < 0:
		return &difference{differenceMissing, left.row}, step
	case step > 0:
		return &difference{differenceExtra, right.row}, step
	case !sameRow(left.row, right.row):
		return &difference{differenceOther, left.row}, 0
	}
	return nil, 0
}

func advance(step int, left, right *cursor) error {
	if step <= 0 {
		if err := left.next(); err != nil {
			return err
		}
	}
	if step >= 0 {
		return right.next()
	}
	return nil
}

// cursor reads a table row by row; row is nil at the end.
type cursor struct {
	rows  *sql.Rows
	width int
	row   []any
	table string
	of    dialect
}

func openCursor(ctx context.Context, tx *sql.Tx, t copyTable, d dialect) (*cursor, error) {
	rows, err := tx.QueryContext(ctx, t.read()) //nolint:rowserrcheck // next asks for it
	if err != nil {
		return nil, explain(d, "read "+t.name, err)
	}
	c := &cursor{rows: rows, width: len(t.columns), table: t.name, of: d}
	if err := c.next(); err != nil {
		return nil, errors.Join(err, rows.Close()) //nolint:sqlclosecheck // who gets the cursor closes it
	}
	return c, nil
}

func (c *cursor) next() error {
	if !c.rows.Next() {
		c.row = nil
		if err := c.rows.Err(); err != nil {
			return explain(c.of, "read "+c.table, err)
		}
		return nil
	}
	// A row of its own: it may wait in a batch.
	c.row = make([]any, c.width)
	into := make([]any, c.width)
	for i := range into {
		into[i] = &c.row[i]
	}
	return c.rows.Scan(into...)
}

func (c *cursor) close(err *error) { *err = errors.Join(*err, c.rows.Close()) }

// write applies the differences of some kinds. A row whose place another one still
// takes, such as a key that became active before the old one stopped, is tried again
// after the others.
func (c *copier) write(ctx context.Context, t copyTable, done *Copied, kinds ...differenceKind) error {
	done.Table = t.name
	var batch, again []difference
	flush := func() error {
		late, err := c.apply(ctx, t, done, batch)
		again, batch = append(again, late...), batch[:0]
		return err
	}
	rows, err := c.walk(ctx, t, func(d difference) error {
		for _, kind := range kinds {
			if d.kind == kind {
				batch = append(batch, d)
			}
		}
		if len(batch) < copyBatch {
			return nil
		}
		return flush()
	})
	if err == nil {
		err = flush()
	}
	done.Rows = rows
	for err == nil && len(again) > 0 {
		before := len(again)
		var late []difference
		if late, err = c.apply(ctx, t, done, again); err == nil && len(late) == before {
			err = fmt.Errorf("copy %s: %d rows are refused as duplicates", t.name, before)
		}
		again = late
	}
	return err
}

// apply writes a batch in one transaction, or row by row if a row is in the way of
// another; it returns those that still were.
func (c *copier) apply(ctx context.Context, t copyTable, done *Copied, batch []difference) (late []difference, err error) {
	if len(batch) == 0 {
		return nil, nil
	}
	err = c.transaction(ctx, t, batch)
	if err == nil {
		done.count(batch)
		return nil, nil
	}
	if (postgresDialect{}).fault(err) != faultDuplicate {
		return nil, explain(postgresDialect{}, "write "+t.name, err)
	}
	for _, d := range batch {
		err := c.transaction(ctx, t, []difference{d})
		switch {
		case err == nil:
			done.count([]difference{d})
		case (postgresDialect{}).fault(err) == faultDuplicate:
			late = append(late, d)
		default:
			return late, explain(postgresDialect{}, "write "+t.name, err)
		}
	}
	return late, nil
}

func (c *Copied) count(batch []difference) {
	for _, d := range batch {
		switch d.kind {
		case differenceMissing:
			c.Inserted++
		case differenceOther:
			c.Updated++
		case differenceExtra:
			c.Deleted++
		}
	}
}

func (c *copier) transaction(ctx context.Context, t copyTable, batch []difference) (err error) {
	tx, err := c.target.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { err = undo(tx, err) }()
	for _, d := range batch {
		query, args := t.insert(), d.row
		switch d.kind {
		case differenceOther:
			query = t.update()
		case differenceExtra:
			query, args = "DELETE FROM "+t.name+t.where(), d.row[:t.keys]
		}
		if _, err := tx.ExecContext(ctx, query, args...); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// advanceSequences makes the next row of each table the one after the last.
func (c *copier) advanceSequences(ctx context.Context) error {
	for _, t := range c.tables {
		var sequence sql.NullString
		if err := c.target.QueryRowContext(ctx, `SELECT pg_get_serial_sequence($1, $2)`, t.name, t.columns[0]).Scan(&sequence); err != nil {
			return explain(postgresDialect{}, "find the sequence of "+t.name, err)
		}
		if !sequence.Valid {
			continue
		}
		var highest int64
		// SQLite's own counter may be beyond the last row: a removed row's number names no
		// other one.
		if err := c.source.QueryRowContext(ctx, "SELECT max(COALESCE((SELECT max("+t.columns[0]+") FROM "+t.name+"), 0), "+
			"COALESCE((SELECT seq FROM sqlite_sequence WHERE name = $1), 0))", t.name).Scan(&highest); err != nil {
			return explain(sqliteDialect{}, "count "+t.name, err)
		}
		if _, err := c.target.ExecContext(ctx, `SELECT setval($1::regclass, $2, true)`, sequence.String, max(highest, 1)); err != nil {
			return explain(postgresDialect{}, "set the sequence of "+t.name, err)
		}
	}
	return nil
}

// verify compares every row of every table once more, and both trails' ends.
func (c *copier) verify(ctx context.Context, to *DB, out *CopyReport) error {
	for _, t := range c.tables {
		_, err := c.walk(ctx, t, func(difference) error {
			return controlplane.Errorf(controlplane.CodeConflict, "after the copy a row of %s differs: something else writes to the target; stop that, and copy again", t.name)
		})
		if err != nil {
			return err
		}
	}
	if err := c.source.QueryRowContext(ctx, sqlRevision).Scan(&out.Revision); err != nil {
		return explain(sqliteDialect{}, "read the revision", err)
	}
	head, err := c.continues(ctx, to)
	if err == nil && head.Seq != out.AuditSeq {
		err = errors.New("the audit trails do not end alike")
	}
	return err
}
