package controlplane

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// memoryStore is the part of a store that a follower reads, with faults to order.
type memoryStore struct {
	Store
	mu    sync.Mutex
	down  error
	tx    memoryTx
	wake  chan struct{}
	views atomic.Int64
}

type memoryTx struct {
	Tx
	revision    int64
	merchants   []MerchantRecord
	keys        []KeyRecord
	merchantErr error
	keyErr      error
}

func newMemoryStore() *memoryStore { return &memoryStore{wake: make(chan struct{}, 1)} }

func (s *memoryStore) View(_ context.Context, fn func(Tx) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.views.Add(1)
	if s.down != nil {
		return s.down
	}
	return fn(&s.tx)
}

func (s *memoryStore) Watch(context.Context) <-chan struct{} { return s.wake }

// change edits the store and, unless silent, wakes its followers.
func (s *memoryStore) change(silent bool, fn func(tx *memoryTx)) {
	s.mu.Lock()
	s.tx.revision++
	fn(&s.tx)
	s.mu.Unlock()
	if !silent {
		s.wake <- struct{}{}
	}
}

func (t *memoryTx) Revision(context.Context) (int64, error) { return t.revision, nil }

func (t *memoryTx) SnapshotSize(context.Context) (merchants, keys int, err error) {
	return len(t.merchants), len(t.keys), nil
}

func (t *memoryTx) SnapshotMerchants(_ context.Context, after int64, fn func(MerchantRecord) error) error {
	for _, m := range t.merchants {
		if m.Revision > after {
			if err := fn(m); err != nil {
				return err
			}
		}
	}
	return t.merchantErr
}

func (t *memoryTx) SnapshotKeys(_ context.Context, after int64, _ time.Time, fn func(KeyRecord) error) error {
	for _, k := range t.keys {
		if k.Revision > after {
			if err := fn(k); err != nil {
				return err
			}
		}
	}
	return t.keyErr
}

func (t *memoryTx) addMerchant(n int, cidrs ...string) {
	t.merchants = append(t.merchants, MerchantRecord{ID: testMerchantID(n), State: MerchantActive, Revision: t.revision, Allowlist: prefixes(cidrs...)})
}

func (t *memoryTx) addKey(n, merchant int, secret string) {
	k := testKey(Test, n, merchant, KeyActive)
	k.Revision, k.SealedSecret = t.revision, []byte("sealed:"+k.ID+":"+secret)
	t.keys = append(t.keys, k)
}

// boundSealer opens only what was sealed for the same place.
type boundSealer struct{ Sealer }

func (boundSealer) Unseal(purpose string, aad, record []byte) ([]byte, error) {
	parts := strings.SplitN(string(record), ":", 3)
	if purpose != PurposeAPISecret || parts[0] != "sealed" || !strings.Contains(string(aad), parts[1]) {
		return nil, errors.New("does not open")
	}
	return []byte(parts[2]), nil
}

// following runs fn in a bubble of time with a follower at work.
func following(t *testing.T, s *memoryStore, fn func(t *testing.T, f *Follower, problems func() []string)) {
	followingSince(t, s, 0, func(*Follower) {}, fn)
}

// followingSince has a follower that something was done to before it began.
func followingSince(t *testing.T, s *memoryStore, maxStale time.Duration, before func(*Follower), fn func(t *testing.T, f *Follower, problems func() []string)) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var problems []string
		f := NewFollower(FollowerConfig{Store: s, Sealer: boundSealer{}, Clock: time.Now, MaxStale: maxStale, OnError: func(err error) {
			mu.Lock()
			defer mu.Unlock()
			problems = append(problems, err.Error())
		}})
		before(f)
		s.wake = make(chan struct{}, 1)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- f.Run(ctx) }()
		fn(t, f, func() []string {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(problems)
		})
		stop()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run returned %v", err)
		}
	})
}

