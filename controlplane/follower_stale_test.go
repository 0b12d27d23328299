package controlplane

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestSnapshotIsWithdrawnWhenItIsTooOldAndComesBackWithTheStore(t *testing.T) {
	s := newMemoryStore()
	s.tx.revision = 3
	s.tx.addMerchant(1, "203.0.113.0/24")
	s.tx.addKey(1, 1, "secret")
	followingSince(t, s, 24*time.Hour, func(*Follower) {}, func(t *testing.T, f *Follower, problems func() []string) {
		must(t, f.WaitRevision(t.Context(), 3))
		time.Sleep(72 * time.Hour) // nothing changes, and the store says so
		if f.Current() == nil {
			t.Fatal("a snapshot that the store confirms every second is withdrawn")
		}
		s.mu.Lock()
		s.down = errors.New("store is away")
		s.mu.Unlock()
		time.Sleep(24*time.Hour - 2*time.Second)
		if f.Current() == nil {
			t.Error("it is withdrawn before its time")
		}
		time.Sleep(4 * time.Second)
		if f.Current() != nil {
			t.Error("it is not withdrawn")
		}
		s.mu.Lock()
		s.down = nil
		s.mu.Unlock()
		s.change(true, func(tx *memoryTx) { tx.keys[0].State = KeyRevoked })
		time.Sleep(followerRetryMax + time.Second)
		c, ok := f.Current().Key(testKeyID(Test, 1))
		if !ok || c.State() != KeyRevoked {
			t.Errorf("after the return: %v, %v", ok, c.State())
		}
		if n := len(problems()); n == 0 {
			t.Error("nobody was told")
		}
	})
}

// hangingStore does not answer while it is away, not even with an error.
type hangingStore struct {
	*memoryStore
	away chan struct{}
}

func (s *hangingStore) View(ctx context.Context, fn func(Tx) error) error {
	select {
	case <-s.away:
		<-ctx.Done()
		return ctx.Err()
	default:
		return s.memoryStore.View(ctx, fn)
	}
}

func TestSnapshotIsWithdrawnWhenTheStoreHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &hangingStore{newMemoryStore(), make(chan struct{})}
		f := NewFollower(FollowerConfig{Store: s, Sealer: boundSealer{}, Clock: time.Now, MaxStale: time.Hour})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- f.Run(ctx) }()
		must(t, f.WaitRevision(ctx, 0))
		close(s.away)
		time.Sleep(59 * time.Minute)
		if f.Current() == nil {
			t.Error("it is withdrawn before its time")
		}
		time.Sleep(2 * time.Minute)
		if f.Current() != nil {
			t.Error("it is not withdrawn")
		}
		stop()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run returned %v", err)
		}
	})
}

// kept is a snapshot of an earlier run, with a key that the store does not have.
func kept(t *testing.T) *Snapshot {
	e := NewSnapshot().Edit()
	must(t, e.SetMerchant(MerchantRecord{ID: testMerchantID(1), State: MerchantActive}))
	must(t, e.SetKey(testKey(Test, 9, 1, KeyActive), material(t, Test, "old")))
	return e.Snapshot(3)
}

func TestRestoredSnapshotDecidesUntilTheFirstLoadOfEverything(t *testing.T) {
	s := newMemoryStore()
	s.tx.revision = 3 // the same, and yet the content is not
	s.tx.addMerchant(1, "203.0.113.0/24")
	s.tx.addKey(1, 1, "secret")
	s.down = errors.New("store is away")
	var since time.Time
	restore := func(f *Follower) {
		since = time.Now().Add(-time.Hour)
		f.Restore(kept(t), since)
	}
	followingSince(t, s, 24*time.Hour, restore, func(t *testing.T, f *Follower, _ func() []string) {
		must(t, f.WaitRevision(t.Context(), 0)) // a start does not wait
		time.Sleep(10 * time.Minute)
		if _, ok := f.Current().Key(testKeyID(Test, 9)); !ok || !f.LastSuccess().Equal(since) {
			t.Fatalf("%v, confirmed at %v", ok, f.LastSuccess())
		}
		s.mu.Lock()
		s.down = nil
		s.mu.Unlock()
		time.Sleep(2 * followerRetryMax)
		_, old := f.Current().Key(testKeyID(Test, 9))
		if _, ok := f.Current().Key(testKeyID(Test, 1)); !ok || old {
			t.Errorf("after the first load: the new key %v, the old one %v", ok, old)
		}
		loads := s.views.Load()
		time.Sleep(10 * time.Second)
		if n := s.views.Load() - loads; n > 15 {
			t.Errorf("%d looks in ten seconds", n)
		}
	})
}

func TestRestoredSnapshotCountsFromItsConfirmation(t *testing.T) {
	for name, c := range map[string]struct {
		confirmed time.Duration // ago
		decides   time.Duration // after the start
	}{
		"an hour ago":       {time.Hour, 23 * time.Hour},
		"a day ago":         {24*time.Hour + time.Second, 0},
		"long ago":          {1000 * time.Hour, 0},
		"by a faster clock": {-time.Hour, 25 * time.Hour},
		"in the far future": {-1000 * time.Hour, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := newMemoryStore()
			s.down = errors.New("store is away")
			restore := func(f *Follower) { f.Restore(kept(t), time.Now().Add(-c.confirmed)) }
			followingSince(t, s, 24*time.Hour, restore, func(t *testing.T, f *Follower, _ func() []string) {
				if got := f.Current() != nil; got != (c.decides > 0) {
					t.Fatalf("it decides: %v", got)
				}
				if c.decides == 0 {
					return
				}
				time.Sleep(c.decides - 2*time.Second)
				if f.Current() == nil {
					t.Error("it is withdrawn before its time")
				}
				time.Sleep(4 * time.Second)
				if f.Current() != nil {
					t.Error("it is not withdrawn")
				}
			})
		})
	}
}
