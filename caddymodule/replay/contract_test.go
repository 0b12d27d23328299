package replay

import (
	"context"
	"errors"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/tests/redistest"
)

// store is what a gateway uses; the contract holds for every one of them.
type store interface {
	Use(ctx context.Context, keyID, nonce string, timestamp, expires int64) (fresh bool, err error)
	NotBefore() int64
	Stats() Stats
	Close() error
}

// eachStore runs a test with a new store of each kind.
func eachStore(t *testing.T, fn func(t *testing.T, s store)) {
	t.Run("memory", func(t *testing.T) {
		m, err := OpenMemory(MemoryOptions{VolatileForTests: true, Capacity: 10_000})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { shut(t, m) })
		fn(t, m)
	})
	t.Run("redis", func(t *testing.T) { fn(t, openRedis(t, redistest.Start(t), nil)) })
}

// soon is a timestamp that a store accepts that was opened in this second.
func soon() int64 { return time.Now().Unix() + 2 }

func wantUse(t *testing.T, s store, keyID, nonce string, timestamp int64, outcome any) {
	t.Helper()
	got, err := s.Use(context.Background(), keyID, nonce, timestamp, timestamp+keep)
	wanted, _ := outcome.(bool)
	expected, _ := outcome.(error)
	if got != wanted || !errors.Is(err, expected) {
		t.Errorf("Use(%.40q, %.40q) is %v, %v; want %v", keyID, nonce, got, err, outcome)
	}
}

func TestEachStoreTellsFreshFromReplayed(t *testing.T) {
	eachStore(t, func(t *testing.T, s store) {
		at := soon()
		wantUse(t, s, "key", "a", at, fresh)
		wantUse(t, s, "key", "a", at, replayed)
		wantUse(t, s, "key", "a", at+1, replayed) // another timestamp does not make the nonce another
		wantUse(t, s, "key", "b", at, fresh)
		wantUse(t, s, "other key", "a", at, fresh)
		// Where the key id ends and the nonce begins counts.
		wantUse(t, s, "ke", "ya", at, fresh)
		wantUse(t, s, "", "keya", at, fresh)
		wantUse(t, s, "key\x00", "a", at, fresh)
		wantUse(t, s, strings.Repeat("k", 200), strings.Repeat("n", 200), at, fresh)
		wantUse(t, s, strings.Repeat("k", 200), strings.Repeat("n", 200), at, replayed)
	})
}

func TestEachStoreRefusesWhatItCannotVouchFor(t *testing.T) {
	eachStore(t, func(t *testing.T, s store) {
		at := soon()
		for name, times := range map[string]struct{ timestamp, expires int64 }{
			"before the start":   {at - 10, at + keep},
			"the floor":          {s.NotBefore(), s.NotBefore() + keep},
			"zero":               {0, keep},
			"negative":           {-at, keep - at},
			"too far ahead":      {at + MaxAhead + 10, at + MaxAhead + 10 + keep},
			"the end of time":    {math.MaxInt64, math.MinInt64},
			"expired when used":  {at, at},
			"expires absurdly":   {at, at + maxRetention + 1},
			"expires before all": {at, math.MinInt64},
		} {
			if ok, err := s.Use(t.Context(), "key", name, times.timestamp, times.expires); ok || !errors.Is(err, ErrRange) {
				t.Errorf("%s: %v, %v", name, ok, err)
			}
		}
		wantUse(t, s, "key", "a", at, fresh)
	})
}

func TestEachStoreLetsOneOfManyPass(t *testing.T) {
	eachStore(t, func(t *testing.T, s store) {
		at, passed := soon(), new(atomic.Int64)
		var all sync.WaitGroup
		for range 1000 {
			all.Go(func() {
				ok, err := s.Use(context.Background(), "key", "one", at, at+keep)
				if err != nil {
					t.Error(err)
				}
				if ok {
					passed.Add(1)
				}
			})
		}
		all.Wait()
		if passed.Load() != 1 {
			t.Errorf("%d were told fresh", passed.Load())
		}
	})
}

func TestEachStoreRefusesWhenClosed(t *testing.T) {
	eachStore(t, func(t *testing.T, s store) {
		for range 2 {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
		wantUse(t, s, "key", "a", soon(), ErrClosed)
	})
}