func TestFollowerLoadsAndFollows(t *testing.T) {
	s := newMemoryStore()
	s.tx.revision = 3
	s.tx.addMerchant(1, "203.0.113.0/24")
	for n := range 3 * workerBatch {
		s.tx.addKey(n, 1, fmt.Sprintf("secret %d", n))
	}
	following(t, s, func(t *testing.T, f *Follower, problems func() []string) {
		must(t, f.WaitRevision(t.Context(), 3))
		first := f.Current()
		if first.Len() != 3*workerBatch || first.Revision() != 3 {
			t.Fatalf("%d keys at revision %d", first.Len(), first.Revision())
		}
		for n := range 3 * workerBatch {
			c, ok := first.Key(testKeyID(Test, n))
			if want := material(t, Test, fmt.Sprintf("secret %d", n)); !ok || c.MAC() != want.mac {
				t.Fatalf("key %d: %v", n, ok)
			}
		}
		start := time.Now()
		s.change(false, func(tx *memoryTx) {
			tx.addMerchant(2, "198.51.100.0/24")
			tx.addKey(5000, 2, "x")
			tx.keys[0].State, tx.keys[0].Revision = KeyRevoked, tx.revision
		})
		must(t, f.WaitRevision(t.Context(), 4))
		if waited := time.Since(start); waited > followerRest {
			t.Errorf("a change with a wake-up took %v", waited)
		}
		next := f.Current()
		if c, ok := next.Key(testKeyID(Test, 5000)); !ok || string(c.Merchant().AppendID(nil)) != testMerchantID(2) {
			t.Error("the new key is not there")
		}
		if c, _ := next.Key(testKeyID(Test, 0)); c.StateAt(time.Now()) != KeyRevoked {
			t.Error("the revocation did not arrive")
		}
		if c, _ := first.Key(testKeyID(Test, 0)); c.StateAt(time.Now()) != KeyActive {
			t.Error("a published snapshot changed")
		}
		s.change(true, func(tx *memoryTx) { tx.addKey(5001, 2, "y") })
		must(t, f.WaitRevision(t.Context(), 5))
		if waited := time.Since(start); waited > 2*DefaultPoll {
			t.Errorf("a change without a wake-up took %v", waited)
		}
		if p := problems(); len(p) > 0 {
			t.Errorf("problems: %q", p)
		}
	})
}

func TestFollowerKeepsTheLastGoodSnapshot(t *testing.T) {
	s := newMemoryStore()
	s.down = errors.New("store is away")
	following(t, s, func(t *testing.T, f *Follower, problems func() []string) {
		time.Sleep(time.Minute)
		if _, ok := f.Age(time.Now()); ok || f.Current() != nil || !f.LastSuccess().IsZero() {
			t.Error("there is a snapshot without a load")
		}
		if n := len(problems()); n < 10 || n > 30 {
			t.Errorf("%d attempts in a minute", n)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := f.WaitRevision(ctx, 0); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("WaitRevision: %v", err)
		}
		s.mu.Lock()
		s.down = nil
		s.tx.revision = 1
		s.tx.addMerchant(1)
		s.tx.addKey(1, 1, "x")
		s.mu.Unlock()
		must(t, f.WaitRevision(t.Context(), 1))
		for _, fault := range []func(error){
			func(err error) { s.down = err },
			func(err error) { s.tx.merchantErr = err },
			func(err error) { s.tx.keyErr = err },
		} {
			s.mu.Lock()
			s.tx.revision++
			fault(errors.New("broken"))
			s.mu.Unlock()
			before := f.Current()
			time.Sleep(10 * time.Second)
			if f.Current() != before {
				t.Error("a failed read was published")
			}
			if age, ok := f.Age(time.Now()); !ok || age < 9*time.Second {
				t.Errorf("age %v, %v", age, ok)
			}
			s.mu.Lock()
			fault(nil)
			s.mu.Unlock()
			time.Sleep(10 * time.Second)
			if age, _ := f.Age(time.Now()); age > DefaultPoll {
				t.Errorf("age %v after the store came back", age)
			}
		}
	})
}

