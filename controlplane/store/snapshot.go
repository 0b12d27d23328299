package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// Records arrive as lines of text, see [merchantOf] and [keyOf], and a key's secret,
// which no text may hold, in a column of its own. A row of a result costs about a
// microsecond in the driver and a column 60 ns, whatever is in them. Everything is read
// without the revision's index, which would visit the table row by row: that saved a
// fifth of the time for a million keys.
const (
	sqlSnapshotSize = `SELECT (SELECT count(*) FROM merchants), (SELECT count(*) FROM api_keys WHERE state = 'active')`

	sqlSnapshotMerchants = `SELECT id || ' ' || state || ' ' || revision ||
			COALESCE((SELECT string_agg(' ' || row_id || ' ' || cidr, '') FROM allowlist_entries WHERE merchant_id = merchants.id), '')
		FROM merchants`
	sqlSnapshotMerchantsAfter = `SELECT id || ' ' || state || ' ' || revision ||
			COALESCE((SELECT string_agg(' ' || row_id || ' ' || cidr, '') FROM allowlist_entries WHERE merchant_id = merchants.id), '')
		FROM merchants WHERE revision > $1`
	sqlSnapshotKeys = `SELECT id || ' ' || merchant_id || ' ' || environment || ' ' || state || ' ' || retire_at || ' ' || revision || ' ' || length(secret), secret
		FROM api_keys WHERE state = 'active' OR retire_at >= $1`
	sqlSnapshotKeysAfter = `SELECT id || ' ' || merchant_id || ' ' || environment || ' ' || state || ' ' || retire_at || ' ' || revision || ' ' || length(secret), secret
		FROM api_keys WHERE (state = 'active' OR retire_at >= $1) AND revision > $2`
)

// snapshotPages are queries for a page of a whole table at a time, from a row up to
// another, as one row of a result; and for the number of the last row.
type snapshotPages struct{ lastMerchant, merchants, lastKey, keys string }

// chunk is a row of a result: lines, and the secrets that belong to them.
type chunk struct {
	lines   string
	secrets []byte
}

func (t *tx) SnapshotSize(ctx context.Context) (merchants, keys int, err error) {
	type size struct{ merchants, keys int }
	s, err := one(ctx, t, "merchants and api keys", func(r scanner, s *size) error { return r.Scan(&s.merchants, &s.keys) }, sqlSnapshotSize)
	return s.merchants, s.keys, err
}

func (t *tx) SnapshotMerchants(ctx context.Context, after int64, fn func(controlplane.MerchantRecord) error) error {
	var prefixes arena[controlplane.AllowedPrefix]
	read := func(c chunk) error { return readMerchants(c, &prefixes, fn) }
	scan := func(r *sql.Rows, c *chunk) error { return r.Scan(&c.lines) }
	p := t.dialect.snapshotPages()
	switch {
	case after >= 0:
		return t.chunks(ctx, "merchants", scan, read, sqlSnapshotMerchantsAfter, after)
	case p != nil:
		return t.pages(ctx, "merchants", scan, read, p.lastMerchant, p.merchants)
	}
	return t.chunks(ctx, "merchants", scan, read, sqlSnapshotMerchants)
}

func (t *tx) SnapshotKeys(ctx context.Context, after int64, cutoff time.Time, fn func(controlplane.KeyRecord) error) error {
	read := func(c chunk) error { return readKeys(c, fn) }
	scan := func(r *sql.Rows, c *chunk) error { return r.Scan(&c.lines, &c.secrets) }
	p := t.dialect.snapshotPages()
	switch {
	case after >= 0:
		return t.chunks(ctx, "api keys", scan, read, sqlSnapshotKeysAfter, micros(cutoff), after)
	case p != nil:
		return t.pages(ctx, "api keys", scan, read, p.lastKey, p.keys, micros(cutoff))
	}
	return t.chunks(ctx, "api keys", scan, read, sqlSnapshotKeys, micros(cutoff))
}

// chunks calls read for each row of a query.
func (t *tx) chunks(ctx context.Context, what string, scan func(*sql.Rows, *chunk) error, read func(chunk) error, query string, args ...any) error {
	return t.each(ctx, what, query, args, func(r *sql.Rows) error {
		var c chunk
		if err := scan(r, &c); err != nil {
			return t.fail(what, err)
		}
		return read(c)
	})
}

const (
	// snapshotPage is how many rows of a table make a page.
	snapshotPage = 1024
	// pagesAhead is how many pages are fetched while earlier ones are read.
	pagesAhead = 4
)

// pages calls read for each page of a table. The next ones are fetched meanwhile.
func (t *tx) pages(ctx context.Context, what string, scan func(*sql.Rows, *chunk) error, read func(chunk) error, last, page string, args ...any) error {
	end, err := one(ctx, t, what, scanValue[int64], last)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	fetched := make(chan chunk, pagesAhead)
	failed := make(chan error, 1)
	go func() {
		defer close(fetched)
		failed <- t.fetch(ctx, what, scan, fetched, end, page, args)
	}()
	var readErr error
	for c := range fetched {
		if readErr == nil {
			if readErr = read(c); readErr != nil {
				stop()
			}
		}
	}
	stop()
	if err := <-failed; readErr == nil {
		return err
	}
	return readErr
}

func (t *tx) fetch(ctx context.Context, what string, scan func(*sql.Rows, *chunk) error, to chan<- chunk, end int64, page string, args []any) error {
	send := func(c chunk) error {
		select {
		case to <- c:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for from := int64(0); from <= end; from += snapshotPage {
		if err := t.chunks(ctx, what, scan, send, page, append([]any{from, from + snapshotPage}, args...)...); err != nil {
			return err
		}
	}
	return nil
}
