package delivery

import (
	"net/http"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

func TestRetryAfterInBothForms(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	at := func(d time.Duration) string { return now.Add(d).Format(http.TimeFormat) }
	for name, c := range map[string]struct {
		value, date string
		want        time.Duration
	}{
		"seconds":                  {"120", "", 2 * time.Minute},
		"no seconds":               {"0", "", 0},
		"spaces around":            {" 5 ", "", 5 * time.Second},
		"too many seconds":         {"86400", "", longestPause},
		"date":                     {at(time.Minute), "", time.Minute},
		"date in the past":         {at(-time.Minute), "", 0},
		"date in years":            {"Fri, 31 Dec 9999 23:59:59 GMT", "", longestPause},
		"date of RFC 850":          {"Sunday, 01-Mar-26 12:01:00 GMT", "", time.Minute},
		"date of C":                {"Sun Mar  1 12:01:00 2026", "", time.Minute},
		"server's clock is ahead":  {at(time.Hour + time.Minute), at(time.Hour), time.Minute},
		"server's clock is behind": {at(time.Minute - time.Hour), at(-time.Hour), time.Minute},
		"server's clock is broken": {at(time.Minute), "yesterday", time.Minute},
		"none":                     {"", "", 0},
		"negative":                 {"-5", "", 0},
		"signed":                   {"+5", "", 0},
		"fraction":                 {"1.5", "", 0},
		"unit":                     {"5s", "", 0},
		"words":                    {"tomorrow", "", 0},
		"other digits":             {"٥", "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			answer := []controlplane.Header{{Name: "X", Value: "9"}}
			if c.value != "" {
				answer = append(answer, controlplane.Header{Name: "retry-after", Value: c.value})
			}
			if c.date != "" {
				answer = append(answer, controlplane.Header{Name: "Date", Value: c.date})
			}
			if got := pause(controlplane.Attempt{Status: 503, ResponseHeader: answer}, now); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
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
		header := []controlplane.Header{{Name: "Retry-After", Value: value}, {Name: "Date", Value: date}}
		if wait := pause(controlplane.Attempt{Status: 429, ResponseHeader: header}, time.Unix(now, 0)); wait < 0 || wait > longestPause {
			t.Errorf("got %s", wait)
		}
	})
}
