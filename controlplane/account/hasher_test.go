package account

import (
	"context"
	"crypto/rand"
	"errors"
	"runtime"
	"runtime/metrics"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

func secret(s string) controlplane.Secret { return controlplane.NewSecret(s) }

func TestHashVerifiesItsOwnPasswordOnly(t *testing.T) {
	h := NewHasher(HasherConfig{})
	hash, err := h.Hash(t.Context(), secret("correct horse battery staple"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(hash.Reveal(), "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Fatalf("the hash does not say what it cost: %s", hash.Reveal())
	}
	for password, want := range map[string]bool{
		"correct horse battery staple":  true,
		"correct horse battery staple ": false,
		"Correct horse battery staple":  false,
		"":                              false,
	} {
		ok, rehash, err := h.Verify(t.Context(), hash, secret(password))
		if err != nil || ok != want || rehash {
			t.Errorf("Verify(%q) = %v, %v, %v; want %v, false, nil", password, ok, rehash, err, want)
		}
	}
}

func TestEveryHashHasItsOwnSalt(t *testing.T) {
	h := NewHasher(HasherConfig{})
	a, errA := h.Hash(t.Context(), secret("the same password"))
	b, errB := h.Hash(t.Context(), secret("the same password"))
	if errA != nil || errB != nil || a.Reveal() == b.Reveal() {
		t.Fatalf("two hashes of one password are equal: %v, %v", errA, errB)
	}
}

func TestCheaperHashAsksToBeMadeAnew(t *testing.T) {
	h := NewHasher(HasherConfig{})
	old := phc{cost{8192, 2, 1}, []byte("somesaltsomesalt"), nil}
	old.key = argon2id([]byte("password"), old.salt, old.cost)
	ok, rehash, err := h.Verify(t.Context(), secret(old.String()), secret("password"))
	if !ok || !rehash || err != nil {
		t.Fatalf("Verify = %v, %v, %v; want true, true, nil", ok, rehash, err)
	}
	ok, rehash, err = h.Verify(t.Context(), secret(old.String()), secret("wrong"))
	if ok || rehash || err != nil {
		t.Fatalf("Verify = %v, %v, %v; want false, false, nil", ok, rehash, err)
	}
}

func TestHashFailsWithoutRandomness(t *testing.T) {
	h := NewHasher(HasherConfig{Random: strings.NewReader("short")})
	if _, err := h.Hash(t.Context(), secret("password")); err == nil {
		t.Fatal("a hash without a full salt")
	}
}

const goodHash = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

func malformedHashes() map[string]string {
	edit := func(old, new string) string { return strings.Replace(goodHash, old, new, 1) }
	return map[string]string{
		"empty":              "",
		"plain text":         "hunter2hunter2",
		"bcrypt":             "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy",
		"argon2i":            edit("argon2id", "argon2i"),
		"old version":        edit("v=19", "v=16"),
		"no version":         edit("v=19$", ""),
		"memory flood":       edit("m=19456", "m=4194304"),
		"too little memory":  edit("m=19456", "m=7"),
		"endless time":       edit("t=2", "t=4294967295"),
		"no time":            edit("t=2", "t=0"),
		"many lanes":         edit("p=1", "p=4"),
		"no lanes":           edit("p=1", "p=0"),
		"leading zero":       edit("t=2", "t=02"),
		"signed":             edit("t=2", "t=+2"),
		"other order":        edit("m=19456,t=2", "t=2,m=19456"),
		"extra parameter":    edit("p=1", "p=1,keyid=1"),
		"missing parameter":  edit(",p=1", ""),
		"number overflow":    edit("m=19456", "m=99999999999999999999"),
		"padded":             goodHash + "=",
		"space":              goodHash + " ",
		"line break":         goodHash[:60] + "\n" + goodHash[60:],
		"short key":          goodHash[:len(goodHash)-4],
		"long key":           goodHash + "AAAA",
		"short salt":         edit("c29tZXNhbHRzb21lc2FsdA", "c29tZXNhbHQ"),
		"loose trailing bit": goodHash[:len(goodHash)-1] + "B",
		"url alphabet":       edit("AAAA", "A-_A"),
		"seventh part":       goodHash + "$",
		"text before":        "x" + goodHash,
	}
}

func TestMalformedHashIsAnErrorAndNeverAMatch(t *testing.T) {
	h := NewHasher(HasherConfig{})
	for name, text := range malformedHashes() {
		t.Run(name, func(t *testing.T) {
			ok, _, err := h.Verify(t.Context(), secret(text), secret("password"))
			if ok || !errors.Is(err, errMalformedHash) {
				t.Fatalf("Verify = %v, %v; want a refusal", ok, err)
			}
			if text != "" && strings.Contains(err.Error(), text) {
				t.Fatal("the error quotes the hash")
			}
		})
	}
}

func FuzzParsePHC(f *testing.F) {
	f.Add(goodHash)
	for _, text := range malformedHashes() {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		h, err := parsePHC(text)
		if err != nil {
			return
		}
		if h.String() != text {
			t.Fatalf("two spellings of one hash: %q and %q", text, h.String())
		}
		if h.memory > memoryKiB || h.time > iterations || h.lanes != laneCount {
			t.Fatalf("a stored hash may cost more than today's: %+v", h.cost)
		}
	})
}

// argon2id issue 35: 200 sign-ins at once must not take 200 × 19 MiB.
func TestSurplusOfParallelSignInsIsTurnedAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHasher(HasherConfig{Slots: 4, Wait: 2 * time.Second})
		var running, most, refused, done atomic.Int32
		h.derive = func(_, _ []byte, _ cost) []byte {
			now := running.Add(1)
			for old := most.Load(); now > old && !most.CompareAndSwap(old, now); old = most.Load() {
			}
			time.Sleep(100 * time.Millisecond)
			running.Add(-1)
			return make([]byte, keyLength)
		}
		var all sync.WaitGroup
		for range 200 {
			all.Go(func() {
				err := h.DummyVerify(t.Context(), secret("password"))
				var e *controlplane.Error
				switch {
				case err == nil:
					done.Add(1)
				case errors.As(err, &e) && e.Code == controlplane.CodeUnavailable && e.RetryAfter > 0:
					refused.Add(1)
				default:
					t.Errorf("unexpected error: %v", err)
				}
			})
		}
		all.Wait()
		if most.Load() != 4 {
			t.Errorf("%d hashes ran at once; want 4", most.Load())
		}
		// 4 slots × 20 turns of 100 ms in 2 s; whether the turn that starts at 2 s
		// sharp is still taken is a coin toss.
		if n := done.Load(); n < 80 || n > 84 || n+refused.Load() != 200 {
			t.Errorf("%d done, %d refused; want about 80 and the rest", n, refused.Load())
		}
	})
}

