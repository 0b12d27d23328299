package delivery

import (
	"math"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// MaxRetryAfter bounds what a receiver can ask for: the longest pause between two
// attempts that the schedule itself makes. A receiver that is mistaken by years
// would else never hear of its events again.
const MaxRetryAfter = 12 * time.Hour

var allDigits = regexp.MustCompile(`^[0-9]+$`)

// RetryAfter returns how long an answer asks to wait, from 0 to [MaxRetryAfter],
// in either form of RFC 9110, section 10.2.3: seconds, or a date. A date is
// counted from the answer's own Date, so that a receiver whose clock is wrong is
// waited for as long as it means, and from now if there is none. ok is false
// without the header or if it is in neither form.
func RetryAfter(answer []controlplane.Header, now time.Time) (wait time.Duration, ok bool) {
	value := strings.TrimSpace(headerValue(answer, "Retry-After"))
	if allDigits.MatchString(value) {
		seconds, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			seconds = math.MaxInt64 // more digits than fit
		}
		return time.Duration(min(seconds, int64(MaxRetryAfter/time.Second))) * time.Second, true
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	if date, err := http.ParseTime(headerValue(answer, "Date")); err == nil {
		now = date
	}
	return min(max(at.Sub(now), 0), MaxRetryAfter), true
}

func headerValue(header []controlplane.Header, name string) string {
	for _, h := range header {
		if strings.EqualFold(h.Name, name) {
			return h.Value
		}
	}
	return ""
}
