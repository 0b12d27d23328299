package delivery

import (
	"crypto/rand"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// Between two turns of an endpoint that always has something to send, every other
// merchant has at most one turn and a further one.
func TestRotationIsRoundRobinOverMerchantsThenEndpoints(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newRotation()
		sizes := rapid.SliceOfN(rapid.IntRange(1, 6), 1, 8).Draw(t, "endpoints of each merchant")
		for m, n := range sizes {
			for i := range n {
				r.push(&endpoint{row: int64(100*m + i), merchantID: fmt.Sprint(m)})
			}
		}
		merchants, endpoints := map[string]int{}, map[int64]int{}
		rounds := 60 * len(sizes)
		for range rounds {
			ep := r.pop()
			merchants[ep.merchantID]++
			endpoints[ep.row]++
			r.push(ep)
		}
		for m, n := range merchants {
			if n != 60 {
				t.Fatalf("merchant %s had %d of %d turns", m, n, rounds)
			}
		}
		for row, n := range endpoints {
			if share := 60 / sizes[row/100]; n < share || n > share+1 {
				t.Fatalf("endpoint %d had %d of its merchant's 60 turns", row, n)
			}
		}
		for range slices.Max(append(sizes, 0)) * len(sizes) {
			r.pop()
		}
		if r.pop() != nil || len(r.byID) != 0 {
			t.Fatal("the rotation is not empty")
		}
	})
}

func TestBreakerOpensAfterFiveInARowOrHalfOfTwenty(t *testing.T) {
	for pattern, want := range map[string]int{
		"xxxxx":                 5,
		"xxxx.xxxx.xx":          12, // ten of the last twelve
		"x.x.x.x.x.x.x.x.x.x.x": 19, // ten of the last nineteen
		"x..x..x..x..x..x..x..x..x..x..x..x..x..": 0,
		"....................":                    0,
	} {
		var b breaker
		opened := 0
		for i, c := range pattern {
			if c == '.' {
				b.succeeded()
			} else if b.failed() && opened == 0 {
				opened = i + 1
			}
		}
		if opened != want {
			t.Errorf("%s opens after %d, not %d", pattern, opened, want)
		}
	}
	var b breaker
	for range openAfter {
		b.failed()
	}
	if b.failed() || !b.succeeded() || b.open() || b.succeeded() {
		t.Errorf("%+v", b)
	}
}

func TestProbesComeEverMoreSeldom(t *testing.T) {
	b := breaker{why: controlplane.BreakerInARow}
	last := time.Duration(0)
	for b.probes = range 200 {
		d := b.delay()
		if d < last || d < firstProbe || d > lazyProbe {
			t.Fatalf("probe %d waits %v after %v", b.probes, d, last)
		}
		last = d
	}
}

func TestRetryDelaysAreThoseOfTheScheduleSpreadByAFifth(t *testing.T) {
	sum := time.Duration(0)
	for n := 1; n <= 10; n++ {
		sum += retryDelay(n)
		for range 50 {
			d := spread(retryDelay(n), rand.Reader)
			if d < retryDelay(n)*8/10 || d > retryDelay(n)*12/10 {
				t.Fatalf("attempt %d: %v of %v", n, d, retryDelay(n))
			}
		}
	}
	if sum != 27*time.Hour+42*time.Minute+35*time.Second || retryDelay(100) != 12*time.Hour || retryDelay(0) != 5*time.Second {
		t.Errorf("ten delays are %v", sum)
	}
}
