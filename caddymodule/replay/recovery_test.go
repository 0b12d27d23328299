package replay

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

func newDurable(t *testing.T, dir string, c *testClock) *Memory {
	t.Helper()
	m, err := OpenMemory(MemoryOptions{Dir: dir, Capacity: 100_000, Clock: c.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shut(t, m) })
	return m
}

func wantStart(t *testing.T, m *Memory, start Start, notBefore int64) {
	t.Helper()
	r := m.Recovery()
	if r.Start != start || r.NotBefore != notBefore || m.NotBefore() != notBefore || (r.Reason != nil) != (start == UncleanStart) {
		t.Errorf("recovered %v, not before start%+d, %v; want %v, start%+d",
			r.Start, r.NotBefore-epochStart, r.Reason, start, notBefore-epochStart)
	}
}

// crashed is a copy of the directory of a running store: what kill -9 leaves.
func crashed(t *testing.T, dir string) string {
	t.Helper()
	copied := t.TempDir()
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return copied
}

func TestFirstStartServesItsFirstSecond(t *testing.T) {
	c := newClock()
	m := newDurable(t, filepath.Join(t.TempDir(), "new", "replay"), c)
	wantStart(t, m, FirstStart, epochStart-1)
	want(t, m, "a", epochStart, fresh)
	want(t, m, "b", epochStart-1, ErrRange)
}

func TestGracefulRestartRemembers(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	m := newDurable(t, dir, c)
	for i := range 10_000 {
		want(t, m, strconv.Itoa(i), epochStart+int64(i)/100, fresh)
	}
	shut(t, m)
	c.add(100)
	m = newDurable(t, dir, c)
	wantStart(t, m, CleanStart, epochStart-1)
	if got := m.Recovery().Nonces; got != 10_000 || m.Stats().Live != 10_000 {
		t.Errorf("%d nonces read back, %d live", got, m.Stats().Live)
	}
	for i := range 10_000 {
		want(t, m, strconv.Itoa(i), epochStart+int64(i)/100, replayed)
	}
	want(t, m, "new", epochStart, fresh)
	c.add(keep + 2*bucketSeconds)
	want(t, m, "later", c.unix(), fresh)
	if live := m.Stats().Live; live != 1 {
		t.Errorf("%d live after all expired, want 1", live)
	}
}

func TestFloorSurvivesAGracefulRestart(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	m := newDurable(t, dir, c)
	want(t, m, "a", epochStart, fresh)
	c.add(keep + 2*bucketSeconds)
	want(t, m, "b", c.unix(), fresh)
	floor := m.NotBefore()
	shut(t, m)
	m = newDurable(t, dir, c)
	wantStart(t, m, CleanStart, floor)
	want(t, m, "a", epochStart, ErrRange)
}

func TestStopUnderLoadSavesAllThatWasAccepted(t *testing.T) {
	for range 10 {
		dir, c := t.TempDir(), newClock()
		m := newDurable(t, dir, c)
		var accepted sync.Map
		var all sync.WaitGroup
		started := make(chan struct{}, 4)
		for worker := range 4 {
			all.Go(func() {
				for i := 0; ; i++ {
					if i == 200 {
						started <- struct{}{}
					}
					nonce, timestamp := strconv.Itoa(worker)+"/"+strconv.Itoa(i), epochStart+int64(i)
					raise(&c.second, timestamp) // buckets expire meanwhile
					got, err := m.Use(context.Background(), "key", nonce, timestamp, timestamp+30)
					if errors.Is(err, ErrClosed) {
						return
					}
					if got && err == nil {
						accepted.Store(nonce, timestamp)
					}
				}
			})
		}
		for range cap(started) {
			<-started
		}
		shut(t, m)
		all.Wait()
		m = newDurable(t, dir, c)
		if r := m.Recovery(); r.Start != CleanStart {
			t.Fatal(r)
		}
		for nonce, timestamp := range accepted.Range {
			if got, _ := m.Use(context.Background(), "key", nonce.(string), timestamp.(int64), timestamp.(int64)+30); got {
				t.Errorf("%s accepted again", nonce)
			}
		}
	}
}

