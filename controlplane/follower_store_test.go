package controlplane_test

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"

	. "github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/signature"
)

// follow starts a follower of the world's real store and keyring.
func (w *world) follow() *Follower {
	w.Helper()
	ignore := goleak.IgnoreCurrent()
	f := NewFollower(FollowerConfig{Store: w.store, Sealer: w.ring, Clock: w.clock.Now, OnError: func(err error) { w.Errorf("follower: %v", err) }})
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	w.Cleanup(func() {
		stop()
		if err := <-done; !errors.Is(err, context.Canceled) {
			w.Errorf("Run returned %v", err)
		}
		goleak.VerifyNone(w, ignore)
	})
	return f
}

// caughtUp returns the snapshot that shows the newest revision.
func (w *world) caughtUp(f *Follower) *Snapshot {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), 10*time.Second)
	defer cancel()
	w.must(f.WaitRevision(ctx, w.revision()))
	return f.Current()
}

func TestFollowerEnforcesOperations(t *testing.T) {
	w := newWorld(t)
	m := w.merchant("before the gateway")
	early := w.key(m.ID, Live)
	f := w.follow()
	now := w.clock.Now()

	c, found := w.caughtUp(f).Key(early.Key.ID)
	if want := ok(signature.NewMACKey([]byte(early.Secret.Reveal())))(t); !found || c.MAC() != want {
		t.Fatal("a key of before is not in the first load")
	}
	addr := netip.MustParseAddr("203.0.113.9")
	if _, allowed := c.Merchant().Allowed(addr); allowed {
		t.Error("an empty allowlist let an address in")
	}

	entry := ok(w.AddAllowlistEntry(t.Context(), local(), AddAllowlistEntry{MerchantID: m.ID, CIDR: "203.0.113.0/24", Note: "office"}))(t)
	c, _ = w.caughtUp(f).Key(early.Key.ID)
	if _, allowed := c.Merchant().Allowed(addr); !allowed {
		t.Error("the new entry does not let its address in")
	}

	rotated := ok(w.RotateKey(t.Context(), local(), RotateKey{MerchantID: m.ID, Environment: Live, Overlap: OverlapHour}))(t)
	s := w.caughtUp(f)
	old, _ := s.Key(early.Key.ID)
	if _, found := s.Key(rotated.Key.ID); !found || old.StateAt(now) != KeyRetiring || old.StateAt(now.Add(time.Hour)) != KeyRevoked {
		t.Errorf("rotation: new key found %v, old one %s", found, old.StateAt(now))
	}

	test := w.key(m.ID, Test)
	c, _ = w.caughtUp(f).Key(test.Key.ID)
	if c.TestSecret().Reveal() != test.Secret.Reveal() {
		t.Error("the secret of the test key is another one")
	}
	if live, found := c.LiveSibling(); !found || live.ID() != rotated.Key.ID {
		t.Error("the live key of the same merchant is not found")
	}

	ok(w.SuspendMerchant(t.Context(), local(), m.ID))(t)
	ok(w.RemoveAllowlistEntry(t.Context(), local(), RemoveAllowlistEntry{MerchantID: m.ID, EntryID: entry.ID}))(t)
	c, _ = w.caughtUp(f).Key(test.Key.ID)
	if _, allowed := c.Merchant().Allowed(addr); allowed || !c.Merchant().Suspended() {
		t.Errorf("allowed %v, suspended %v", allowed, c.Merchant().Suspended())
	}
}