func TestFollowerLeavesOutKeysThatDoNotOpen(t *testing.T) {
	s := newMemoryStore()
	s.tx.revision = 1
	s.tx.addMerchant(1)
	s.tx.addKey(1, 1, "one")
	s.tx.addKey(2, 1, "two")
	following(t, s, func(t *testing.T, f *Follower, problems func() []string) {
		must(t, f.WaitRevision(t.Context(), 1))
		good := s.tx.keys[0].SealedSecret
		s.change(false, func(tx *memoryTx) {
			tx.keys[0].State, tx.keys[0].SealedSecret, tx.keys[0].Revision = KeyRevoked, tx.keys[1].SealedSecret, tx.revision
			tx.keys[1].Revision = tx.revision
		})
		must(t, f.WaitRevision(t.Context(), 2))
		if _, ok := f.Current().Key(testKeyID(Test, 1)); ok {
			t.Error("the key kept the state before the change")
		}
		if _, ok := f.Current().Key(testKeyID(Test, 2)); !ok || f.Unreadable() != 1 {
			t.Errorf("another key was lost; %d left out", f.Unreadable())
		}
		synctest.Wait()
		if p := problems(); len(p) != 1 || !strings.Contains(p[0], testKeyID(Test, 1)) || !strings.HasPrefix(p[0], "1 keys are left out") {
			t.Errorf("problems: %q", p)
		}
		// The cause goes away without a change of the row.
		s.mu.Lock()
		s.tx.keys[0].SealedSecret = good
		s.mu.Unlock()
		time.Sleep(2 * unreadableRetry)
		if _, ok := f.Current().Key(testKeyID(Test, 1)); !ok || f.Unreadable() != 0 {
			t.Error("the key did not come back")
		}
		views := s.views.Load()
		time.Sleep(10 * time.Second)
		if n := s.views.Load() - views; n > 11 {
			t.Errorf("%d views in ten seconds", n)
		}
	})
}

func TestFollowerReportsRecordsThatDoNotFit(t *testing.T) {
	s := newMemoryStore()
	s.tx.revision = 1
	s.tx.addMerchant(1)
	s.tx.merchants = append(s.tx.merchants, MerchantRecord{ID: "mer_bad", Revision: 1})
	s.tx.addKey(1, 99, "orphan")
	s.tx.addKey(2, 1, "")
	following(t, s, func(t *testing.T, f *Follower, problems func() []string) {
		must(t, f.WaitRevision(t.Context(), 1))
		synctest.Wait()
		if f.Unreadable() != 2 || len(problems()) != 2 || f.Current().Len() != 0 {
			t.Errorf("%d left out, problems %q", f.Unreadable(), problems())
		}
	})
}

func TestFollowerLoadsAnewWhenTheRevisionWentBack(t *testing.T) {
	s := newMemoryStore()
	s.tx.revision = 9
	s.tx.addMerchant(1, "10.0.0.0/8")
	s.tx.addKey(1, 1, "x")
	following(t, s, func(t *testing.T, f *Follower, _ func() []string) {
		must(t, f.WaitRevision(t.Context(), 9))
		s.mu.Lock()
		s.tx = memoryTx{revision: 2}
		s.tx.addMerchant(1)
		s.mu.Unlock()
		time.Sleep(2 * DefaultPoll)
		now := f.Current()
		raw, _ := ParseID(PrefixMerchant, testMerchantID(1))
		m, ok := now.Merchant(raw)
		if now.Revision() != 2 || now.Len() != 0 || !ok {
			t.Fatalf("revision %d, %d keys", now.Revision(), now.Len())
		}
		if _, ok := m.Allowed(netip.MustParseAddr("10.0.0.1")); ok {
			t.Error("the allowlist of before is in force")
		}
	})
}

func TestFollowerOutlivesTheWatch(t *testing.T) {
	s := newMemoryStore()
	following(t, s, func(t *testing.T, f *Follower, _ func() []string) {
		must(t, f.WaitRevision(t.Context(), 0))
		close(s.wake)
		s.change(true, func(tx *memoryTx) { tx.addMerchant(1) })
		must(t, f.WaitRevision(t.Context(), 1))
	})
}
