package controlplane

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/unknownpay/merchant-gateway/controlplane/signature"
)

// testMerchantID and testKeyID make valid ids from small numbers.
func testMerchantID(n int) string {
	var raw [16]byte
	binary.BigEndian.PutUint64(raw[8:], uint64(n))
	return FormatID(PrefixMerchant, raw)
}

func testKeyID(env Environment, n int) string {
	return fmt.Sprintf("unk_%s_%022d", env, n)
}

func testKey(env Environment, key, merchant int, state KeyState) KeyRecord {
	return KeyRecord{ID: testKeyID(env, key), MerchantID: testMerchantID(merchant), Environment: env, State: state}
}

func material(tb testing.TB, env Environment, secret string) KeyMaterial {
	tb.Helper()
	m, err := NewKeyMaterial(env, []byte(secret))
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func prefixes(cidrs ...string) []AllowedPrefix {
	var out []AllowedPrefix
	for i, c := range cidrs {
		out = append(out, AllowedPrefix{Row: int64(i + 1), Prefix: netip.MustParsePrefix(c)})
	}
	return out
}

func TestSnapshotAnswersWhatWasSet(t *testing.T) {
	at := time.Unix(1_800_000_000, 123)
	e := NewSnapshot().Edit()
	must(t, e.SetMerchant(MerchantRecord{ID: testMerchantID(1), State: MerchantSuspended, Allowlist: prefixes("203.0.113.0/24")}))
	k := testKey(Live, 7, 1, KeyRetiring)
	k.RetireAt = at
	must(t, e.SetKey(k, material(t, Live, "secret")))
	s := e.Snapshot(42)

	c, ok := s.Key(k.ID)
	if !ok || c.ID() != k.ID || c.Environment() != Live || s.Revision() != 42 || s.Len() != 1 {
		t.Fatalf("key: %v %q %q, revision %d, %d keys", ok, c.ID(), c.Environment(), s.Revision(), s.Len())
	}
	want, err := signature.NewMACKey([]byte("secret"))
	must(t, err)
	if c.MAC() != want {
		t.Error("the HMAC key is not the one that was set")
	}
	if got := c.RetireAt(); !got.Equal(at.Truncate(time.Second)) {
		t.Errorf("retires at %v", got)
	}
	if c.StateAt(at.Add(-2*time.Second)) != KeyRetiring || c.StateAt(at) != KeyRevoked {
		t.Error("a retiring key works until its time, not after")
	}
	if m := c.Merchant(); !m.Suspended() || string(m.AppendID(nil)) != testMerchantID(1) {
		t.Errorf("merchant %s, suspended %v", m.AppendID(nil), m.Suspended())
	}
	if row, ok := c.Merchant().Allowed(netip.MustParseAddr("203.0.113.9")); !ok || row != 1 {
		t.Errorf("row %d, %v", row, ok)
	}
	for _, id := range []string{"", "unk_live_", testKeyID(Test, 7), testKeyID(Live, 8), k.ID + "0", "unk_live_000000000000000000000_"} {
		if _, ok := s.Key(id); ok {
			t.Errorf("%q was found", id)
		}
	}
	if st := s.Stats(); st.Keys != 1 || st.Merchants != 1 || st.Revision != 42 || st.Bytes <= 0 {
		t.Errorf("stats %+v", st)
	}
}

func TestKeysOfTwoEnvironmentsWithOneNameAreTwo(t *testing.T) {
	e := NewSnapshot().Edit()
	must(t, e.SetMerchant(MerchantRecord{ID: testMerchantID(1), State: MerchantActive}))
	for _, env := range []Environment{Live, Test} {
		must(t, e.SetKey(testKey(env, 1, 1, KeyActive), material(t, env, string(env))))
	}
	s := e.Snapshot(1)
	for _, env := range []Environment{Live, Test} {
		c, ok := s.Key(testKeyID(env, 1))
		if want := material(t, env, string(env)); !ok || c.Environment() != env || c.MAC() != want.mac {
			t.Errorf("%s: %v %s", env, ok, c.Environment())
		}
	}
}

func TestSnapshotTreatsUnknownStatesAsRefusal(t *testing.T) {
	e := NewSnapshot().Edit()
	must(t, e.SetMerchant(MerchantRecord{ID: testMerchantID(1), State: "frozen"}))
	must(t, e.SetKey(testKey(Live, 1, 1, "paused"), material(t, Live, "s")))
	c, _ := e.Snapshot(1).Key(testKeyID(Live, 1))
	if c.StateAt(time.Now()) != KeyRevoked || !c.Merchant().Suspended() {
		t.Errorf("key %s, suspended %v", c.StateAt(time.Now()), c.Merchant().Suspended())
	}
}

func TestSnapshotRefusesRecordsThatDoNotFit(t *testing.T) {
	e := NewSnapshot().Edit()
	must(t, e.SetMerchant(MerchantRecord{ID: testMerchantID(1), State: MerchantActive}))
	wrongEnv := testKey(Live, 1, 1, KeyActive)
	wrongEnv.Environment = Test
	badMerchant := testKey(Live, 1, 1, KeyActive)
	badMerchant.MerchantID = "mer_?"
	for name, k := range map[string]KeyRecord{
		"environment unlike the id": wrongEnv,
		"unknown merchant":          testKey(Live, 1, 2, KeyActive),
		"bad merchant id":           badMerchant,
		"bad key id":                {ID: "unk_live_1", MerchantID: testMerchantID(1), Environment: Live},
	} {
		if err := e.SetKey(k, material(t, Live, "s")); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := e.SetMerchant(MerchantRecord{ID: "usr_1"}); err == nil {
		t.Error("bad merchant id: no error")
	}
	if _, err := NewKeyMaterial(Live, nil); err == nil {
		t.Error("empty secret: no error")
	}
	e.RemoveKey("nonsense")
	e.RemoveKey(testKeyID(Live, 99))
	if n := e.Snapshot(1).Len(); n != 0 {
		t.Errorf("%d keys", n)
	}
}

func TestMerchantWithUnusableAllowlistIsDenied(t *testing.T) {
	e := NewSnapshot().Edit()
	must(t, e.SetMerchant(MerchantRecord{ID: testMerchantID(1), State: MerchantActive, Allowlist: prefixes("10.0.0.0/8")}))
	bad := []AllowedPrefix{{Row: 1, Prefix: netip.MustParsePrefix("10.0.0.0/8")}, {Row: 2}}
	if err := e.SetMerchant(MerchantRecord{ID: testMerchantID(1), State: MerchantActive, Allowlist: bad}); err == nil {
		t.Error("invalid prefix: no error")
	}
	raw, _ := ParseID(PrefixMerchant, testMerchantID(1))
	m, _ := e.Snapshot(1).Merchant(raw)
	if _, ok := m.Allowed(netip.MustParseAddr("10.0.0.1")); ok {
		t.Error("the old allowlist is still in force")
	}
}

func TestOnlyTheSecretOfATestKeyCanBeAskedFor(t *testing.T) {
	random := rand.NewChaCha8([32]byte{1})
	live, err := newSecret(Live, random)
	must(t, err)
	test, err := newSecret(Test, random)
	must(t, err)
	e := NewSnapshot().Edit()
	must(t, e.SetMerchant(MerchantRecord{ID: testMerchantID(1), State: MerchantActive}))
	must(t, e.SetKey(testKey(Live, 1, 1, KeyActive), material(t, Live, live.Reveal())))
	must(t, e.SetKey(testKey(Test, 2, 1, KeyActive), material(t, Test, test.Reveal())))
	must(t, e.SetKey(testKey(Test, 3, 1, KeyActive), material(t, Test, "unks_test_other")))
	s := e.Snapshot(1)
	secretOf := func(s *Snapshot, id string) Secret {
		c, ok := s.Key(id)
		if !ok {
			t.Fatalf("no key %s", id)
		}
		return c.TestSecret()
	}
	if got := secretOf(s, testKeyID(Test, 2)); got.Reveal() != test.Reveal() {
		t.Error("the secret of the test key is another one")
	}
	if !secretOf(s, testKeyID(Live, 1)).IsZero() || !secretOf(s, testKeyID(Test, 3)).IsZero() {
		t.Error("a secret is given out that should not be")
	}
	e = s.Edit()
	must(t, e.SetKey(testKey(Test, 2, 1, KeyActive), material(t, Test, "changed")))
	if !secretOf(e.Snapshot(2), testKeyID(Test, 2)).IsZero() || secretOf(s, testKeyID(Test, 2)).Reveal() != test.Reveal() {
		t.Error("an edit must change the next snapshot and leave the old one")
	}
	if got := fmt.Sprintf("%v %+v %#v", material(t, Test, test.Reveal()), material(t, Live, "x"), material(t, Live, "x")); got != "[redacted] [redacted] [redacted]" {
		t.Errorf("printed %s", got)
	}
}

func TestLiveSiblingFollowsRotation(t *testing.T) {
	e := NewSnapshot().Edit()
	must(t, e.SetMerchant(MerchantRecord{ID: testMerchantID(1), State: MerchantActive}))
	must(t, e.SetKey(testKey(Test, 1, 1, KeyActive), material(t, Test, "t")))
	sibling := func(s *Snapshot) string {
		c, _ := s.Key(testKeyID(Test, 1))
		if l, ok := c.LiveSibling(); ok {
			return l.ID()
		}
		return ""
	}
	s0 := e.Snapshot(1)
	e = s0.Edit()
	must(t, e.SetKey(testKey(Live, 2, 1, KeyActive), material(t, Live, "l")))
	s1 := e.Snapshot(2)
	e = s1.Edit() // the new key may come before the old one
	must(t, e.SetKey(testKey(Live, 3, 1, KeyActive), material(t, Live, "l")))
	must(t, e.SetKey(testKey(Live, 2, 1, KeyRetiring), material(t, Live, "l")))
	s2 := e.Snapshot(3)
	e = s2.Edit()
	e.RemoveKey(testKeyID(Live, 3))
	s3 := e.Snapshot(4)
	got := []string{sibling(s0), sibling(s1), sibling(s2), sibling(s3)}
	want := []string{"", testKeyID(Live, 2), testKeyID(Live, 3), ""}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("siblings %q, want %q", got, want)
	}
}

// TestSnapshotsAreLikeMaps compares random edits with a map, and proves that no
// edit shows in a snapshot made before it.
func TestSnapshotsAreLikeMaps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type state map[int]byte
		var history []*Snapshot
		var states []state
		s, want := NewSnapshot(), state{}
		for round := range rapid.IntRange(1, 6).Draw(t, "rounds") {
			e := s.Edit()
			for range rapid.IntRange(0, 60).Draw(t, "edits") {
				key, merchant := rapid.IntRange(0, 300).Draw(t, "key"), rapid.IntRange(0, 20).Draw(t, "merchant")
				if rapid.IntRange(0, 4).Draw(t, "what") == 0 {
					e.RemoveKey(testKeyID(Live, key))
					delete(want, key)
					continue
				}
				octet := byte(rapid.IntRange(0, 255).Draw(t, "octet"))
				list := prefixes(fmt.Sprintf("10.%d.0.0/16", merchant), fmt.Sprintf("2001:db8:%x::/48", merchant))
				if err := e.SetMerchant(MerchantRecord{ID: testMerchantID(merchant), State: MerchantActive, Allowlist: list}); err != nil {
					t.Fatal(err)
				}
				m := KeyMaterial{odd: true, mac: signature.MACKey{octet}}
				if err := e.SetKey(testKey(Live, key, merchant, KeyActive), m); err != nil {
					t.Fatal(err)
				}
				want[key] = octet
			}
			s = e.Snapshot(int64(round))
			copied := state{}
			for k, v := range want {
				copied[k] = v
			}
			history, states = append(history, s), append(states, copied)
		}
		for i, s := range history {
			if s.Len() != len(states[i]) {
				t.Fatalf("snapshot %d has %d keys, want %d", i, s.Len(), len(states[i]))
			}
			for key := range 301 {
				c, ok := s.Key(testKeyID(Live, key))
				octet, want := states[i][key]
				if ok != want || ok && c.MAC()[0] != octet {
					t.Fatalf("snapshot %d, key %d: found %v, want %v", i, key, ok, want)
				}
				if !ok {
					continue
				}
				raw := c.Merchant().Raw()
				if _, ok := c.Merchant().Allowed(netip.AddrFrom4([4]byte{10, raw[15], 1, 1})); !ok {
					t.Fatalf("snapshot %d, key %d: its merchant's address is refused", i, key)
				}
			}
		}
	})
}