func TestRetentionSurvivesAGracefulRestart(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	m := newDurable(t, dir, c)
	if got, err := m.Use(context.Background(), "key", "a", epochStart, epochStart+1800); !got || err != nil {
		t.Fatal(got, err)
	}
	shut(t, m)
	m = newDurable(t, dir, c)
	c.add(1700)
	want(t, m, "b", c.unix(), fresh)
	want(t, m, "a", epochStart, replayed)
}

func TestLoweredCapacityLosesNoNonceOverARestart(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	m := newDurable(t, dir, c)
	for i := range 100 {
		want(t, m, strconv.Itoa(i), epochStart, fresh)
	}
	shut(t, m)
	m, err := OpenMemory(MemoryOptions{Dir: dir, Capacity: 10, Clock: c.now})
	if err != nil {
		t.Fatal(err)
	}
	defer shut(t, m)
	for i := range 100 {
		want(t, m, strconv.Itoa(i), epochStart, replayed)
	}
	want(t, m, "new", epochStart, ErrFull)
}

func TestKilledStoreRefusesWhatItMayHaveAccepted(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	m := newDurable(t, dir, c)
	want(t, m, "a", epochStart, fresh)
	want(t, m, "ahead", epochStart+200, fresh)
	dir = crashed(t, dir)
	c.add(5)
	m = newDurable(t, dir, c)
	wantStart(t, m, UncleanStart, epochStart+200+markLead)
	want(t, m, "a", epochStart, ErrRange)
	want(t, m, "ahead", epochStart+200, ErrRange)
	c.add(300)
	want(t, m, "a", c.unix(), fresh)
}

// A state file counts once: killed after a clean start, the store must not read it again.
func TestUsedStateFileIsNotReadAgain(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	m := newDurable(t, dir, c)
	want(t, m, "a", epochStart, fresh)
	shut(t, m)
	used, err := os.ReadFile(filepath.Join(dir, stateName))
	if err != nil {
		t.Fatal(err)
	}
	m = newDurable(t, dir, c)
	want(t, m, "b", epochStart, fresh)
	dir = crashed(t, dir)
	if err := os.WriteFile(filepath.Join(dir, stateName), used, 0o600); err != nil {
		t.Fatal(err)
	}
	m = newDurable(t, dir, c)
	wantStart(t, m, UncleanStart, epochStart+markLead)
	want(t, m, "b", epochStart, ErrRange)
}

