package gate

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestLimiterFigures(t *testing.T) {
	for _, c := range []struct {
		rate  float64
		burst int
		ok    bool
	}{{1, 1, true}, {1e6, 1e6, true}, {0.001, 10, true}, {0, 1, false}, {-1, 1, false}, {1, 0, false}, {2e6, 1, false}, {1, 2e6, false}, {0.0001, 1, false}, {0.0003, 1e6, true}} {
		if _, err := NewLimiter(c.rate, c.burst); (err == nil) != c.ok {
			t.Errorf("%v per second, burst %d: %v", c.rate, c.burst, err)
		}
	}
	nan := 0.0
	if _, err := NewLimiter(nan/nan, 1); err == nil {
		t.Error("NaN per second")
	}
}

func TestLimiterIsATokenBucket(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		burst := rapid.IntRange(1, 5).Draw(t, "burst")
		l, err := NewLimiter(10, burst)
		if err != nil {
			t.Fatal(err)
		}
		now, tokens := time.Unix(1_767_225_600, 0), float64(burst)
		for range 50 {
			step := time.Duration(rapid.IntRange(0, 300).Draw(t, "ms")) * time.Millisecond
			now = now.Add(step)
			tokens = min(float64(burst), tokens+step.Seconds()*10)
			wait := l.take(testKey, now)
			if could := tokens >= 1-1e-9; could != (wait == 0) {
				t.Fatalf("%v tokens, but wait %v", tokens, wait)
			}
			if wait == 0 {
				tokens--
			} else if missing := (1 - tokens) / 10; wait.Seconds() > missing+1e-6 || wait.Seconds() < missing-1e-6 {
				t.Fatalf("%v tokens: wait %v, want %vs", tokens, wait, missing)
			}
		}
	})
}

func TestLimiterKeepsKeysApartAndForgetsIdleOnes(t *testing.T) {
	l, err := NewLimiter(1, 1)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1_767_225_600, 0)
	const keys = limiterShards * sweepAbove * 2
	id := func(n int) string { return fmt.Sprintf("unk_live_%022d", n) }
	for n := range keys {
		if wait := l.take(id(n), now); wait != 0 {
			t.Fatalf("key %d waits for another one", n)
		}
	}
	if l.take(id(0), now) != time.Second {
		t.Error("a key in use was forgotten")
	}
	now = now.Add(time.Minute)
	for n := range keys {
		l.take(id(n%1000), now.Add(time.Duration(n)*time.Minute))
	}
	held := 0
	for i := range l.shards {
		held += len(l.shards[i].full)
	}
	if held > keys {
		t.Errorf("%d keys are held", held)
	}
}

func TestSweepDropsWhatIsIdle(t *testing.T) {
	s := limiterShard{full: map[limiterKey]int64{{1}: 10, {2}: 30}}
	s.forgetIdle(20)
	if len(s.full) != 1 || s.sweep != sweepAbove {
		t.Errorf("%v", s.full)
	}
}

func TestRateSaysWhenToComeBack(t *testing.T) {
	limiter, err := NewLimiter(0.5, 2)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, func(c *Config) { c.Limiter = limiter })
	for range 2 {
		if _, refusal := w.pass(w.signed(liveKey)); refusal != nil {
			t.Fatalf("%+v", refusal)
		}
	}
	w.now = w.now.Add(500 * time.Millisecond)
	if _, refusal := w.pass(w.signed(liveKey)); refusal == nil || refusal.Code != RateLimited || refusal.RetryAfterSeconds() != 2 {
		t.Fatalf("%+v", refusal)
	}
	if _, refusal := w.pass(w.signed(testKey)); refusal != nil {
		t.Errorf("another key: %+v", refusal)
	}
	w.now = w.now.Add(1500 * time.Millisecond)
	if _, refusal := w.pass(w.signed(liveKey)); refusal != nil {
		t.Errorf("after the wait: %+v", refusal)
	}
}

func TestUnexpectedErrorsAreNotTheCallersFault(t *testing.T) {
	cause := errors.New("surprise")
	if r := fromSignature(cause, &Facts{}); r.Code != AuthUnavailable || !errors.Is(r.Cause, cause) {
		t.Errorf("%+v", r)
	}
}
