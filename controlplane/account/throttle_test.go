package account

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/tests/asvs"
)

func TestNetworkIsWhatOneAttackerHolds(t *testing.T) {
	for a, same := range map[string]string{
		"198.51.100.7": "::ffff:198.51.100.7", "2001:db8:1:2::1": "2001:db8:1:2:ffff::9", "fe80::1%eth0": "fe80::2",
	} {
		if x, y := network(netip.MustParseAddr(a)), network(netip.MustParseAddr(same)); x != y {
			t.Errorf("%s and %s are %s and %s", a, same, x, y)
		}
	}
	for a, other := range map[string]string{
		"198.51.100.7": "198.51.100.8", "2001:db8:1:2::1": "2001:db8:1:3::1",
	} {
		if network(netip.MustParseAddr(a)) == network(netip.MustParseAddr(other)) {
			t.Errorf("%s and %s share a bucket", a, other)
		}
	}
	if network(netip.Addr{}) == "" {
		t.Error("requests without an address have no bucket")
	}
}

func TestBucketsDoNotCollideOrTellNames(t *testing.T) {
	seen := map[string]bool{}
	for _, parts := range [][]string{{"user", "ann"}, {"user", "ann", ""}, {"userann"}, {"use", "rann"}, {"staff", "ann"}, {}} {
		key := passwordByName().of(parts...).key
		if seen[key] {
			t.Errorf("%q has the bucket of another", parts)
		}
		seen[key] = true
	}
	if a, b := passwordByName().of("x").key, codeByAccount().of("x").key; a == b {
		t.Error("two limits share a bucket")
	}
}

func TestAddressIsShutOutAndLocksNoNames(t *testing.T) {
	w := newWorld(t)
	w.settled("ann")
	for i := range passwordByIP().most {
		p := stranger(w, fmt.Sprintf("somebody%d", i))
		p.from = from(fmt.Sprintf("2001:db8:1:2::%x", i+1)) // one network
		_, err := p.signIn(second)
		wants(t, err, controlplane.CodeDenied)
	}
	before := w.hashes.Load()
	for range 50 {
		p := stranger(w, "ann")
		p.from = from("2001:db8:1:2::ffff")
		_, err := p.signIn(first)
		wants(t, err, controlplane.CodeLimit)
	}
	if w.hashes.Load() != before {
		t.Error("attempts that are shut out cost hashes")
	}
	p := stranger(w, "ann") // from elsewhere, on an unknown device
	p.step(controlplane.SessionActive)(p.signIn(first))
}

// An office of many people behind one address, who all get in, never fills a bucket.
func TestSuccessIsTakenBackAndFailuresStay(t *testing.T) {
	w := newWorld(t)
	w.settled("ann")
	for range 3 * passwordByIP().most {
		p := stranger(w, "ann")
		p.step(controlplane.SessionActive)(p.signIn(first))
	}
	// The owner's successes do not give a guesser new tries.
	for i := range passwordByName().most {
		_, err := stranger(w, "ann").signIn(second)
		wants(t, err, controlplane.CodeDenied)
		if i < passwordByName().most-1 {
			p := stranger(w, "ann")
			p.step(controlplane.SessionActive)(p.signIn(first))
		}
	}
	_, err := stranger(w, "ann").signIn(second)
	wants(t, err, controlplane.CodeLimit)
}

func TestWindowEnds(t *testing.T) {
	w := newWorld(t)
	w.settled("ann")
	for range passwordByName().most {
		_, err := stranger(w, "ann").signIn(second)
		wants(t, err, controlplane.CodeDenied)
		w.clock.pass(time.Minute)
	}
	_, err := stranger(w, "ann").signIn(first)
	e := wants(t, err, controlplane.CodeLimit)
	if e.RetryAfter != 5*time.Minute {
		t.Errorf("retry after %s", e.RetryAfter)
	}
	w.clock.pass(e.RetryAfter)
	p := stranger(w, "ann")
	p.step(controlplane.SessionActive)(p.signIn(first))
}

func TestLockoutIsToldOnceAndOnlyOfAccounts(t *testing.T) {
	asvs.Covers(t, "6.3.5")
	w := newWorld(t)
	w.settled("ann")
	w.told()
	for range passwordByName().most + 5 {
		if _, err := stranger(w, "ann").signIn(second); err == nil {
			t.Fatal("signed in with a wrong password")
		}
	}
	if got := w.told(); !slices.Equal(got, []controlplane.AccountNoticeKind{controlplane.NoticeLockout}) {
		t.Errorf("told %v", got)
	}
	if e := w.lastAudit(); e.Operation != controlplane.OpLockout || e.Outcome != controlplane.OutcomeDenied || e.Reason != "password/name" {
		t.Errorf("unexpected audit row: %+v", e)
	}
	for range passwordByName().most + 5 { // the trail does not grow with refused attempts
		p := stranger(w, "nobody")
		p.from = from("203.0.113.77")
		if _, err := p.signIn(second); err == nil {
			t.Fatal("signed in as nobody")
		}
	}
	if got := w.told(); len(got) != 0 {
		t.Errorf("told %v", got)
	}
}

func TestStrangersCannotLockTheOwnersDeviceOut(t *testing.T) {
	asvs.Covers(t, "6.3.1")
	w := newWorld(t)
	p := w.settled("ann")
	for i := range 100 {
		thief := stranger(w, "ann")
		thief.from = from(fmt.Sprintf("192.0.2.%d", i))
		if _, err := thief.signIn(second); err == nil {
			t.Fatal("signed in with a wrong password")
		}
	}
	thief := stranger(w, "ann")
	thief.from = p.from // behind the same address
	for range 100 {
		if _, err := thief.signIn(second); err == nil {
			t.Fatal("signed in with a wrong password")
		}
	}
	p.step(controlplane.SessionActive)(p.signIn(first))
}

func TestDeviceTokens(t *testing.T) {
	w := newWorld(t)
	p := w.settled("ann")
	w.told()
	device := p.device.Reveal()
	p.step(controlplane.SessionActive)(p.signIn(first))
	if p.device.Reveal() != device || len(w.told()) != 0 {
		t.Error("a known device is taken for a new one")
	}
	// A browser that two people share keeps its token and is new to the second.
	q := w.settled("bob")
	q.device = p.device
	w.told()
	q.step(controlplane.SessionActive)(q.signIn(first))
	if got := w.told(); q.device.Reveal() != device || !slices.Equal(got, []controlplane.AccountNoticeKind{controlplane.NoticeNewDevice}) {
		t.Errorf("told %v", got)
	}
	// A token that nobody gave out is not taken over.
	forged, _, err := newToken(w.random)
	w.must(err)
	for _, text := range []string{forged.Reveal(), "", "garbage", device + "A"} {
		r := stranger(w, "ann")
		r.device = secret(text)
		r.step(controlplane.SessionActive)(r.signIn(first))
		if r.device.Reveal() == text {
			t.Errorf("the token %q was taken over", text)
		}
	}
}

// The known device's bucket is bounded too: a stolen cookie is no free pass.
func TestKnownDeviceIsThrottledByItself(t *testing.T) {
	w := newWorld(t)
	p := w.settled("ann")
	for range passwordByDevice().most {
		_, err := p.signIn(second)
		wants(t, err, controlplane.CodeDenied)
	}
	_, err := p.signIn(first)
	wants(t, err, controlplane.CodeLimit)
	q := &person{w: w, username: "ann", from: p.from} // the name itself is not locked
	q.step(controlplane.SessionActive)(q.signIn(first))
}