func TestDamageIsAnUncleanStart(t *testing.T) {
	damage := func(name string, change func([]byte) []byte) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			path := filepath.Join(dir, name)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, change(b), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	remove := func(name string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	flip := func(b []byte) []byte { b[len(b)/2] ^= 1; return b }
	empty := func([]byte) []byte { return nil }
	half := func(b []byte) []byte { return b[:len(b)/2] }
	longer := func(b []byte) []byte { return append(b, 0) }
	const known, unknown = epochStart + markLead, epochStart + 1 + MaxAhead // the restart is a second later
	for name, test := range map[string]struct {
		harm func(t *testing.T, dir string)
		want int64
	}{
		"state gone":      {remove(stateName), known},
		"state flipped":   {damage(stateName, flip), known},
		"state empty":     {damage(stateName, empty), known},
		"state truncated": {damage(stateName, half), known},
		"state longer":    {damage(stateName, longer), known},
		"mark gone":       {remove(markName), unknown},
		"mark flipped":    {damage(markName, flip), unknown},
		"mark empty":      {damage(markName, empty), unknown},
		"mark truncated":  {damage(markName, half), unknown},
		"mark longer":     {damage(markName, longer), unknown},
	} {
		t.Run(name, func(t *testing.T) {
			dir, c := t.TempDir(), newClock()
			m := newDurable(t, dir, c)
			for i := range 50 {
				want(t, m, strconv.Itoa(i), epochStart, fresh)
			}
			shut(t, m)
			test.harm(t, dir)
			c.add(1)
			m = newDurable(t, dir, c)
			wantStart(t, m, UncleanStart, test.want)
			want(t, m, "0", epochStart, ErrRange)
			if live := m.Stats().Live; live != 0 {
				t.Errorf("%d nonces of a damaged file are live", live)
			}
			c.at(test.want + 1)
			want(t, m, "0", c.unix(), fresh)
			c.add(keep + 2*bucketSeconds)
			if live := m.Stats().Live; live != 0 {
				t.Errorf("%d live after all expired", live)
			}
		})
	}
}

func TestStateOfAnotherDirectoryIsNotTrusted(t *testing.T) {
	c := newClock()
	dirs := [2]string{t.TempDir(), t.TempDir()}
	for _, dir := range dirs {
		m := newDurable(t, dir, c)
		want(t, m, dir, epochStart, fresh)
		shut(t, m)
	}
	if err := os.Rename(filepath.Join(dirs[0], stateName), filepath.Join(dirs[1], stateName)); err != nil {
		t.Fatal(err)
	}
	m := newDurable(t, dirs[1], c)
	wantStart(t, m, UncleanStart, epochStart+markLead)
	if !errors.Is(m.Recovery().Reason, errCorrupt) || !strings.Contains(m.Recovery().Reason.Error(), "another run") {
		t.Error(m.Recovery().Reason)
	}
}

func TestDirectoryServesOneStoreAtATime(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	m := newDurable(t, dir, c)
	if _, err := OpenMemory(MemoryOptions{Dir: dir, Capacity: 1}); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("second store: %v", err)
	}
	shut(t, m)
	newDurable(t, dir, c)
}

func TestDirectoryThatCannotBeUsedIsAnError(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, filepath.Join(file, "below"), "/proc/none/replay"} {
		if _, err := OpenMemory(MemoryOptions{Dir: path, Capacity: 1}); err == nil {
			t.Errorf("%s was accepted", path)
		}
	}
}

// What cannot be read may be whole: the operator can repair it, so it is no unclean start.
func TestUnreadableFileStopsTheStart(t *testing.T) {
	for _, name := range []string{markName, stateName} {
		dir, c := t.TempDir(), newClock()
		m := newDurable(t, dir, c)
		want(t, m, "a", epochStart, fresh)
		shut(t, m)
		path := filepath.Join(dir, name)
		if err := os.Rename(path, path+".aside"); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(path, 0o700); err != nil { // reading a directory fails with EISDIR
			t.Fatal(err)
		}
		if _, err := OpenMemory(MemoryOptions{Dir: dir, Capacity: 1, Clock: c.now}); err == nil {
			t.Errorf("started without reading %s", name)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".aside", path); err != nil {
			t.Fatal(err)
		}
		want(t, newDurable(t, dir, c), "a", epochStart, replayed)
	}
}

func TestFilesAreForTheOwnerOnly(t *testing.T) {
	dir, c := filepath.Join(t.TempDir(), "replay"), newClock()
	shut(t, newDurable(t, dir, c))
	for path, mode := range map[string]os.FileMode{
		dir: os.ModeDir | 0o700, filepath.Join(dir, markName): 0o600, filepath.Join(dir, stateName): 0o600,
	} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != mode {
			t.Errorf("%s has mode %v, want %v", path, info.Mode(), mode)
		}
	}
}

func TestStartsHaveNames(t *testing.T) {
	if got := []string{FirstStart.String(), CleanStart.String(), UncleanStart.String()}; strings.Join(got, ", ") != "first start, clean start, unclean start" {
		t.Error(got)
	}
}
