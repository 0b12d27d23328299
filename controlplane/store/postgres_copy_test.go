package store

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/store/storetest"
	"github.com/unknownpay/merchant-gateway/tests/pgtest"
)

// filledSource is an open SQLite database with something of many kinds in it.
func filledSource(t *testing.T) *DB {
	t.Helper()
	db := openTest(t)
	if err := storetest.Fill(t.Context(), db, 700, 2); err != nil {
		t.Fatal(err)
	}
	mustUpdate(t, db, func(ctx context.Context, tx controlplane.Tx) error {
		e, err := tx.InsertEndpoint(ctx, storetest.Endpoint(storetest.Merchant(1).ID, 1))
		if err != nil {
			return err
		}
		for n := range 20 {
			event, _, err := tx.InsertEvent(ctx, storetest.Event(e.MerchantID, n))
			if err != nil {
				return err
			}
			if _, err := tx.InsertDelivery(ctx, storetest.Delivery(e, event, n)); err != nil {
				return err
			}
		}
		_, err = tx.ClaimDeliveries(ctx, controlplane.ClaimQuery{EndpointRow: e.Row, Due: storetest.At(900), Limit: 3})
		return errors.Join(err,
			tx.PutDataKey(ctx, controlplane.DataKey{ID: 1, Purpose: controlplane.PurposeAPISecret, RootID: "r", Wrapped: []byte{1, 0, 2}, CreatedAt: storetest.At(1)}),
			tx.AddMail(ctx, controlplane.Mail{ID: "m", To: "a@b.example", Subject: "Ünï", Body: "…", CreatedAt: storetest.At(1), DueAt: storetest.At(2)}))
	})
	for range 5 {
		mustAudit(t, db)
	}
	return db
}

func mustUpdate(t *testing.T, db *DB, fn func(ctx context.Context, tx controlplane.Tx) error) {
	t.Helper()
	if err := db.Update(t.Context(), func(tx controlplane.Tx) error { return fn(t.Context(), tx) }); err != nil {
		t.Fatal(err)
	}
}

func written(r CopyReport) (n int64) {
	for _, c := range r.Tables {
		n += c.Inserted + c.Updated + c.Deleted
	}
	return n
}

