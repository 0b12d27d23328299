package delivery

import (
	"net/http"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	at := func(d time.Duration) string { return now.Add(d).Format(http.TimeFormat) }
	for name, c := range map[string]struct {
		value, date string
		want        time.Duration
		ok          bool
	}{
		"seconds":                  {"120", "", 2 * time.Minute, true},
		"no seconds":               {"0", "", 0, true},
		"spaces around":            {" 5 ", "", 5 * time.Second, true},
		"too many seconds":         {"86400", "", MaxRetryAfter, true},
		"seconds that overflow":    {"99999999999999999999999", "", MaxRetryAfter, true},
		"seconds near overflow":    {"9223372036854775807", "", MaxRetryAfter, true},
		"date":                     {at(time.Minute), "", time.Minute, true},
		"date in the past":         {at(-time.Minute), "", 0, true},
		"date in years":            {"Fri, 31 Dec 9999 23:59:59 GMT", "", MaxRetryAfter, true},
		"date of RFC 850":          {"Sunday, 01-Mar-26 12:01:00 GMT", "", time.Minute, true},
		"date of C":                {"Sun Mar  1 12:01:00 2026", "", time.Minute, true},
		"server's clock is ahead":  {at(time.Hour + time.Minute), at(time.Hour), time.Minute, true},
		"server's clock is behind": {at(time.Minute - time.Hour), at(-time.Hour), time.Minute, true},
		"server's clock is broken": {at(time.Minute), "yesterday", time.Minute, true},
		"none":                     {"", "", 0, false},
		"negative":                 {"-5", "", 0, false},
		"signed":                   {"+5", "", 0, false},
		"fraction":                 {"1.5", "", 0, false},
		"unit":                     {"5s", "", 0, false},
		"words":                    {"tomorrow", "", 0, false},
		"other digits":             {"٥", "", 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			answer := []controlplane.Header{{Name: "X", Value: "9"}}
			if c.value != "" {
				answer = append(answer, controlplane.Header{Name: "retry-after", Value: c.value})
			}
			if c.date != "" {
				answer = append(answer, controlplane.Header{Name: "Date", Value: c.date})
			}
			if got, ok := RetryAfter(answer, now); got != c.want || ok != c.ok {
				t.Errorf("got %s, %t, want %s, %t", got, ok, c.want, c.ok)
			}
		})
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"", "0", "120", "99999999999999999999", "-1", "Sun, 01 Mar 2026 12:01:00 GMT", "Sunday, 01-Mar-26 12:01:00 GMT", "Sun Mar  1 12:01:00 2026", "Fri, 31 Dec 9999 23:59:59 GMT"} {
		f.Add(s, "Sun, 01 Mar 2026 12:00:00 GMT", int64(1772366400))
		f.Add(s, "", int64(-1))
	}
	f.Fuzz(func(t *testing.T, value, date string, now int64) {
		wait, ok := RetryAfter([]controlplane.Header{{Name: "Retry-After", Value: value}, {Name: "Date", Value: date}}, time.Unix(now, 0))
		if wait < 0 || wait > MaxRetryAfter || !ok && wait != 0 {
			t.Errorf("got %s, %t", wait, ok)
		}
	})
}
