package cluster

import (
	"slices"
	"testing"
	"time"
)

func maxOf(all []time.Duration) time.Duration { return slices.Max(all) }

// report logs figures; they are read, not asserted.
func report(t *testing.T, what string, all []time.Duration) {
	t.Helper()
	slices.Sort(all)
	at := func(q float64) time.Duration {
		return all[min(len(all)-1, int(q*float64(len(all))))].Round(100 * time.Microsecond)
	}
	t.Logf("%s: %d times, p50 %v, p99 %v, max %v", what, len(all), at(0.5), at(0.99), at(1))
}