func TestCopyTakesEverythingWhileTheSourceIsServed(t *testing.T) {
	from, to := filledSource(t), openPostgres(t)
	first, err := CopySQLite(t.Context(), from.file.path, to, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !first.Served || first.AuditSeq != 5 || first.Revision != 1 || written(first) < 700*4+40 {
		t.Errorf("%+v", first)
	}
	again, err := CopySQLite(t.Context(), from.file.path, to, nil)
	if err != nil || written(again) != 0 {
		t.Errorf("the second copy wrote %d rows: %v", written(again), err)
	}
	// The copy is a control plane that works: new rows get numbers of their own.
	mustUpdate(t, to, func(ctx context.Context, tx controlplane.Tx) error {
		_, err := tx.InsertAllowlistEntry(ctx, storetest.Entry(storetest.Merchant(3).ID, 90_001))
		return err
	})
	mustAudit(t, to)
	if _, err := CopySQLite(t.Context(), from.file.path, to, nil); controlplane.CodeOf(err) != controlplane.CodeConflict {
		t.Errorf("copied over a control plane that is in use: %v", err)
	}
}

// What changed since the last copy is carried over, whatever order it needs.
func TestCopyCatchesUp(t *testing.T) {
	from, to := filledSource(t), openPostgres(t)
	if _, err := CopySQLite(t.Context(), from.file.path, to, nil); err != nil {
		t.Fatal(err)
	}
	mustUpdate(t, from, func(ctx context.Context, tx controlplane.Tx) error {
		m := storetest.Merchant(1)
		old, err := tx.ActiveKey(ctx, m.ID, controlplane.Live)
		if err != nil {
			return err
		}
		old.State = controlplane.KeyRetiring
		// The new key sorts before the old one, whose place it takes.
		fresh := storetest.Key(m.ID, controlplane.Live, 0)
		list, err := tx.Allowlist(ctx, m.ID)
		if err != nil {
			return err
		}
		m.Name = "Renamed"
		return errors.Join(tx.UpdateKey(ctx, old), tx.InsertKey(ctx, fresh, []byte("sealed")), tx.UpdateMerchant(ctx, m),
			tx.DeleteAllowlistEntry(ctx, m.ID, list[0].ID), tx.CloseMail(ctx, "m", storetest.At(9)))
	})
	mustAudit(t, from)
	out, err := CopySQLite(t.Context(), from.file.path, to, nil)
	if err != nil || written(out) != 5 || out.AuditSeq != 6 {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestCopyThatWasInterruptedCarriesOn(t *testing.T) {
	from, to := filledSource(t), openPostgres(t)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := CopySQLite(ctx, from.file.path, to, func(c Copied) {
		if c.Table == "api_keys" || c.Table == "merchants" {
			cancel()
		}
	})
	if err == nil {
		t.Fatal("it was not interrupted")
	}
	out, err := CopySQLite(t.Context(), from.file.path, to, nil)
	if err != nil || written(out) == 0 {
		t.Fatalf("%+v, %v", out, err)
	}
}

func TestCopyRefusesWhatIsNotItsOwn(t *testing.T) {
	from := filledSource(t)
	used := openPostgres(t)
	mustUpdate(t, used, func(ctx context.Context, tx controlplane.Tx) error {
		return controlplane.WriteAudit(ctx, tx, controlplane.AuditEvent{ActorKind: controlplane.ActorSystem, Operation: "other", Outcome: controlplane.OutcomeOK})
	})
	keyed := openPostgres(t)
	mustUpdate(t, keyed, func(ctx context.Context, tx controlplane.Tx) error {
		return tx.PutDataKey(ctx, controlplane.DataKey{ID: 1, Purpose: "x", RootID: "r", Wrapped: []byte("other"), CreatedAt: storetest.At(1)})
	})
	for name, to := range map[string]*DB{"another trail": used, "other data keys": keyed, "SQLite": from} {
		if _, err := CopySQLite(t.Context(), from.file.path, to, nil); controlplane.CodeOf(err) != controlplane.CodeConflict {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := CopySQLite(t.Context(), filepath.Join(t.TempDir(), "none.db"), openPostgres(t), nil); err == nil {
		t.Error("copied a database that is not there")
	}
}

// A row of the trail that was tampered with does not get a second home.
func TestCopyFindsATrailThatDoesNotFit(t *testing.T) {
	from := filledSource(t)
	path := from.file.path
	if err := from.Close(); err != nil {
		t.Fatal(err)
	}
	raw(t, path, `DROP TRIGGER audit_events_no_update; UPDATE audit_events SET actor_name = 'nobody' WHERE seq = 3`)
	_, err := CopySQLite(t.Context(), path, openPostgres(t), nil)
	if err == nil || !strings.Contains(err.Error(), "row 3") {
		t.Fatal(err)
	}
}

// What somebody else writes into the target is found by the comparison.
func TestCopyComparesEveryRow(t *testing.T) {
	from := filledSource(t)
	url := migratedURL(t)
	to := openPostgresAt(t, PostgresConfig{URL: url})
	spoiled := false
	_, err := CopySQLite(t.Context(), from.file.path, to, func(c Copied) {
		if c.Table == "merchants" && !spoiled {
			spoiled = true
			if err := pgtest.Exec(url, `UPDATE merchants SET name = 'x' WHERE id = '`+storetest.Merchant(400).ID+`'`); err != nil {
				t.Error(err)
			}
		}
	})
	if controlplane.CodeOf(err) != controlplane.CodeConflict || !strings.Contains(err.Error(), "merchants differs") {
		t.Fatal(err)
	}
}

// A table that the copy does not know of would be lost in it.
func TestCopyKnowsEveryTable(t *testing.T) {
	db := openTest(t)
	tx, err := db.readers.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := tx.Rollback(); err != nil {
			t.Error(err)
		}
	}()
	order, err := copyOrder(t.Context(), tx)
	if err != nil {
		t.Fatal(err)
	}
	tables, err := texts(t.Context(), tx, `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'`)
	if err != nil {
		t.Fatal(err)
	}
	left := len(tables) - len(order)
	known := 0
	for _, name := range tables {
		switch name {
		case "goose_db_version", "audit_events", "audit_head", "nodes":
			known++
		}
	}
	if left != known {
		t.Errorf("%d tables are not copied, %d of them on purpose", left, known)
	}
}
