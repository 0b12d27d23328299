package keyring

import (
	"bytes"
	"crypto/rand"
	"errors"
	"math"
	"strings"
	"sync"
	"testing"
	"time"
)

var created = time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.FixedZone("", 3600))

func testRoot(t testing.TB, fill byte) *Root {
	t.Helper()
	root, err := newRoot(bytes.Repeat([]byte{fill}, keySize))
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// testRing holds one data key for each purpose, with ids from 1.
func testRing(t testing.TB, root *Root, purposes ...string) (*Ring, []WrappedKey) {
	t.Helper()
	r, err := Open(root, nil)
	if err != nil {
		t.Fatal(err)
	}
	var keys []WrappedKey
	for _, p := range purposes {
		keys = append(keys, addKey(t, r, p))
	}
	return r, keys
}

func addKey(t testing.TB, r *Ring, purpose string) WrappedKey {
	t.Helper()
	k, err := r.NewDataKey(purpose, created)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Add(k); err != nil {
		t.Fatal(err)
	}
	return k
}

func mustSeal(t testing.TB, r *Ring, purpose, aad, plain string) []byte {
	t.Helper()
	rec, err := r.Seal(purpose, []byte(aad), []byte(plain))
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

func wantUnsealed(t testing.TB, r *Ring, purpose, aad string, rec []byte, want string) {
	t.Helper()
	got, err := r.Unseal(purpose, []byte(aad), rec)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Fatalf("unsealed %q, want %q", got, want)
	}
}

func wantErr(t testing.TB, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Fatalf("error %v, want %v", err, target)
	}
}

func TestRecordsOutliveAReopenedRing(t *testing.T) {
	root := testRoot(t, 1)
	r, keys := testRing(t, root, "api", "totp")
	rec := mustSeal(t, r, "totp", "row", "secret")
	again, err := Open(root, keys)
	if err != nil {
		t.Fatal(err)
	}
	wantUnsealed(t, again, "totp", "row", rec, "secret")
}

func TestNewestKeySealsAndOlderStillUnseal(t *testing.T) {
	r, first := testRing(t, testRoot(t, 1), "api")
	old := mustSeal(t, r, "api", "row", "secret")
	if r.NeedsReseal("api", old) {
		t.Fatal("a record of the only key needs no reseal")
	}
	k, err := r.NewDataKey("api", created)
	if err != nil {
		t.Fatal(err)
	}
	if id, _ := KeyID(mustSeal(t, r, "api", "row", "secret")); id != first[0].ID {
		t.Fatal("a key that was not added seals already")
	}
	if err := r.Add(k); err != nil {
		t.Fatal(err)
	}
	wantUnsealed(t, r, "api", "row", old, "secret")
	if !r.NeedsReseal("api", old) {
		t.Fatal("a record of the older key needs a reseal")
	}
	fresh, err := r.Reseal("api", []byte("row"), old)
	if err != nil {
		t.Fatal(err)
	}
	if r.NeedsReseal("api", fresh) {
		t.Fatal("a resealed record needs another reseal")
	}
	wantErr(t, r.Drop(k.ID), ErrKeyInUse)
	if err := r.Drop(first[0].ID); err != nil {
		t.Fatal(err)
	}
	wantUnsealed(t, r, "api", "row", fresh, "secret")
	_, err = r.Unseal("api", []byte("row"), old)
	wantErr(t, err, ErrUnknownKey)
	wantErr(t, r.Drop(first[0].ID), ErrUnknownKey)
}

func TestHighestIDSealsWhateverTheOrderOfLoading(t *testing.T) {
	root := testRoot(t, 1)
	_, keys := testRing(t, root, "api", "api", "api")
	r, err := Open(root, []WrappedKey{keys[1], keys[2], keys[0]})
	if err != nil {
		t.Fatal(err)
	}
	if id, _ := KeyID(mustSeal(t, r, "api", "", "x")); id != keys[2].ID {
		t.Fatalf("key %d seals, want %d", id, keys[2].ID)
	}
}

