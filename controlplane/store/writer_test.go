package store

import (
	"context"
	"errors"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/store/storetest"
)

var errOnPurpose = errors.New("on purpose")

// held keeps the writer in one change, so that all that comes waits.
type held struct {
	db      *DB
	release chan struct{}
	first   <-chan error
}

func hold(t *testing.T, db *DB) *held {
	t.Helper()
	h := &held{db: db, release: make(chan struct{})}
	entered := make(chan struct{})
	h.first = h.start(t.Context(), func(controlplane.Tx) error {
		close(entered)
		<-h.release
		return nil
	})
	<-entered
	return h
}

// start begins an Update and returns where its result will come.
func (h *held) start(ctx context.Context, fn func(controlplane.Tx) error) <-chan error {
	result := make(chan error, 1)
	go func() { result <- h.db.Update(ctx, fn) }()
	return result
}

// queue is start for a change that then waits in line.
func (h *held) queue(ctx context.Context, fn func(controlplane.Tx) error) <-chan error {
	before := len(h.db.writer.queue)
	result := h.start(ctx, fn)
	for len(h.db.writer.queue) == before {
		runtime.Gosched()
	}
	return result
}

func inserting(ctx context.Context, n int) func(controlplane.Tx) error {
	return func(tx controlplane.Tx) error { return tx.InsertMerchant(ctx, storetest.Merchant(n)) }
}

