package controlplane_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/unknownpay/merchant-gateway/controlplane"
)

// vault is a world with secrets, and what they were when they were issued.
type vault struct {
	*world
	secrets map[string]string
}

func newVault(t *testing.T) *vault {
	v := &vault{newWorld(t), map[string]string{}}
	for i := range 5 {
		m := v.merchant(fmt.Sprintf("Shop %d", i))
		v.keep(v.key(m.ID, Live))
		v.keep(v.key(m.ID, Test))
		v.keep(ok(v.RotateKey(t.Context(), local(), RotateKey{MerchantID: m.ID, Environment: Live, Overlap: OverlapDay}))(t))
	}
	return v
}

func (v *vault) keep(k IssuedKey) { v.secrets[k.Key.ID] = k.Secret.Reveal() }

// opens fails unless every secret opens to what was issued.
func (v *vault) opens(when string) {
	v.Helper()
	for id, want := range v.secrets {
		if v.secretOf(id) != want {
			v.Fatalf("%s: the secret of %s is another", when, id)
		}
	}
}

func (v *vault) dataKeys() (keys []DataKey) {
	v.Helper()
	v.must(v.store.View(v.Context(), func(tx Tx) (err error) {
		keys, err = tx.DataKeys(v.Context())
		return err
	}))
	return keys
}

func TestRotatingDataKeysReencryptsEverySecret(t *testing.T) {
	v := newVault(t)
	m := v.merchant("Rotating")
	v.key(m.ID, Live)
	for range 510 { // more than one batch
		k := ok(v.RotateKey(t.Context(), local(), RotateKey{MerchantID: m.ID, Environment: Live, Overlap: OverlapNone}))(t)
		v.keep(k)
	}
	before := v.dataKeys()
	v.clock.pass(time.Hour)
	got := ok(v.RotateDataKeys(t.Context(), local(), v.ring))(t)
	after := v.dataKeys()
	if got.Records != 15+1+510 || len(got.Purposes) != 1 {
		t.Errorf("unexpected result: %+v", got)
	}
	if len(before) != 1 || len(after) != 1 || after[0].ID <= before[0].ID || !after[0].CreatedAt.Equal(v.clock.Now()) {
		t.Errorf("data keys before %+v, after %+v", before, after)
	}
	v.diffIs(OpKeyringRotate, PurposeAPISecret, fmt.Sprintf(`{"data_key":{"to":%d}}`, after[0].ID))
	v.opens("after the rotation")
	v.restart()
	v.opens("after a restart")
}

func TestRotatingTheRootLeavesRecordsAlone(t *testing.T) {
	v := newVault(t)
	before := v.dataKeys()
	id := ok(v.RotateRoot(t.Context(), local(), v.ring, ""))(t)
	v.diffIs(OpKeyringRotateRoot, id, "")
	after := v.dataKeys()
	if len(after) != 1 || after[0].ID != before[0].ID || after[0].RootID != id || before[0].RootID == id {
		t.Errorf("data keys before %+v, after %+v", before, after)
	}
	v.opens("after the rotation")
	v.restart()
	v.opens("after a restart")
	ok(v.RotateDataKeys(t.Context(), local(), v.ring))(t)
	v.restart()
	v.opens("after the rotation of data keys under the new root")
}

var errPlugPulled = errors.New("the plug was pulled")

// faulty is a store that fails at the n-th Update: before it began, or after it
// was committed, when nobody can tell the caller.
type faulty struct {
	Store
	n     atomic.Int64
	after bool
}

func (f *faulty) Update(ctx context.Context, fn func(Tx) error) error {
	if f.n.Add(-1) != 0 {
		return f.Store.Update(ctx, fn)
	}
	if f.after {
		if err := f.Store.Update(ctx, fn); err != nil {
			return err
		}
	}
	return errPlugPulled
}

// faultyRing fails at one of the steps outside of the database.
type faultyRing struct {
	*testRing
	at string
}

func (r *faultyRing) Add(k DataKey) error {
	if r.at == "add" {
		return errPlugPulled
	}
	return r.testRing.Add(k)
}

func (r *faultyRing) Drop(id uint32) error {
	if r.at == "drop" {
		return errPlugPulled
	}
	return r.testRing.Drop(id)
}

func (r *faultyRing) NextRoot(source string) (NextRoot, error) {
	if r.at == "next" {
		return nil, errPlugPulled
	}
	next, err := r.testRing.NextRoot(source)
	return &faultyNextRoot{next, r.at}, err
}

type faultyNextRoot struct {
	NextRoot
	at string
}

func (n *faultyNextRoot) Rewrap(keys []DataKey) ([]DataKey, error) {
	if n.at == "rewrap" {
		return nil, errPlugPulled
	}
	return n.NextRoot.Rewrap(keys)
}

func (n *faultyNextRoot) Commit() error {
	if n.at == "commit" {
		return errPlugPulled
	}
	return n.NextRoot.Commit()
}

// interruption is a point at which a rotation stops.
type interruption struct {
	update int64 // the n-th Update, counted from 1
	after  bool
	ring   string
}

