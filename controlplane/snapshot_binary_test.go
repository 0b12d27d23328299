package controlplane

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// stored is the binary form of a snapshot, whole.
func stored(s *Snapshot) (all []byte) {
	for block := range s.Blocks(1 << 10) {
		all = append(all, block...)
	}
	return all
}

func restored(revision int64, blocks ...[]byte) (*Snapshot, error) {
	var r SnapshotReader
	for _, b := range blocks {
		if err := r.Add(b); err != nil {
			return nil, err
		}
	}
	return r.Snapshot(revision)
}

// filled has n merchants with a live and a test key each, in every state.
func filled(tb testing.TB, n int) *Snapshot {
	e := NewSnapshot().Edit()
	states := []KeyState{KeyActive, KeyRetiring, KeyRevoked}
	for i := range n {
		m := MerchantRecord{ID: testMerchantID(i), State: []MerchantState{MerchantActive, MerchantSuspended}[i%2]}
		m.Allowlist = prefixes("203.0.113.0/24", "203.0.113.8/29", fmt.Sprintf("2001:db8:%x::/48", i%4096))[:i%4]
		must(tb, e.SetMerchant(m))
		for j, env := range []Environment{Live, Test} {
			secret, err := newSecret(env, bytes.NewReader(bytes.Repeat([]byte{byte(i), byte(j)}, secretBytes)))
			must(tb, err)
			k := testKey(env, 2*i+j, i, states[i%3])
			if k.State != KeyActive {
				k.RetireAt = time.Unix(1_900_000_000+int64(i), 0)
			}
			must(tb, e.SetKey(k, material(tb, env, secret.Reveal())))
		}
	}
	e.RemoveKey(testKeyID(Live, 0))
	return e.Snapshot(7)
}

func TestSnapshotIsReadBackAsItWas(t *testing.T) {
	for _, n := range []int{0, 1, 40, 3000} {
		s := filled(t, max(n, 1))
		if n == 0 {
			s = NewSnapshot()
		}
		got, err := restored(s.Revision(), stored(s))
		must(t, err)
		if !bytes.Equal(stored(got), stored(s)) || got.Len() != s.Len() || got.Revision() != s.Revision() {
			t.Fatalf("%d merchants: %+v, want %+v", n, got.Stats(), s.Stats())
		}
		for i := range n {
			for j, env := range []Environment{Live, Test} {
				sameKey(t, s, got, testKeyID(env, 2*i+j))
			}
		}
	}
}

func sameKey(t *testing.T, s, got *Snapshot, id string) {
	t.Helper()
	want, known := s.Key(id)
	c, ok := got.Key(id)
	if ok != known {
		t.Fatalf("%s is found: %v, want %v", id, ok, known)
	}
	if !ok {
		return
	}
	if c.ID() != id || c.State() != want.State() || !c.RetireAt().Equal(want.RetireAt()) || c.MAC() != want.MAC() || c.TestSecret().Reveal() != want.TestSecret().Reveal() {
		t.Errorf("%s came back as another", id)
	}
	if m, w := c.Merchant(), want.Merchant(); m.Raw() != w.Raw() || m.Suspended() != w.Suspended() {
		t.Errorf("%s belongs to another merchant", id)
	}
	for _, addr := range []string{"203.0.113.9", "203.0.113.99", "198.51.100.1", "2001:db8:1::1"} {
		a := netip.MustParseAddr(addr)
		row, allowed := c.Merchant().Allowed(a)
		if r, w := want.Merchant().Allowed(a); row != r || allowed != w {
			t.Errorf("%s from %s: %d, %v", id, addr, row, allowed)
		}
	}
	_, sibling := c.LiveSibling()
	if _, w := want.LiveSibling(); sibling != w {
		t.Errorf("%s has a live sibling: %v", id, sibling)
	}
}

