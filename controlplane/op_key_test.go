package controlplane_test

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/unknownpay/merchant-gateway/controlplane"
)

// keyRecord returns what a gateway gets to know of a key; ok is false if nothing.
func (w *world) keyRecord(id string) (found KeyRecord, ok bool) {
	w.Helper()
	w.must(w.store.View(w.Context(), func(tx Tx) error {
		return tx.SnapshotKeys(w.Context(), 0, time.Time{}, func(k KeyRecord) error {
			if k.ID == id {
				k.SealedSecret = append([]byte(nil), k.SealedSecret...)
				found, ok = k, true
			}
			return nil
		})
	}))
	return found, ok
}

// secretOf opens the sealed secret of a key, as a gateway does.
func (w *world) secretOf(id string) string {
	w.Helper()
	k, found := w.keyRecord(id)
	if !found {
		w.Fatalf("no key %s", id)
	}
	plain, err := w.ring.Unseal(PurposeAPISecret, APISecretLocation(k.ID, k.MerchantID, k.Environment).AAD(), k.SealedSecret)
	w.must(err)
	return string(plain)
}

func (w *world) keyOf(merchantID, id string) APIKey {
	w.Helper()
	for _, k := range ok(w.ListKeys(w.Context(), local(), KeyFilter{MerchantID: merchantID}))(w) {
		if k.ID == id {
			return k
		}
	}
	w.Fatalf("no key %s", id)
	return APIKey{}
}

func TestIssuedKeyIsAPairAndItsSecretIsSealed(t *testing.T) {
	w := newWorld(t)
	m := w.merchant("Shop")
	owner := w.user(m.ID, "ann", RoleOwner)
	for _, env := range []Environment{Live, Test} {
		k := ok(w.IssueKey(t.Context(), owner, IssueKey{MerchantID: m.ID, Environment: env}))(t)
		w.diffIs(OpKeyIssue, k.Key.ID, fmt.Sprintf(`{"environment":{"to":%q}}`, env))
		if !strings.HasPrefix(k.Key.ID, "unk_"+string(env)+"_") || k.Key.State != KeyActive || k.Key.CreatedBy != "ann" || k.Replaced != nil {
			t.Errorf("unexpected key: %+v", k.Key)
		}
		secret := k.Secret.Reveal()
		if !SecretLooksRight(secret) || !strings.HasPrefix(secret, "unks_"+string(env)+"_") {
			t.Errorf("the secret has not the form of one")
		}
		if w.secretOf(k.Key.ID) != secret {
			t.Errorf("the store holds another secret than was shown")
		}
		wants(t, justErr(w.IssueKey(t.Context(), owner, IssueKey{MerchantID: m.ID, Environment: env})), CodeConflict)
	}
}

func TestRotationLetsTheOldKeyWorkForTheOverlap(t *testing.T) {
	for overlap, want := range map[Overlap]KeyState{
		OverlapNone: KeyRevoked, OverlapHour: KeyRetiring, OverlapDay: KeyRetiring, OverlapWeek: KeyRetiring,
	} {
		t.Run(time.Duration(overlap).String(), func(t *testing.T) {
			w := newWorld(t)
			m := w.merchant("Shop")
			old := w.key(m.ID, Live).Key
			now := ok(w.RotateKey(t.Context(), local(), RotateKey{MerchantID: m.ID, Environment: Live, Overlap: overlap}))(t)
			end := w.clock.Now().Add(time.Duration(overlap))
			w.diffIs(OpKeyRotate, now.Key.ID, fmt.Sprintf(`{"active_key":{"from":%q,"to":%q},"old_key_stops":{"to":%q}}`,
				old.ID, now.Key.ID, end.Format(time.RFC3339Nano)))
			if now.Replaced == nil || now.Replaced.ID != old.ID || now.Replaced.Revision <= old.Revision || now.Key.Revision <= old.Revision {
				t.Errorf("unexpected rotation: %+v", now)
			}
			old = w.keyOf(m.ID, old.ID)
			if old.State != want || !old.RetireAt.Equal(end) {
				t.Errorf("the old key is %s until %s; want %s until %s", old.State, old.RetireAt, want, end)
			}
			w.clock.pass(time.Duration(overlap) - time.Microsecond)
			if overlap != OverlapNone && w.keyOf(m.ID, old.ID).State != KeyRetiring {
				t.Error("the old key stopped before its time")
			}
			w.clock.pass(time.Microsecond)
			if w.keyOf(m.ID, old.ID).State != KeyRevoked || w.keyOf(m.ID, now.Key.ID).State != KeyActive {
				t.Error("the old key outlived its time")
			}
		})
	}
}

