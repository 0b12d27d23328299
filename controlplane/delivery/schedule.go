package delivery

import (
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

const (
	// giveUpAfter counts from the first attempt.
	giveUpAfter = 72 * time.Hour
	// longestPause bounds what a Retry-After can ask for: the longest wait of the
	// schedule.
	longestPause = 12 * time.Hour
)

// retryDelay is the wait after the nth attempt, before it is spread.
func retryDelay(n int) time.Duration {
	schedule := [...]time.Duration{
		5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute,
		time.Hour, 2 * time.Hour, 4 * time.Hour, 8 * time.Hour, 12 * time.Hour,
	}
	return schedule[max(0, min(n, len(schedule))-1)]
}

// spread moves d by up to a fifth either way, so that what failed together does not
// come back together.
func spread(d time.Duration, random io.Reader) time.Duration {
	var b [4]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return d
	}
	share := float64(binary.BigEndian.Uint32(b[:])) / (1 << 32)
	return time.Duration(float64(d) * (0.8 + 0.4*share)).Truncate(time.Microsecond)
}

// pause returns how long an answer asks not to be bothered, 0 if it does not:
// Retry-After of RFC 9110 section 10.2.3 in both its forms, with 429 and 503 only.
func pause(a controlplane.Attempt, now time.Time) time.Duration {
	if a.Status != http.StatusTooManyRequests && a.Status != http.StatusServiceUnavailable {
		return 0
	}
	text := field(a.ResponseHeader, "Retry-After")
	if n, err := strconv.ParseUint(text, 10, 31); err == nil || errors.Is(err, strconv.ErrRange) {
		return min(time.Duration(n)*time.Second, longestPause)
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	// The date is by the receiver's clock, which may be far from ours.
	if theirs, err := http.ParseTime(field(a.ResponseHeader, "Date")); err == nil {
		now = theirs
	}
	return max(0, min(at.Sub(now), longestPause))
}

func field(header []controlplane.Header, name string) string {
	for _, h := range header {
		if strings.EqualFold(h.Name, name) {
			return strings.TrimSpace(h.Value)
		}
	}
	return ""
}
