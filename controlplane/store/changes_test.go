package store

import (
	"errors"
	"testing"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// What was read within a transaction that is then undone must not count as read:
// the changes before it in its group are gone too.
func TestCountOfChangesMovesWithEachTransactionThatMayChangeMoreThanCounters(t *testing.T) {
	db := openTest(t)
	ctx := t.Context()
	count := func() int64 {
		n, known := db.Changes()
		if !known {
			t.Fatal("SQLite does not know who writes")
		}
		return n
	}
	moved := func(what string, want bool, fn func() error) {
		t.Helper()
		before := count()
		if err := fn(); err != nil && !errors.Is(err, errOnPurpose) {
			t.Error(err)
		}
		if count() != before != want {
			t.Errorf("%s: the count moved: %v", what, !want)
		}
	}
	nothing := func(controlplane.Tx) error { return nil }
	moved("a counter", false, func() error { return db.Update(controlplane.Concurrent(ctx), nothing) })
	moved("a change", true, func() error { return db.Update(ctx, nothing) })
	moved("a change that fails", true, func() error { return db.Update(ctx, func(controlplane.Tx) error { return errOnPurpose }) })

	h := hold(t, db)
	var seen [2]int64
	runs := 0
	change := h.queue(ctx, nothing)
	reading := h.queue(controlplane.Concurrent(ctx), func(controlplane.Tx) error {
		seen[runs%2] = count()
		runs++
		return nil
	})
	failing := h.queue(controlplane.Concurrent(ctx), func(controlplane.Tx) error { return errOnPurpose })
	close(h.release)
	for _, result := range []<-chan error{h.first, change, reading, failing} {
		<-result
	}
	if runs != 2 || seen[0] == seen[1] {
		t.Errorf("a group ran %d times, at counts %v", runs, seen)
	}
}