// A snapshot that was read back goes on like any other.
func TestSnapshotThatWasReadBackIsEdited(t *testing.T) {
	s := filled(t, 50)
	got, err := restored(7, stored(s))
	must(t, err)
	for _, base := range []*Snapshot{s, got} {
		e := base.Edit()
		must(t, e.SetMerchant(MerchantRecord{ID: testMerchantID(1000), State: MerchantActive, Allowlist: prefixes("192.0.2.0/24")}))
		must(t, e.SetKey(testKey(Live, 5000, 1000, KeyActive), material(t, Live, "new")))
		must(t, e.SetKey(testKey(Live, 6, 3, KeyRevoked), material(t, Live, "old")))
		if base == s {
			s = e.Snapshot(8)
		} else {
			got = e.Snapshot(8)
		}
	}
	if !bytes.Equal(stored(got), stored(s)) {
		t.Error("they parted")
	}
}

func TestBlocksAreOfAboutTheirSize(t *testing.T) {
	s := filled(t, 3000)
	total := len(stored(s))
	n := 0
	for block := range s.Blocks(16 << 10) {
		if n++; len(block) > 20<<10 {
			t.Errorf("a block has %d bytes", len(block))
		}
	}
	if n < total/(20<<10) {
		t.Errorf("%d blocks for %d bytes", n, total)
	}
	for range s.Blocks(16 << 10) {
		break // no panic
	}
}

func TestDamagedBinaryFormIsRefused(t *testing.T) {
	whole := stored(filled(t, 1))
	for n := 1; n < len(whole); n++ {
		got, err := restored(7, whole[:n])
		if err == nil && bytes.Equal(stored(got), whole[:n]) {
			continue // between two shards; that some are missing is the file's to know
		}
		if !errors.Is(err, errSnapshotForm) {
			t.Fatalf("%d of %d bytes: %v", n, len(whole), err)
		}
	}
	if _, err := restored(7, whole, whole); !errors.Is(err, errSnapshotForm) {
		t.Errorf("every shard twice: %v", err)
	}
}

// walk asks a snapshot everything, which must end and not panic.
func walk(s *Snapshot) {
	for n := range shardCount {
		if m := s.merchants[n]; m != nil {
			for i := range m.rows {
				view := SnapshotMerchant{shard: m, row: uint32(i)}
				for _, a := range []string{"0.0.0.0", "203.0.113.9", "255.255.255.255", "::", "2001:db8::1", "ffff::"} {
					view.Allowed(netip.MustParseAddr(a))
				}
				m.find(&m.rows[i].id)
			}
		}
		if k := s.keys[n]; k != nil {
			for i := range k.rows {
				c := Credential{snapshot: s, shard: k, row: uint32(i)}
				if k.rows[i].state() != stateAbsent {
					c.Merchant().Suspended()
					c.LiveSibling()
				}
				c.MAC()
				c.TestSecret()
				name := k.rows[i].name()
				k.find(&name)
			}
		}
	}
}

func FuzzSnapshotReader(f *testing.F) {
	for _, n := range []int{1, 5} {
		f.Add(stored(filled(f, n)))
	}
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{0xff}, 64))
	f.Fuzz(func(t *testing.T, block []byte) {
		s, err := restored(1, block)
		if err != nil {
			return
		}
		walk(s)
		// What is read is written the same.
		if again, err := restored(1, stored(s)); err != nil || !bytes.Equal(stored(again), stored(s)) {
			t.Fatalf("%v", err)
		}
	})
}

// Any byte of a snapshot may be another.
func TestChangedBinaryFormNeverPanics(t *testing.T) {
	whole := stored(filled(t, 5))
	rapid.Check(t, func(t *rapid.T) {
		b := bytes.Clone(whole)
		for range rapid.IntRange(1, 4).Draw(t, "changes") {
			b[rapid.IntRange(0, len(b)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
		}
		if s, err := restored(1, b); err == nil {
			walk(s)
		}
	})
}
