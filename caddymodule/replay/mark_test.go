package replay

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

func readHigh(t *testing.T, dir string) int64 {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, markName))
	if err != nil {
		t.Fatal(err)
	}
	r, err := decodeMark(b)
	if err != nil {
		t.Fatal(err)
	}
	return r.high
}

func TestMarkRunsAheadWhileRequestsComeAndRestsWhenIdle(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		m, err := OpenMemory(MemoryOptions{Dir: dir, Capacity: 100_000})
		if err != nil {
			t.Fatal(err)
		}
		defer shut(t, m)
		for i := range 100 {
			now := time.Now().Unix()
			want(t, m, strconv.Itoa(i), now, fresh)
			if high := m.mark.high.Load(); high < now || high > now+markLead {
				t.Fatalf("the mark is at now%+d", high-now)
			}
			time.Sleep(100 * time.Millisecond)
			synctest.Wait()
		}
		newest := m.newest.Load()
		time.Sleep(2 * renewEvery)
		synctest.Wait()
		resting := readHigh(t, dir)
		if resting != newest+markLead {
			t.Errorf("the mark rests at the newest timestamp%+d", resting-newest)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if high := readHigh(t, dir); high != resting {
			t.Errorf("an idle store moved its mark by %d", high-resting)
		}
		now := time.Now().Unix()
		want(t, m, "after the rest", now, fresh)
		if high := readHigh(t, dir); high < now {
			t.Errorf("accepted now, with the mark at now%+d", high-now)
		}
	})
}

// stuck is a mark file whose writes wait for release.
type stuck struct {
	file
	entered, release chan struct{}
}

func (s stuck) WriteAt(b []byte, at int64) (int, error) {
	s.entered <- struct{}{}
	<-s.release
	return s.file.WriteAt(b, at)
}

func TestWaitingForTheDiskEndsWithTheContext(t *testing.T) {
	m := newDurable(t, t.TempDir(), newClock())
	s := stuck{m.mark.file, make(chan struct{}, 1), make(chan struct{})}
	m.mark.file = s
	first := make(chan error)
	go func() {
		_, err := m.Use(context.Background(), "key", "first", epochStart, epochStart+keep)
		first <- err
	}()
	<-s.entered
	reason := errors.New("client went away")
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(reason)
	if got, err := m.Use(ctx, "key", "second", epochStart, epochStart+keep); got || !errors.Is(err, ErrUnavailable) || !errors.Is(err, reason) {
		t.Errorf("got %v, %v", got, err)
	}
	close(s.release)
	if err := <-first; err != nil {
		t.Error(err)
	}
	want(t, m, "second", epochStart, fresh)
}

func TestSecondWaiterDoesNotWriteAgain(t *testing.T) {
	m := newDurable(t, t.TempDir(), newClock())
	s := stuck{m.mark.file, make(chan struct{}, 1), make(chan struct{})}
	m.mark.file = s
	results := make(chan error)
	for range 10 {
		go func() {
			_, err := m.Use(context.Background(), "key", "nonce", epochStart, epochStart+keep)
			results <- err
		}()
	}
	<-s.entered
	s.release <- struct{}{}
	for range 10 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	m.mark.file = s.file
}

func FuzzDecodeMark(f *testing.F) {
	whole := markRecord{epoch{1}, epochStart}.encode()
	f.Add(whole)
	f.Add(whole[:len(whole)-1])
	f.Add(append(bytes.Clone(whole), 0))
	f.Add(markRecord{epoch{1}, -1}.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decodeMark(b)
		if err != nil {
			if !errors.Is(err, errCorrupt) {
				t.Error(err)
			}
			return
		}
		if r.high < 0 || !bytes.Equal(r.encode(), b) {
			t.Errorf("accepted %x as %+v", b, r)
		}
	})
}