// TestShardsGrowAndShrinkToFit goes through many rows of one shard: the index is
// rebuilt, the arena compacted.
func TestShardsGrowAndShrinkToFit(t *testing.T) {
	s := NewSnapshot()
	for round := range 3 {
		e := s.Edit()
		for i := range 20_000 {
			list := prefixes("192.0.2.0/24", "198.51.100.7/32", fmt.Sprintf("10.%d.0.0/16", round))
			must(t, e.SetMerchant(MerchantRecord{ID: testMerchantID(i), State: MerchantActive, Allowlist: list}))
			must(t, e.SetKey(testKey(Live, i, i, KeyActive), KeyMaterial{odd: true, mac: signature.MACKey{byte(i), byte(i >> 8), 1}}))
		}
		s = e.Snapshot(int64(round))
	}
	for i := range 20_000 {
		c, ok := s.Key(testKeyID(Live, i))
		if !ok || c.MAC()[0] != byte(i) || c.MAC()[1] != byte(i>>8) || string(c.Merchant().AppendID(nil)) != testMerchantID(i) {
			t.Fatalf("key %d is wrong", i)
		}
		if row, ok := c.Merchant().Allowed(netip.MustParseAddr("10.2.3.4")); !ok || row != 3 {
			t.Fatalf("merchant %d: row %d, %v", i, row, ok)
		}
	}
	if per := s.Stats().Bytes / 20_000; per > 400 {
		t.Errorf("%d bytes per key", per)
	}
}

