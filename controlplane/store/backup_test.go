package store

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/store/storetest"
)

var restoredAt = time.Date(2026, 5, 17, 8, 9, 10, 0, time.UTC)

func TestBackupUnderLoadIsOneCompleteState(t *testing.T) {
	db := openTest(t)
	if err := storetest.Fill(t.Context(), db, 3000, 1); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for p := range 8 {
		wg.Go(func() {
			for n := 10_000 * (p + 1); ctx.Err() == nil; n++ {
				if err := insert(t.Context(), db, n); err != nil {
					t.Error(err)
				}
			}
		})
	}
	path := filepath.Join(t.TempDir(), "backup.db")
	err := db.Backup(t.Context(), path)
	stop()
	wg.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if got := names(t, filepath.Dir(path)); !slices.Equal(got, []string{"backup.db"}) || mode(t, path) != 0o600 {
		t.Errorf("the directory has %q, mode %o", got, mode(t, path))
	}
	copied := openAt(t, SQLiteConfig{Path: path})
	mustFind(t, copied, 3000)
	for p := range 8 { // each producer's changes are there up to one, and none after it
		n := 10_000 * (p + 1)
		for find(t.Context(), copied, n) == nil {
			n++
		}
		if find(t.Context(), copied, n+1) == nil {
			t.Errorf("%d is missing and %d is there", n, n+1)
		}
	}
}

func TestBackupOverwritesNothingAndLeavesNothingWhenItFails(t *testing.T) {
	db := openTest(t)
	dir := t.TempDir()
	taken := filepath.Join(dir, "taken")
	if err := os.WriteFile(taken, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx  context.Context
		path string
	}{
		"a file in the way": {t.Context(), taken}, "the database itself": {t.Context(), db.file.path}, "no directory": {t.Context(), filepath.Join(dir, "x", "y")},
		"no path": {t.Context(), ""}, "a caller who gave up": {cancelled, filepath.Join(dir, "b")},
	} {
		if err := db.Backup(c.ctx, c.path); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if text, err := os.ReadFile(taken); err != nil || string(text) != "precious" {
		t.Errorf("the file in the way is now %q, %v", text, err)
	}
	if got := names(t, dir); !slices.Equal(got, []string{"taken"}) {
		t.Errorf("the directory has %q", got)
	}
}

func TestRestoreBringsBackTheBackupAndKeepsWhatItReplaced(t *testing.T) {
	dir := t.TempDir()
	path, backup := filepath.Join(dir, "control.db"), filepath.Join(dir, "backup.db")
	db := openAt(t, SQLiteConfig{Path: path})
	mustInsert(t, db, 1)
	if err := db.Backup(t.Context(), backup); err != nil {
		t.Fatal(err)
	}
	if _, err := RestoreSQLite(t.Context(), backup, path, restoredAt); controlplane.CodeOf(err) != controlplane.CodeUnavailable {
		t.Fatalf("restored under a running server: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	lost := killWriter(t, path, 100, 50) // leaves a log that is not folded in
	kept, err := RestoreSQLite(t.Context(), backup, path, restoredAt)
	if err != nil || kept != path+".before-restore-20260517T080910Z" {
		t.Fatalf("kept %q, %v", kept, err)
	}
	restored := openAt(t, SQLiteConfig{Path: path})
	mustFind(t, restored, 1)
	if find(t.Context(), restored, lost[0]) == nil {
		t.Error("the restored database has a change from after the backup")
	}
	replaced := openAt(t, SQLiteConfig{Path: kept})
	for _, n := range lost {
		mustFind(t, replaced, n)
	}
}

func TestRestoreWhereThereIsNothing(t *testing.T) {
	backup := filledDatabase(t, t.TempDir(), 3)
	path := filepath.Join(t.TempDir(), "new", "control.db")
	kept, err := RestoreSQLite(t.Context(), backup, path, restoredAt)
	if err != nil || kept != "" {
		t.Fatalf("kept %q, %v", kept, err)
	}
	mustFind(t, openAt(t, SQLiteConfig{Path: path}), 3)
	if got := mode(t, path); got != 0o600 {
		t.Errorf("mode %o", got)
	}
}

func TestRestoreRefusesWhatItCannotTrustAndChangesNothing(t *testing.T) {
	dir := t.TempDir()
	path := filledDatabase(t, dir, 2)
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte(strings.Repeat("text ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	before := names(t, dir)
	for backup, want := range map[string]string{
		damagedDatabase(t, t.TempDir()): "damaged", newerDatabase(t, t.TempDir()): "schema version 999", otherProgram(t, t.TempDir()): "no backup",
		text: "not a SQLite database", empty: "no backup", filepath.Join(dir, "nowhere"): "cannot read", path: "database itself",
	} {
		if _, err := RestoreSQLite(t.Context(), backup, path, restoredAt); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", filepath.Base(backup), err, want)
		}
	}
	if got := names(t, dir); !slices.Equal(got, before) {
		t.Errorf("the directory had %q and has %q", before, got)
	}
	mustFind(t, openAt(t, SQLiteConfig{Path: path}), 2)
}

// A log that SQLite cannot even open is not played into the restored database.
func TestRestoreMovesAnUnusableLogAside(t *testing.T) {
	backup, path := filledDatabase(t, t.TempDir(), 1), filledDatabase(t, t.TempDir(), 2)
	if err := os.Mkdir(path+"-wal", 0o700); err != nil {
		t.Fatal(err)
	}
	kept, err := RestoreSQLite(t.Context(), backup, path, restoredAt)
	if err != nil {
		t.Fatal(err)
	}
	if got := names(t, filepath.Dir(kept)); !slices.Contains(got, filepath.Base(kept)+"-wal") || slices.Contains(got, filepath.Base(path)+"-wal") {
		t.Errorf("the directory has %q", got)
	}
	mustFind(t, openAt(t, SQLiteConfig{Path: path}), 1)
	if _, err := RestoreSQLite(t.Context(), backup, path, restoredAt); err == nil {
		t.Error("restored under a running server")
	}
}

func TestTwoRestoresInOneSecondKeepBoth(t *testing.T) {
	backup := filledDatabase(t, t.TempDir(), 1)
	path := filledDatabase(t, t.TempDir(), 2)
	for _, want := range []string{".before-restore-20260517T080910Z", ".before-restore-20260517T080910Z-2"} {
		if kept, err := RestoreSQLite(t.Context(), backup, path, restoredAt); err != nil || kept != path+want {
			t.Fatalf("kept %q, %v, want %s", kept, err, want)
		}
	}
	mustFind(t, openAt(t, SQLiteConfig{Path: path + ".before-restore-20260517T080910Z"}), 2)
}