// Of two people who rotate at once, one is told that the key is another by now.
func TestRotationOfAKeyThatWasReplacedIsRefused(t *testing.T) {
	w := newWorld(t)
	m := w.merchant("Shop")
	old := w.key(m.ID, Live).Key.ID
	in := RotateKey{MerchantID: m.ID, Environment: Live, Replaces: old, Overlap: OverlapDay}
	ok(w.RotateKey(t.Context(), local(), in))(t)
	wants(t, justErr(w.RotateKey(t.Context(), local(), in)), CodeConflict)
	if keys := ok(w.ListKeys(t.Context(), local(), KeyFilter{MerchantID: m.ID}))(t); len(keys) != 2 {
		t.Errorf("%d keys", len(keys))
	}
}

func TestRotationNeedsAnActiveKey(t *testing.T) {
	w := newWorld(t)
	m := w.merchant("Shop")
	wants(t, justErr(w.RotateKey(t.Context(), local(), RotateKey{MerchantID: m.ID, Environment: Live, Overlap: OverlapDay})), CodeConflict)
	k := w.key(m.ID, Live)
	wants(t, justErr(w.RotateKey(t.Context(), local(), RotateKey{MerchantID: m.ID, Environment: Test, Overlap: OverlapDay})), CodeConflict)
	ok(w.RetireKey(t.Context(), local(), RetireKey{MerchantID: m.ID, KeyID: k.Key.ID}))(t)
	wants(t, justErr(w.RotateKey(t.Context(), local(), RotateKey{MerchantID: m.ID, Environment: Live, Overlap: OverlapDay})), CodeConflict)
	w.key(m.ID, Live) // and a first one may be issued again
}

func TestRetiringAKey(t *testing.T) {
	w := newWorld(t)
	m, ctx := w.merchant("Shop"), t.Context()
	k := w.key(m.ID, Live).Key
	retire := func(after Overlap) (APIKey, error) {
		return w.RetireKey(ctx, local(), RetireKey{MerchantID: m.ID, KeyID: k.ID, After: after})
	}
	r := ok(retire(OverlapDay))(t)
	w.diffIs(OpKeyRetire, k.ID, `{"state":{"from":"active","to":"retiring"},"stops":{"to":"2026-03-02T12:00:00Z"}}`)
	if r.State != KeyRetiring || r.Revision <= k.Revision {
		t.Errorf("unexpected key: %+v", r)
	}
	wants(t, justErr(retire(OverlapWeek)), CodeConflict) // would live longer
	w.clock.pass(time.Hour)
	wants(t, justErr(retire(OverlapDay)), CodeConflict)
	r = ok(retire(OverlapHour))(t)
	if !r.RetireAt.Equal(w.clock.Now().Add(time.Hour)) {
		t.Errorf("the end was not brought forward: %+v", r)
	}
	r = ok(retire(OverlapNone))(t)
	w.diffIs(OpKeyRetire, k.ID, `{"state":{"from":"retiring","to":"revoked"},"stops":{"to":"2026-03-01T13:00:00Z"}}`)
	wants(t, justErr(retire(OverlapNone)), CodeConflict)
	if record, _ := w.keyRecord(k.ID); record.State != KeyRevoked {
		t.Errorf("gateways do not learn of it: %+v", record)
	}
}