// TestRoomMadeForALoadIsGivenBack loads what was announced, and far less.
func TestRoomMadeForALoadIsGivenBack(t *testing.T) {
	const announced = 10 * shardCount
	for _, n := range []int{announced, announced / 10} {
		e := NewSnapshot().Edit()
		e.expect(announced, announced)
		for i := range n {
			must(t, e.SetMerchant(MerchantRecord{ID: testMerchantID(i), State: MerchantActive, Allowlist: prefixes("192.0.2.0/24")}))
		}
		e.indexMerchants()
		for i := range n {
			must(t, e.SetKey(testKey(Live, i, i, KeyActive), KeyMaterial{odd: true, mac: signature.MACKey{byte(i), byte(i >> 8), 1}}))
		}
		s := e.Snapshot(1)
		for i := range n {
			if c, ok := s.Key(testKeyID(Live, i)); !ok || string(c.Merchant().AppendID(nil)) != testMerchantID(i) {
				t.Fatalf("key %d of %d is wrong", i, n)
			}
		}
		if per := s.Stats().Bytes / int64(n); per > 600 {
			t.Errorf("%d of %d announced: %d bytes per key", n, announced, per)
		}
	}
}

func TestRowSizesAreThoseOfTheStatistics(t *testing.T) {
	for v, want := range map[any]uintptr{
		keyRow{}: keyRowBytes, merchantRow{}: merchantRowBytes, rareEntry[uint32]{}: endBytes, rareEntry[signature.MACKey]{}: uintptr(macBytes),
	} {
		if got := reflect.TypeOf(v).Size(); got != want {
			t.Errorf("%T has %d bytes, the constant says %d", v, got, want)
		}
	}
	for _, v := range []any{keyRow{}, merchantRow{}, rareEntry[uint32]{}, rareEntry[signature.MACKey]{}} {
		if hasPointers(reflect.TypeOf(v)) {
			t.Errorf("%T has pointers: the collector would scan every row", v)
		}
	}
}