func TestInterruptedRotationLosesNothingAndIsFinishedByTheNext(t *testing.T) {
	rotations := map[string]func(v *vault, r Keyring) error{
		"data keys": func(v *vault, r Keyring) error { return justErr(v.RotateDataKeys(v.Context(), local(), r)) },
		"root":      func(v *vault, r Keyring) error { return justErr(v.RotateRoot(v.Context(), local(), r, "")) },
	}
	points := map[string][]interruption{
		"data keys": {{1, false, ""}, {1, true, ""}, {2, false, ""}, {2, true, ""}, {3, true, ""}, {4, false, ""}, {4, true, ""}, {0, false, "add"}, {0, false, "drop"}},
		"root":      {{1, false, ""}, {1, true, ""}, {0, false, "next"}, {0, false, "rewrap"}, {0, false, "commit"}},
	}
	for name, rotate := range rotations {
		for _, p := range points[name] {
			for _, restart := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%+v/restart=%v", name, p, restart), func(t *testing.T) {
					v := newVault(t)
					v.interrupt(t, p, func(r Keyring) error { return rotate(v, r) })
					v.opens("after the interruption")
					if restart {
						v.restart()
						v.opens("after the restart")
					}
					for _, again := range []string{"root", "data keys"} {
						if err := rotations[again](v, v.ring); err != nil {
							t.Fatalf("rotating %s afterwards: %v", again, err)
						}
					}
					v.keep(v.key(v.merchant("Later").ID, Live))
					v.opens("after the next rotation")
					v.restart()
					v.opens("after the last restart")
					if keys := v.dataKeys(); len(keys) != 1 {
						t.Errorf("data keys are left over: %+v", keys)
					}
				})
			}
		}
	}
}

func (v *vault) interrupt(t *testing.T, p interruption, rotate func(Keyring) error) {
	t.Helper()
	f := &faulty{Store: v.store, after: p.after}
	f.n.Store(p.update)
	if p.update == 0 {
		f.n.Store(-1)
	}
	v.rebuild(func(parts *Parts) { parts.Store = f })
	err := rotate(&faultyRing{v.ring, p.ring})
	v.rebuild(func(parts *Parts) { parts.Store = v.store })
	if e := wants(t, err, CodeInternal); !errors.Is(e, errPlugPulled) {
		t.Fatalf("the rotation was not interrupted: %v", err)
	}
}

func TestRotationsAtOnceDoNotInterleave(t *testing.T) {
	v := newVault(t)
	var mu sync.Mutex
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			var err error
			if i%2 == 0 {
				_, err = v.RotateDataKeys(t.Context(), local(), v.ring)
			} else {
				_, err = v.RotateRoot(t.Context(), local(), v.ring, "")
			}
			if err != nil && CodeOf(err) != CodeConflict {
				t.Errorf("unexpected error: %v", err)
			}
		})
		all.Go(func() { // new secrets all the while
			m, err := v.CreateMerchant(t.Context(), local(), CreateMerchant{Name: "Meanwhile"})
			if err != nil {
				t.Error(err)
				return
			}
			k, err := v.IssueKey(t.Context(), local(), IssueKey{m.ID, Live})
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			v.keep(k)
		})
	}
	all.Wait()
	v.opens("after all rotations")
	v.restart()
	v.opens("after a restart")
	if n := len(v.dataKeys()); n != 1 {
		t.Errorf("%d data keys", n)
	}
}

// Two servers on one database: what the other rotated must not be undone with
// keys of yesterday.
func TestRotationAfterAnotherServersIsRefused(t *testing.T) {
	for name, rotate := range map[string]func(v *vault, r *testRing) error{
		"root":      func(v *vault, r *testRing) error { return justErr(v.RotateRoot(v.Context(), local(), r, "")) },
		"data keys": func(v *vault, r *testRing) error { return justErr(v.RotateDataKeys(v.Context(), local(), r)) },
	} {
		t.Run(name, func(t *testing.T) {
			v := newVault(t)
			other := openRing(v.world, v.store)
			v.must(rotate(v, other))
			keys := v.dataKeys()
			wants(t, justErr(v.RotateDataKeys(t.Context(), local(), v.ring)), CodeConflict)
			if now := v.dataKeys(); len(now) != 1 || string(now[0].Wrapped) != string(keys[0].Wrapped) {
				t.Error("the refused rotation changed the stored keys")
			}
			v.restart()
			v.opens("after a restart")
		})
	}
}

// A service made twice over one ring, as by a portal beside an admin API, has two
// locks. The newer data key must survive all the same.
func TestOlderRotationDoesNotDeleteTheNewerKey(t *testing.T) {
	v := newVault(t)
	twin, err := NewService(v.parts)
	v.must(err)
	nested := &nestedRing{testRing: v.ring}
	nested.before = func() {
		nested.before = nil
		if _, err := twin.RotateDataKeys(t.Context(), local(), v.ring); err != nil {
			t.Errorf("the rotation in between: %v", err)
		}
	}
	ok(v.RotateDataKeys(t.Context(), local(), nested))(t)
	v.opens("after both")
	v.restart()
	v.opens("after a restart")
}

// nestedRing runs something between the storing of a data key and its use.
type nestedRing struct {
	*testRing
	before func()
}

func (r *nestedRing) Add(k DataKey) error {
	if r.before != nil {
		r.before()
	}
	return r.testRing.Add(k)
}

func TestRecordThatWasMovedDoesNotOpen(t *testing.T) {
	v := newVault(t)
	var ids []string
	for id := range v.secrets {
		ids = append(ids, id)
	}
	v.raw(fmt.Sprintf("UPDATE api_keys SET secret = (SELECT secret FROM api_keys WHERE id = '%s') WHERE id = '%s'", ids[0], ids[1]))
	k, _ := v.keyRecord(ids[1])
	if _, err := v.ring.Unseal(PurposeAPISecret, APISecretLocation(k.ID, k.MerchantID, k.Environment).AAD(), k.SealedSecret); err == nil {
		t.Error("a secret moved to another key opens")
	}
	err := justErr(v.RotateDataKeys(t.Context(), local(), v.ring))
	wants(t, err, CodeInternal)
	if len(v.dataKeys()) < 2 {
		t.Error("the data key of records that were not re-encrypted is gone")
	}
}
