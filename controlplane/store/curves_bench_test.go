package store

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// curveRows are the sizes at which a listing is measured, up to CURVE_ROWS, a million by
// default. Ten million take some minutes and 5 GB.
func curveRows(b *testing.B) (sizes []int) {
	b.Helper()
	most := 1_000_000
	if text := os.Getenv("CURVE_ROWS"); text != "" {
		var err error
		if most, err = strconv.Atoi(text); err != nil {
			b.Fatal(err)
		}
	}
	for n := 1000; n <= most; n *= 10 {
		sizes = append(sizes, n)
	}
	return sizes
}

const (
	curveMerchant = "mer_00000000000000000000000001"
	curveStart    = int64(1_767_225_600_000_000)
	curveStep     = int64(1_000_000) // microseconds from one row to the next
)

// grow fills a table from row from up to row to, by a statement of its own: an insert for
// each row would take an hour.
func grow(b *testing.B, db *DB, from, to int, statement string) {
	b.Helper()
	err := db.Update(b.Context(), func(t controlplane.Tx) error {
		_, err := t.(*tx).sql.ExecContext(b.Context(), statement, from+1, to)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
}

// listing is a read whose cost must not grow with the table.
type listing struct {
	name string
	want int // rows
	read func(context.Context, controlplane.Tx, int) (int, error)
}

func measureListings(b *testing.B, db *DB, n int, listings []listing) {
	for _, l := range listings {
		b.Run(fmt.Sprintf("%s/%d", l.name, n), func(b *testing.B) {
			for b.Loop() {
				got := 0
				err := db.View(b.Context(), func(t controlplane.Tx) (err error) {
					got, err = l.read(b.Context(), t, n)
					return err
				})
				if err != nil || got != l.want {
					b.Fatalf("%d rows, want %d: %v", got, l.want, err)
				}
			}
		})
	}
}

// BenchmarkCurveRequests is a page of the request log of one merchant, by its rows. One row
// of a thousand has the rare code.
func BenchmarkCurveRequests(b *testing.B) {
	db := openAt(b, SQLiteConfig{Path: filepath.Join(b.TempDir(), "requests.db")})
	page := func(edit func(*controlplane.RequestFilter, int)) func(context.Context, controlplane.Tx, int) (int, error) {
		return func(ctx context.Context, t controlplane.Tx, n int) (int, error) {
			f := controlplane.RequestFilter{MerchantID: curveMerchant, Environment: controlplane.Live, Limit: 50}
			edit(&f, n)
			found, err := t.Requests(ctx, f)
			return len(found), err
		}
	}
	have := 0
	for _, n := range curveRows(b) {
		grow(b, db, have, n, fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT $1 UNION ALL SELECT i + 1 FROM n WHERE i < $2)
			INSERT INTO requests (id, at, merchant_id, environment, key_id, client_ip, method, path, outcome, code, why, string_to_sign)
			SELECT printf('req_%%026d', i), %d + i * %d, '%s', 'live', 'unk_live_0000000000000000000001', '203.0.113.9', 'POST', '/v1/payments/' || i,
				CASE WHEN i = 500 THEN 'reported' WHEN i %% 10 = 0 THEN 'refused' ELSE 'accepted' END,
				CASE WHEN i = 500 THEN 'RARE' WHEN i %% 10 = 0 THEN 'SIGNATURE_MISMATCH' ELSE '' END, '{}', '' FROM n`, curveStart, curveStep, curveMerchant))
		have = n
		measureListings(b, db, n, []listing{
			{"newest", 50, page(func(*controlplane.RequestFilter, int) {})},
			{"middle", 50, page(func(f *controlplane.RequestFilter, n int) { f.Before = fmt.Sprintf("req_%026d", n/2) })},
			{"refused", 50, page(func(f *controlplane.RequestFilter, _ int) { f.Outcome = "refused" })},
			{"rare-outcome", 1, page(func(f *controlplane.RequestFilter, _ int) { f.Outcome = "reported" })},
			{"rare-code", 1, page(func(f *controlplane.RequestFilter, _ int) { f.Code = "RARE" })},
			{"no-such-key", 0, page(func(f *controlplane.RequestFilter, _ int) { f.KeyID = "unk_live_0000000000000000000002" })},
		})
	}
}

// BenchmarkCurveAudit is a page of the audit trail, by its rows: all of one merchant, and
// with one event that is rare.
func BenchmarkCurveAudit(b *testing.B) {
	db := openAt(b, SQLiteConfig{Path: filepath.Join(b.TempDir(), "audit.db")})
	err := db.Update(b.Context(), func(t controlplane.Tx) error {
		_, err := t.(*tx).sql.ExecContext(b.Context(), `DROP TRIGGER audit_events_only_next`) // there is no chain to keep
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	page := func(f controlplane.AuditFilter) func(context.Context, controlplane.Tx, int) (int, error) {
		return func(ctx context.Context, t controlplane.Tx, n int) (int, error) {
			f := f
			f.Limit = 50
			if f.Before < 0 {
				f.Before = int64(n / 2)
			}
			if !f.Since.IsZero() {
				f.Since = time.UnixMicro(curveStart + int64(n-10)*curveStep)
			}
			found, err := t.AuditEvents(ctx, f)
			return len(found), err
		}
	}
	have := 0
	for _, n := range curveRows(b) {
		grow(b, db, have, n, fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT $1 UNION ALL SELECT i + 1 FROM n WHERE i < $2)
			INSERT INTO audit_events (seq, at, actor_kind, actor_id, actor_name, merchant_id, operation, target, outcome, reason, ip, user_agent, request_id,
				diff, prev_hash, hash)
			SELECT i, %d + i * %d, 'user', 'usr_00000000000000000000000001', 'owner', '%s', CASE WHEN i = 500 THEN 'rare.operation' ELSE 'key.issue' END,
				'unk_live_0000000000000000000001', CASE WHEN i = 500 THEN 'failed' ELSE 'ok' END, '', '203.0.113.9', 'Mozilla/5.0', '', '{}',
				zeroblob(32), zeroblob(32) FROM n`, curveStart, curveStep, curveMerchant))
		have = n
		since := time.UnixMicro(curveStart)
		measureListings(b, db, n, []listing{
			{"newest", 50, page(controlplane.AuditFilter{})},
			{"middle", 50, page(controlplane.AuditFilter{Before: -1})},
			{"since", 11, page(controlplane.AuditFilter{Since: since})},
			{"rare-operation", 1, page(controlplane.AuditFilter{Operation: "rare.operation"})},
			{"rare-outcome", 1, page(controlplane.AuditFilter{Outcome: "failed"})},
			{"merchant", 50, page(controlplane.AuditFilter{MerchantID: curveMerchant})},
			{"merchant-since", 11, page(controlplane.AuditFilter{MerchantID: curveMerchant, Since: since})},
			{"merchant-rare-operation", 1, page(controlplane.AuditFilter{MerchantID: curveMerchant, Operation: "rare.operation"})},
		})
	}
}