func TestFailuresInAGroupUndoOnlyThemselves(t *testing.T) {
	db := openTest(t)
	ctx := t.Context()
	h := hold(t, db)
	given, giveUp := context.WithCancel(ctx)
	good1 := h.queue(ctx, inserting(ctx, 1))
	failing := h.queue(ctx, func(tx controlplane.Tx) error { return errors.Join(inserting(ctx, 2)(tx), errOnPurpose) })
	cancelled := h.queue(given, inserting(ctx, 3))
	panicking := h.queue(ctx, func(tx controlplane.Tx) error { panic(inserting(ctx, 4)(tx)) })
	duplicate := h.queue(ctx, inserting(ctx, 1))
	good5 := h.queue(ctx, inserting(ctx, 5))
	giveUp()
	close(h.release)
	for name, c := range map[string]struct {
		result <-chan error
		ok     func(error) bool
	}{
		"first":     {h.first, func(err error) bool { return err == nil }},
		"good 1":    {good1, func(err error) bool { return err == nil }},
		"failing":   {failing, func(err error) bool { return errors.Is(err, errOnPurpose) }},
		"cancelled": {cancelled, func(err error) bool { return errors.Is(err, context.Canceled) }},
		"panicking": {panicking, func(err error) bool { return controlplane.CodeOf(err) == controlplane.CodeInternal }},
		"duplicate": {duplicate, func(err error) bool { return errors.Is(err, controlplane.ErrDuplicate) }},
		"good 5":    {good5, func(err error) bool { return err == nil }},
	} {
		if err := <-c.result; !c.ok(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for n, want := range map[int]bool{1: true, 2: false, 3: false, 4: false, 5: true} {
		if err := find(ctx, db, n); (err == nil) != want {
			t.Errorf("merchant %d: %v", n, err)
		}
	}
	st, err := db.Stats(ctx)
	if err != nil || st.LargestGroup != 6 || st.Groups != 2 || st.Updates != 7 {
		t.Errorf("%+v, %v", st, err)
	}
}

func TestCallerWhoGivesUpBeforeItsTurnIsAnsweredWhenTheLineIsFull(t *testing.T) {
	db := openTest(t)
	h := hold(t, db)
	var waiting []<-chan error
	for range maxGroup {
		waiting = append(waiting, h.queue(t.Context(), func(controlplane.Tx) error { return nil }))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := db.Update(ctx, inserting(ctx, 1)); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	close(h.release)
	for _, result := range append(waiting, h.first) {
		if err := <-result; err != nil {
			t.Fatal(err)
		}
	}
}

func TestCloseCommitsWhatWaitsAndRefusesWhatComes(t *testing.T) {
	db := openTest(t)
	ctx := t.Context()
	h := hold(t, db)
	waiting := h.queue(ctx, inserting(ctx, 1))
	closed := make(chan error, 1)
	go func() { closed <- db.Close() }()
	<-db.writer.closing
	late := db.Update(ctx, inserting(ctx, 2))
	close(h.release)
	if err := errors.Join(<-h.first, <-waiting, <-closed); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"while closing": late, "Update": insert(ctx, db, 3), "View": find(ctx, db, 1), "Backup": db.Backup(ctx, filepath.Join(t.TempDir(), "b")),
	} {
		if controlplane.CodeOf(err) != controlplane.CodeUnavailable || !strings.Contains(err.Error(), "closed") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	mustFind(t, openAt(t, SQLiteConfig{Path: db.file.path}), 1)
}

// What a test does by calling Fatal inside a change.
func TestChangeThatEndsItsGoroutineLeavesNobodyWaiting(t *testing.T) {
	db := openTest(t)
	err := db.Update(t.Context(), func(tx controlplane.Tx) error {
		if err := inserting(t.Context(), 1)(tx); err != nil {
			return err
		}
		runtime.Goexit()
		return nil
	})
	if controlplane.CodeOf(err) != controlplane.CodeUnavailable {
		t.Fatal(err)
	}
	if err := find(t.Context(), db, 1); !errors.Is(err, controlplane.ErrNotFound) {
		t.Fatalf("half a change was committed: %v", err)
	}
}

func TestFullDatabaseIsUnavailableForWritesAndStillReads(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.db")
	db := openAt(t, SQLiteConfig{Path: path, maxPages: 200})
	mustInsert(t, db, 1_000_001)
	err := storetest.Fill(t.Context(), db, 10_000, 0)
	if controlplane.CodeOf(err) != controlplane.CodeUnavailable || !strings.Contains(err.Error(), "full") {
		t.Fatal(err)
	}
	mustFind(t, db, 1_000_001)
	if err := errors.Join(db.Close(), checkDatabase(t.Context(), path)); err != nil {
		t.Fatal(err)
	}
	mustInsert(t, openAt(t, SQLiteConfig{Path: path}), 1_000_000)
}

// A change that ignores the error of a full disk must not go on, outside of the
// transaction that SQLite has rolled back.
func TestChangeCannotGoOnAfterTheDatabaseGaveUp(t *testing.T) {
	db := openAt(t, SQLiteConfig{Path: filledDatabase(t, t.TempDir(), 1), maxPages: 200})
	ctx := t.Context()
	h := hold(t, db)
	stubborn := h.queue(ctx, func(tx controlplane.Tx) error {
		n := 1000
		for ; tx.InsertMerchant(ctx, storetest.Merchant(n)) == nil; n++ {
		}
		if tx.UpdateMerchant(ctx, storetest.Merchant(1)) == nil {
			t.Error("a statement ran after the fault")
		}
		return nil
	})
	innocent := h.queue(ctx, func(controlplane.Tx) error { return nil })
	close(h.release)
	for _, result := range []<-chan error{stubborn, innocent} {
		if err := <-result; controlplane.CodeOf(err) != controlplane.CodeUnavailable {
			t.Errorf("%v", err)
		}
	}
	if err := errors.Join(<-h.first, find(ctx, db, 1000)); !errors.Is(err, controlplane.ErrNotFound) {
		t.Fatalf("part of the change was committed: %v", err)
	}
	if err := db.Update(ctx, func(tx controlplane.Tx) error { return tx.UpdateMerchant(ctx, storetest.Merchant(1)) }); err != nil {
		t.Fatalf("the next change: %v", err)
	}
}

// The commit itself fails: the log may not grow any more.
func TestCommitThatFailsIsToldToEveryoneInTheGroup(t *testing.T) {
	db := openTest(t)
	ctx := t.Context()
	mustInsert(t, db, 1)
	h := hold(t, db)
	one, two := h.queue(ctx, inserting(ctx, 2)), h.queue(ctx, inserting(ctx, 3))
	limit := limitFileSize(t, 4096)
	close(h.release)
	for _, result := range []<-chan error{one, two} {
		if err := <-result; controlplane.CodeOf(err) != controlplane.CodeUnavailable {
			t.Errorf("%v", err)
		}
	}
	limit()
	if err := <-h.first; err != nil {
		t.Errorf("an empty change before the fault: %v", err)
	}
	mustFind(t, db, 1)
	for _, n := range []int{2, 3} {
		if err := find(ctx, db, n); !errors.Is(err, controlplane.ErrNotFound) {
			t.Errorf("merchant %d: %v", n, err)
		}
		mustInsert(t, db, n)
	}
}

// limitFileSize makes writes beyond a size fail, as those to a full disk do, and
// returns what ends that.
func limitFileSize(t *testing.T, bytes uint64) func() {
	t.Helper()
	signal.Ignore(syscall.SIGXFSZ)
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	set := func(l syscall.Rlimit) {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &l); err != nil {
			t.Error(err)
		}
	}
	set(syscall.Rlimit{Cur: bytes, Max: old.Max})
	t.Cleanup(func() { set(old) })
	return func() { set(old) }
}

func TestLogIsBoundedThoughAReaderKeptItForAWhile(t *testing.T) {
	db := openTest(t)
	ctx := t.Context()
	const limit = 256 << 10
	db.file.wal.limit = limit
	err := db.View(ctx, func(tx controlplane.Tx) error {
		if _, err := tx.Revision(ctx); err != nil {
			return err
		}
		return storetest.Fill(ctx, db, 500, 1)
	})
	if err != nil {
		t.Fatal(err)
	}
	grown, err := db.Stats(ctx)
	if err != nil || grown.WALBytes <= limit {
		t.Fatalf("the reader did not keep the log: %d bytes, %v", grown.WALBytes, err)
	}
	for n := 1000; fileSize(db.file.wal.path) > limit; n++ {
		if mustInsert(t, db, n); n > 1500 {
			t.Fatalf("the log has %d bytes long after the reader left", fileSize(db.file.wal.path))
		}
	}
}

// Views that follow each other so closely that there is always one would keep the
// log for good. They are ended, and told so; one that has read all it wants is not
// disturbed.
func TestLogIsBoundedThoughThereIsAlwaysAReader(t *testing.T) {
	db := openTest(t)
	const limit, most = 256 << 10, 512 << 10
	db.file.wal.limit, db.file.wal.most = limit, most
	ctx, stop := context.WithCancel(t.Context())
	var reading sync.WaitGroup
	var ended atomic.Int64
	for i := range 3 {
		reading.Go(func() {
			for ctx.Err() == nil {
				err := db.View(ctx, func(tx controlplane.Tx) error { return stay(ctx, tx, i == 0) })
				switch {
				case controlplane.CodeOf(err) == controlplane.CodeUnavailable:
					ended.Add(1)
				case err != nil && ctx.Err() == nil:
					t.Error(err)
				}
			}
		})
	}
	for n, largest := 0, int64(0); n < 200 || ended.Load() < 6; n++ {
		mustInsert(t, db, n)
		if largest = max(largest, fileSize(db.file.wal.path)); largest > most+limit {
			t.Fatalf("the log has %d bytes", largest)
		}
	}
	stop()
	reading.Wait()
}

// stay reads until it is ended, or, if it is short, once.
func stay(ctx context.Context, tx controlplane.Tx, short bool) error {
	for ; ; time.Sleep(time.Millisecond) {
		if _, err := tx.Revision(ctx); err != nil || short {
			return err
		}
	}
}
