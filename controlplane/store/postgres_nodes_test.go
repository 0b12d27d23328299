package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/store/storetest"
	"github.com/unknownpay/merchant-gateway/tests/pgtest"
)

// nodes opens one database twice, as two machines do.
func nodes(t *testing.T) (one, two *DB) {
	t.Helper()
	url := migratedURL(t)
	return openPostgresAt(t, PostgresConfig{URL: url}), openPostgresAt(t, PostgresConfig{URL: url})
}

func bump(ctx context.Context, db *DB) error {
	return db.Update(ctx, func(tx controlplane.Tx) error {
		_, err := tx.BumpRevision(ctx)
		return err
	})
}

func TestBumpOfOneNodeWakesTheOthers(t *testing.T) {
	one, two := nodes(t)
	wake := two.Watch(t.Context())
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for n := range 3 {
		if err := bump(ctx, one); err != nil {
			t.Fatal(err)
		}
		for revision := int64(-1); revision <= int64(n); {
			select {
			case <-wake:
			case <-ctx.Done():
				t.Fatal("nobody woke the other node")
			}
			err := two.View(ctx, func(tx controlplane.Tx) (err error) {
				revision, err = tx.Revision(ctx)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A rule that reads before it writes holds over all nodes: here, at most ten
// merchants.
func TestChangesOfAllNodesTakeTurns(t *testing.T) {
	one, two := nodes(t)
	full := errors.New("full")
	var wg sync.WaitGroup
	errs := make([]error, 40)
	for i := range errs {
		db := one
		if i%2 == 1 {
			db = two
		}
		wg.Go(func() {
			errs[i] = db.Update(t.Context(), func(tx controlplane.Tx) error {
				all, err := tx.Merchants(t.Context(), controlplane.MerchantFilter{})
				if err == nil && len(all) == 10 {
					err = full
				}
				if err != nil {
					return err
				}
				return tx.InsertMerchant(t.Context(), storetest.Merchant(i))
			})
		})
	}
	wg.Wait()
	made := 0
	for i, err := range errs {
		if err == nil {
			made++
		} else if !errors.Is(err, full) {
			t.Errorf("change %d: %v", i, err)
		}
	}
	if made != 10 {
		t.Errorf("%d merchants were made", made)
	}
}

// Two changes that lock the same rows in opposite order: one of them runs again.
func TestChangesThatMeetRunAgain(t *testing.T) {
	one, two := nodes(t)
	ctx := controlplane.Concurrent(t.Context())
	for n := range 2 {
		mustInsert(t, one, n)
	}
	var met sync.WaitGroup
	met.Add(2)
	cross := func(db *DB, first, second int) error {
		tries := 0
		return db.Update(ctx, func(tx controlplane.Tx) error {
			if err := tx.UpdateMerchant(ctx, storetest.Merchant(first)); err != nil {
				return err
			}
			if tries++; tries == 1 {
				met.Done()
				met.Wait()
			}
			// Whatever a change makes of the error, it was not done.
			if err := tx.UpdateMerchant(ctx, storetest.Merchant(second)); err != nil {
				return fmt.Errorf("no luck: %s", err.Error())
			}
			return nil
		})
	}
	result := make(chan error, 1)
	go func() { result <- cross(two, 1, 0) }()
	if err := errors.Join(cross(one, 0, 1), <-result); err != nil {
		t.Fatal(err)
	}
	if n := one.server.updates.collisions.Load() + two.server.updates.collisions.Load(); n != 1 {
		t.Errorf("%d collisions", n)
	}
}

// A refused row ends the transaction on PostgreSQL: a change that goes on all the
// same is not half done.
func TestChangeThatIgnoresARefusalIsNotCommitted(t *testing.T) {
	db := openPostgres(t)
	mustInsert(t, db, 1)
	err := db.Update(t.Context(), func(tx controlplane.Tx) error {
		if err := insertInto(t.Context(), tx, 2); err != nil {
			return err
		}
		if err := insertInto(t.Context(), tx, 1); !errors.Is(err, controlplane.ErrDuplicate) {
			return fmt.Errorf("a second merchant of one id: %w", err)
		}
		return nil
	})
	if err == nil {
		t.Error("it was reported as done")
	}
	if err := find(t.Context(), db, 2); !errors.Is(err, controlplane.ErrNotFound) {
		t.Errorf("half of it was done: %v", err)
	}
}

func insertInto(ctx context.Context, tx controlplane.Tx, n int) error {
	return tx.InsertMerchant(ctx, storetest.Merchant(n))
}

func TestEverySessionOfPostgresHasItsSettings(t *testing.T) {
	db := openPostgres(t)
	for _, pool := range []interface {
		Conn(context.Context) (*sql.Conn, error)
	}{db.readers, db.server.writers} {
		conn, err := pool.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{
			"synchronous_commit": "on", "idle_in_transaction_session_timeout": "30s", "lock_timeout": "20s", "statement_timeout": "1min", "application_name": "merchant-gateway",
		} {
			var got string
			if err := conn.QueryRowContext(t.Context(), "SHOW "+name).Scan(&got); err != nil || got != want {
				t.Errorf("%s is %s, want %s (%v)", name, got, want, err)
			}
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
}

// The server goes away and comes back: changes are refused meanwhile, and then work
// again, announcements included, without a new start.
func TestPostgresThatComesBackIsUsedAgain(t *testing.T) {
	var mine pgtest.Server
	t.Cleanup(func() {
		if err := mine.Stop(); err != nil {
			t.Error(err)
		}
	})
	url := mine.Database(t)
	db := openPostgresAt(t, PostgresConfig{URL: url})
	mustInsert(t, db, 1)
	mine.Halt(t)
	for name, err := range map[string]error{"Update": insert(t.Context(), db, 2), "View": find(t.Context(), db, 1)} {
		if controlplane.CodeOf(err) != controlplane.CodeUnavailable {
			t.Errorf("%s: %v", name, err)
		}
	}
	wake := db.Watch(t.Context())
	mine.Resume(t)
	mustInsert(t, db, 2)
	mustFind(t, db, 1)
	if err := pgtest.Exec(url, "NOTIFY "+channelRevision); err != nil {
		t.Fatal(err)
	}
	select {
	case <-wake:
	case <-time.After(time.Minute):
		t.Fatal("the listener did not come back")
	}
}

func TestClosedPostgresRefuses(t *testing.T) {
	db := openPostgres(t)
	if err := errors.Join(db.Close(), db.Close()); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{"Update": insert(t.Context(), db, 1), "View": find(t.Context(), db, 1)} {
		if controlplane.CodeOf(err) != controlplane.CodeUnavailable {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A database that is away when it is opened is brought up to date by whoever finds it
// there first.
func TestPostgresIsOpenedLater(t *testing.T) {
	var mine pgtest.Server
	t.Cleanup(func() {
		if err := mine.Stop(); err != nil {
			t.Error(err)
		}
	})
	url := mine.Database(t)
	mine.Halt(t)
	if _, err := OpenPostgres(t.Context(), PostgresConfig{URL: url}); controlplane.CodeOf(err) != controlplane.CodeUnavailable {
		t.Fatalf("opened at once: %v", err)
	}
	db, err := OpenPostgresLater(PostgresConfig{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	for name, err := range map[string]error{"Update": insert(t.Context(), db, 1), "View": find(t.Context(), db, 1)} {
		if controlplane.CodeOf(err) != controlplane.CodeUnavailable {
			t.Errorf("%s: %v", name, err)
		}
	}
	mine.Resume(t)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			if err := insert(t.Context(), db, i); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	mustFind(t, db, 7)
	if s, err := db.Stats(t.Context()); err != nil || s.SchemaVersion == 0 {
		t.Errorf("%+v, %v", s, err)
	}
}