func TestIDsAreNeverUsedAgain(t *testing.T) {
	root := testRoot(t, 1)
	r, keys := testRing(t, root, "api", "totp", "api")
	if err := r.Drop(keys[0].ID); err != nil {
		t.Fatal(err)
	}
	again, err := Open(root, keys[1:])
	if err != nil {
		t.Fatal(err)
	}
	a, _ := again.NewDataKey("totp", created)
	b, _ := again.NewDataKey("totp", created)
	if a.ID != 4 || b.ID != 5 {
		t.Fatalf("ids %d and %d, want 4 and 5", a.ID, b.ID)
	}
}

func TestNewDataKeyRefusals(t *testing.T) {
	r, _ := testRing(t, testRoot(t, 1), "api")
	if _, err := r.NewDataKey("", created); err == nil {
		t.Error("an empty purpose was accepted")
	}
	r.lastID = math.MaxUint32
	if _, err := r.NewDataKey("api", created); err == nil {
		t.Error("an id was used again after the last one")
	}
}

func TestOpenNamesTheKeyThatDoesNotUnwrap(t *testing.T) {
	root, other := testRoot(t, 1), testRoot(t, 2)
	_, keys := testRing(t, root, "api", "totp")
	tests := []struct {
		name string
		root *Root
		edit func(k *WrappedKey)
		want []string
	}{
		{"other root", other, func(*WrappedKey) {}, []string{"data key 2 (totp)", root.ID(), other.ID(), "supply"}},
		{"forged root id", other, func(k *WrappedKey) { k.RootID = other.ID() }, []string{"data key 2 (totp)", "altered"}},
		{"changed id", root, func(k *WrappedKey) { k.ID = 7 }, []string{"data key 7 (totp)", "altered"}},
		{"changed purpose", root, func(k *WrappedKey) { k.Purpose = "api" }, []string{"data key 2 (api)", "altered"}},
		{"swapped with another key", root, func(k *WrappedKey) { k.Wrapped = keys[0].Wrapped }, []string{"altered"}},
		{"flipped byte", root, func(k *WrappedKey) { k.Wrapped = flip(k.Wrapped, 20) }, []string{"altered"}},
		{"unknown version", root, func(k *WrappedKey) { k.Wrapped = flip(k.Wrapped, 0) }, []string{"altered"}},
		{"cut short", root, func(k *WrappedKey) { k.Wrapped = k.Wrapped[:5] }, []string{"altered"}},
		{"empty", root, func(k *WrappedKey) { k.Wrapped = nil }, []string{"altered"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := keys[1]
			tt.edit(&k)
			_, err := Open(tt.root, []WrappedKey{k})
			var refused *UnwrapError
			if !errors.As(err, &refused) || refused.KeyID != k.ID {
				t.Fatalf("error %v, want an UnwrapError of key %d", err, k.ID)
			}
			for _, w := range tt.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q lacks %q", err, w)
				}
			}
		})
	}
}

func flip(b []byte, i int) []byte {
	b = bytes.Clone(b)
	b[i] ^= 1
	return b
}

func TestRefusedChangesLeaveTheRingAsItWas(t *testing.T) {
	r, keys := testRing(t, testRoot(t, 1), "api")
	before := r.Status()
	if err := r.Add(keys[0]); err == nil {
		t.Error("the same id was added twice")
	}
	foreign, _ := testRing(t, testRoot(t, 2))
	if err := r.Add(addKey(t, foreign, "totp")); err == nil {
		t.Error("a key of another root was added")
	}
	wantErr(t, r.SetRoot(nil), errNoRoot)
	wantErr(t, r.SetRoot(&Root{}), errNoRoot)
	if got := r.Status(); len(got.Keys) != 1 || got.Keys[0] != before.Keys[0] || got.RootID != before.RootID {
		t.Errorf("status %+v, was %+v", got, before)
	}
}