func hasPointers(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Array:
		return hasPointers(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if hasPointers(t.Field(i).Type) {
				return true
			}
		}
		return false
	case reflect.Pointer, reflect.Slice, reflect.String, reflect.Map, reflect.Interface, reflect.Chan, reflect.Func, reflect.UnsafePointer:
		return true
	}
	return false
}

func TestSnapshotLookupsDoNotAllocate(t *testing.T) {
	e := NewSnapshot().Edit()
	must(t, e.SetMerchant(MerchantRecord{ID: testMerchantID(1), State: MerchantActive, Allowlist: prefixes("203.0.113.0/24", "2001:db8::/32")}))
	must(t, e.SetKey(testKey(Live, 1, 1, KeyActive), material(t, Live, "s")))
	s := e.Snapshot(1)
	id, a4, a6 := testKeyID(Live, 1), netip.MustParseAddr("::ffff:203.0.113.9"), netip.MustParseAddr("2001:db8::1")
	now := time.Now()
	var buf [64]byte
	n := testing.AllocsPerRun(100, func() {
		c, _ := s.Key(id)
		m := c.Merchant()
		_, ok4 := m.Allowed(a4)
		_, ok6 := m.Allowed(a6)
		if !ok4 || !ok6 || c.StateAt(now) != KeyActive || !bytes.HasPrefix(m.AppendID(buf[:0]), []byte(PrefixMerchant)) {
			t.Error("wrong answer")
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}