func TestWaitForASlotEndsWithTheCaller(t *testing.T) {
	h := NewHasher(HasherConfig{Slots: 1, Wait: time.Hour})
	h.slots <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := h.Hash(ctx, secret("password"))
	if controlplane.CodeOf(err) != controlplane.CodeUnavailable || !errors.Is(err, context.Canceled) {
		t.Fatalf("Hash = %v; want CodeUnavailable", err)
	}
}

func TestSlotsArePresetToHalfTheCores(t *testing.T) {
	want := min(max(runtime.GOMAXPROCS(0)/2, 1), MaxSlots)
	if n := cap(NewHasher(HasherConfig{}).slots); n != want {
		t.Fatalf("%d slots; want %d", n, want)
	}
}

// An unknown name must cost what a known one costs.
func TestDummyVerifyDerivesAtThePresentCost(t *testing.T) {
	h := NewHasher(HasherConfig{})
	var costs []cost
	h.derive = func(_, salt []byte, c cost) []byte {
		if len(salt) != saltLength {
			t.Errorf("a salt of %d bytes", len(salt))
		}
		costs = append(costs, c)
		return make([]byte, keyLength)
	}
	errDummy := h.DummyVerify(t.Context(), secret("x"))
	_, _, errReal := h.Verify(t.Context(), secret(goodHash), secret("x"))
	if errDummy != nil || errReal != nil || len(costs) != 2 || costs[0] != costs[1] {
		t.Fatalf("dummy and real differ: %v, %v, %v", costs, errDummy, errReal)
	}
}

// BenchmarkFlood reports the peak of the heap while 200 people sign in at once.
func BenchmarkFlood(b *testing.B) {
	h := NewHasher(HasherConfig{Slots: MaxSlots, Wait: time.Minute})
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	var peak uint64
	for b.Loop() {
		var all sync.WaitGroup
		var mu sync.Mutex
		for range 200 {
			all.Go(func() {
				if err := h.DummyVerify(b.Context(), secret("correct horse battery staple")); err != nil {
					b.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				metrics.Read(sample)
				peak = max(peak, sample[0].Value.Uint64())
			})
		}
		all.Wait()
	}
	b.ReportMetric(float64(peak)/(1<<20), "peak-MiB")
}

func BenchmarkVerify(b *testing.B) {
	h := NewHasher(HasherConfig{Random: rand.Reader})
	for b.Loop() {
		if err := h.DummyVerify(b.Context(), secret("correct horse battery staple")); err != nil {
			b.Fatal(err)
		}
	}
}