func TestStatusTellsWhichKeySealsAndHowMuch(t *testing.T) {
	root := testRoot(t, 1)
	r, _ := testRing(t, root, "api", "totp", "api")
	mustSeal(t, r, "api", "", "x")
	at := created.UTC().Truncate(time.Microsecond)
	want := []KeyStatus{
		{ID: 1, Purpose: "api", CreatedAt: at},
		{ID: 2, Purpose: "totp", CreatedAt: at, Seals: true},
		{ID: 3, Purpose: "api", CreatedAt: at, Seals: true, Sealed: 1},
	}
	got := r.Status()
	if got.RootID != root.ID() || len(got.Keys) != len(want) {
		t.Fatalf("status %+v", got)
	}
	for i := range want {
		if got.Keys[i] != want[i] {
			t.Errorf("key %+v, want %+v", got.Keys[i], want[i])
		}
	}
}

func TestUsedUpKeyRefusesToSealUntilRotated(t *testing.T) {
	r, _ := testRing(t, testRoot(t, 1), "api")
	r.keys.Load().seals["api"].sealed.Store(MaxSeals - 1)
	mustSeal(t, r, "api", "", "last")
	_, err := r.Seal("api", nil, []byte("one too many"))
	wantErr(t, err, ErrExhausted)
	addKey(t, r, "api")
	mustSeal(t, r, "api", "", "x")
}

func TestChangesDuringUse(t *testing.T) {
	r, _ := testRing(t, testRoot(t, 1), "api")
	rec := mustSeal(t, r, "api", "row", "secret")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 300 {
				fresh, err := r.Seal("api", []byte("row"), []byte("secret"))
				if err != nil {
					t.Error(err)
					return
				}
				for _, b := range [][]byte{rec, fresh} {
					if got, err := r.Unseal("api", []byte("row"), b); err != nil || string(got) != "secret" {
						t.Errorf("unsealed %q, %v", got, err)
						return
					}
				}
				r.NeedsReseal("api", rec)
				r.Status()
			}
		})
	}
	for i := range 20 {
		spare := addKey(t, r, "spare")
		addKey(t, r, "spare")
		addKey(t, r, "api")
		if err := errors.Join(r.Drop(spare.ID), r.SetRoot(testRoot(t, byte(i+1)))); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
}

func TestAppendUnsealIntoRoomAllocatesNothing(t *testing.T) {
	r, _ := testRing(t, testRoot(t, 1), "api")
	aad, rec, dst := []byte("row"), mustSeal(t, r, "api", "row", "secret"), make([]byte, 0, 64)
	n := testing.AllocsPerRun(100, func() {
		if _, err := r.AppendUnseal(dst, "api", aad, rec); err != nil {
			t.Error(err)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkUnseal(b *testing.B) {
	r, aad, rec := benchRecord(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Unseal("api", aad, rec); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendUnseal(b *testing.B) {
	r, aad, rec := benchRecord(b)
	dst := make([]byte, 0, 64)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.AppendUnseal(dst, "api", aad, rec); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBareGCM is the floor for the two above.
func BenchmarkBareGCM(b *testing.B) {
	r, aad, rec := benchRecord(b)
	aead := r.keys.Load().byID[1].aead
	dst := make([]byte, 0, 64)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := aead.Open(dst, nil, rec[headerSize:], aad); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSeal(b *testing.B) {
	r, aad, _ := benchRecord(b)
	plain := make([]byte, 32)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Seal("api", aad, plain); err != nil {
			b.Fatal(err)
		}
	}
}

func benchRecord(b *testing.B) (r *Ring, aad, rec []byte) {
	r, _ = testRing(b, testRoot(b, 1), "api", "totp", "webhook")
	aad = Location{"api_key", "secret", "unk_live_0123456789abcdefghij", "mer_0123456789abcdefghij", "live"}.AAD()
	secret := make([]byte, 32)
	rand.Read(secret)
	rec, err := r.Seal("api", aad, secret)
	if err != nil {
		b.Fatal(err)
	}
	return r, aad, rec
}
