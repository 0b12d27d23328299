package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// The environment that makes the test binary another process.
const (
	childRole  = "STORE_TEST_ROLE"
	childPath  = "STORE_TEST_PATH"
	childStart = "STORE_TEST_START"
)

const crashRounds = 12

// Every change that was acknowledged before kill -9 is there afterwards.
func TestKillLosesNoAcknowledgedChange(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.db")
	var acknowledged []int
	for round := range crashRounds {
		acknowledged = append(acknowledged, killWriter(t, path, round*1_000_000, 100+37*round)...)
		db := openAt(t, SQLiteConfig{Path: path})
		for _, n := range acknowledged {
			mustFind(t, db, n)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if err := checkDatabase(t.Context(), path); err != nil {
			t.Fatal(err)
		}
	}
}

// killWriter starts a writing process, kills it after some acknowledgements, and
// returns all that it gave.
func killWriter(t *testing.T, path string, start, after int) (acknowledged []int) {
	t.Helper()
	c := childCommand(t.Context(), "write", path)
	c.Env = append(c.Env, childStart+"="+strconv.Itoa(start))
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		n, err := strconv.Atoi(lines.Text())
		if err != nil {
			t.Fatalf("the writer said %q", lines.Text())
		}
		acknowledged = append(acknowledged, n)
		if len(acknowledged) == after {
			if err := c.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := c.Wait(); err == nil || len(acknowledged) < after {
		t.Fatalf("the writer ended with %v after %d changes", err, len(acknowledged))
	}
	return acknowledged
}

func TestSecondProcessIsRefusedAndToldWhoHoldsTheDatabase(t *testing.T) {
	db := openTest(t)
	out, err := childCommand(t.Context(), "open", db.file.path).Output()
	if err != nil {
		t.Fatal(err)
	}
	if want := "in use by process " + strconv.Itoa(os.Getpid()) + ";"; !strings.Contains(string(out), want) {
		t.Fatalf("the second process was told %q, want %q", out, want)
	}
	if _, err := OpenSQLite(t.Context(), SQLiteConfig{Path: db.file.path}); controlplane.CodeOf(err) != controlplane.CodeUnavailable {
		t.Fatalf("the same process opened it twice: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if out, err := childCommand(t.Context(), "open", db.file.path).Output(); err != nil || string(out) != "opened\n" {
		t.Fatalf("after Close: %q, %v", out, err)
	}
}

func TestLockHolderWhoHasNotSignedYet(t *testing.T) {
	db := openTest(t)
	if err := os.Truncate(db.file.path+".lock", 0); err != nil {
		t.Fatal(err)
	}
	_, err := OpenSQLite(t.Context(), SQLiteConfig{Path: db.file.path})
	if err == nil || !strings.Contains(err.Error(), "process (unknown)") {
		t.Fatal(err)
	}
}

func childCommand(ctx context.Context, role, path string) *exec.Cmd {
	c := exec.CommandContext(ctx, os.Args[0])
	c.Env = append(os.Environ(), childRole+"="+role, childPath+"="+path)
	c.Stderr = os.Stderr
	return c
}

// child is the other process; it returns its exit status.
func child(role, path string) int {
	ctx := context.Background()
	db, err := OpenSQLite(ctx, SQLiteConfig{Path: path})
	if role == "open" {
		if err == nil {
			err = errors.Join(errors.New("opened"), db.Close())
		}
		fmt.Println(err)
		return 0
	}
	if err == nil {
		var start int
		if start, err = strconv.Atoi(os.Getenv(childStart)); err == nil {
			err = writeForever(ctx, db, start, os.Stdout)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// writeForever says each number on w after its change was acknowledged.
func writeForever(ctx context.Context, db *DB, start int, w io.Writer) error {
	var next atomic.Int64
	next.Store(int64(start))
	failed := make(chan error, 1)
	var mu sync.Mutex
	for range 16 {
		go func() {
			for {
				n := int(next.Add(1))
				err := insert(ctx, db, n)
				mu.Lock()
				if err == nil {
					_, err = fmt.Fprintln(w, n)
				}
				mu.Unlock()
				if err != nil {
					failed <- err
					return
				}
			}
		}()
	}
	return <-failed
}