func TestKeyWhoseTimeHasComeIsRevokedWithoutAnyoneWritingItDown(t *testing.T) {
	w := newWorld(t)
	m := w.merchant("Shop")
	k := w.key(m.ID, Live).Key
	ok(w.RetireKey(t.Context(), local(), RetireKey{m.ID, k.ID, OverlapHour}))(t)
	w.clock.pass(time.Hour)
	if s := w.keyOf(m.ID, k.ID).State; s != KeyRevoked {
		t.Errorf("the key is %s", s)
	}
	wants(t, justErr(w.RetireKey(t.Context(), local(), RetireKey{MerchantID: m.ID, KeyID: k.ID})), CodeConflict)
}

func TestAtMostOneActiveKeyUnderRacingIssuers(t *testing.T) {
	w := newWorld(t)
	m := w.merchant("Shop")
	w.race(t, 64, func() error {
		return justErr(w.IssueKey(t.Context(), local(), IssueKey{MerchantID: m.ID, Environment: Live}))
	}, 1)
	w.race(t, 16, func() error {
		return justErr(w.RotateKey(t.Context(), local(), RotateKey{MerchantID: m.ID, Environment: Live, Overlap: OverlapHour}))
	}, 16)
	active := 0
	for _, k := range ok(w.ListKeys(t.Context(), local(), KeyFilter{MerchantID: m.ID}))(t) {
		if k.State == KeyActive {
			active++
		}
	}
	if active != 1 {
		t.Fatalf("%d active keys", active)
	}
}

// race runs try n times at once; want of them must succeed and the others conflict.
func (w *world) race(t *testing.T, n int, try func() error, want int32) {
	t.Helper()
	var won atomic.Int32
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			if err := try(); err == nil {
				won.Add(1)
			} else if CodeOf(err) != CodeConflict {
				t.Errorf("unexpected error: %v", err)
			}
		})
	}
	all.Wait()
	if won.Load() != want {
		t.Fatalf("%d of %d succeeded; want %d", won.Load(), n, want)
	}
}

func TestListKeysByEnvironmentNewestFirst(t *testing.T) {
	w := newWorld(t)
	m := w.merchant("Shop")
	first := w.key(m.ID, Live).Key
	w.clock.pass(time.Second)
	test := w.key(m.ID, Test).Key
	w.clock.pass(time.Second)
	second := ok(w.RotateKey(t.Context(), local(), RotateKey{MerchantID: m.ID, Environment: Live, Overlap: OverlapDay}))(t).Key
	for env, want := range map[Environment]string{
		"": second.ID + test.ID + first.ID, Live: second.ID + first.ID, Test: test.ID,
	} {
		got := ""
		for _, k := range ok(w.ListKeys(t.Context(), local(), KeyFilter{m.ID, env}))(t) {
			got += k.ID
		}
		if got != want {
			t.Errorf("%q: got %s; want %s", env, got, want)
		}
	}
	wants(t, justErr(w.ListKeys(t.Context(), local(), KeyFilter{m.ID, "both"})), CodeInvalid)
}

func TestLastUseIsRaisedNeverLowered(t *testing.T) {
	w := newWorld(t)
	s := w.site("Shop")
	entries := ok(w.ListAllowlist(t.Context(), local(), s.ID))(t)
	use := func(at time.Time, ip string) {
		w.must(w.RecordUse(t.Context(), Use{
			Keys:    []KeyUse{{KeyID: s.live.ID, At: at, IP: netip.MustParseAddr(ip)}},
			Matches: []AllowlistMatch{{Row: entries[0].Row, At: at}},
		}))
	}
	revision, rows := w.revision(), w.auditRows()
	later := w.clock.Now().Add(time.Minute)
	use(later, "198.51.100.2")
	use(w.clock.Now(), "198.51.100.1")
	w.must(w.RecordUse(t.Context(), Use{}))
	k, e := w.keyOf(s.ID, s.live.ID), ok(w.ListAllowlist(t.Context(), local(), s.ID))(t)[0]
	if !k.LastUsedAt.Equal(later) || k.LastUsedIP.String() != "198.51.100.2" || !e.LastMatchAt.Equal(later) {
		t.Errorf("key %s from %s, entry %s; want the later use", k.LastUsedAt, k.LastUsedIP, e.LastMatchAt)
	}
	if w.revision() != revision || w.auditRows() != rows {
		t.Error("bookkeeping bumped the revision or left audit rows")
	}
}
