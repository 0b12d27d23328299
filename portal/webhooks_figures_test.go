package portal

import (
	"errors"
	"html/template"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

func TestDurationsAreReadable(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0.0 ms", 400 * time.Microsecond: "0.4 ms", 9900 * time.Microsecond: "9.9 ms", 143 * time.Millisecond: "143 ms", time.Second: "1.0 s", 15 * time.Second: "15.0 s",
	} {
		if got := took(d).Number() + " " + took(d).Unit(); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}

func TestSizesAreReadable(t *testing.T) {
	for n, want := range map[size]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 4_198_432: "4.0 MiB", 120 << 20: "120 MiB", 3 << 39: "1.5 TiB", 5 << 50: "5120 TiB"} {
		if got := n.String(); got != want {
			t.Errorf("%d: %s, want %s", int64(n), got, want)
		}
	}
}

// One failure among a hundred thousand is not "100 %".
func TestRateIsRoundedDown(t *testing.T) {
	for want, h := range map[string]controlplane.Health{
		"100": {Succeeded: 5}, "99.9": {Succeeded: 99_999, Failed: 1}, "0": {Failed: 3}, "66.6": {Succeeded: 2, Failed: 1}, "50": {Succeeded: 1, Failed: 1},
	} {
		if got := rateOf(h).Percent; got != want {
			t.Errorf("%+v: %s, want %s", h, got, want)
		}
	}
	if rateOf(controlplane.Health{}).Attempts != 0 {
		t.Error("nothing attempted counts as attempts")
	}
}

func TestHoursFallIntoTheirSlots(t *testing.T) {
	now := time.Date(2026, 3, 8, 12, 34, 0, 0, time.UTC)
	hour := func(back int) controlplane.Health {
		return controlplane.Health{Hour: now.Truncate(time.Hour).Add(-time.Duration(back) * time.Hour), Succeeded: 1, P50: 1, P95: 2}
	}
	hours := []controlplane.Health{hour(24 * 7), hour(24), hour(23), hour(0)}
	day := dayOf(hours, now)
	if len(day) != 24 || day[0].Succeeded != 1 || day[23].Succeeded != 1 || day[23].P95 != 2 {
		t.Errorf("the day: %+v", day)
	}
	if p := countPlot("", day); len(p.Tried()) != 2 || len(p.Layers[0].Bars) != 2 || len(p.Layers[1].Bars) != 0 {
		t.Errorf("the plot of the day: %+v", p)
	}
	today := now.Truncate(24 * time.Hour)
	week := weekOf([]controlplane.Health{{Hour: today.Add(-7 * 24 * time.Hour), Succeeded: 9}, {Hour: today.Add(-24 * time.Hour), Succeeded: 2, P95: 3}, {Hour: today, Succeeded: 1}}, now)
	if len(week) != 7 || week[6].Succeeded != 1 || week[5].Succeeded != 2 || week[5].P95 != 3 || week[0].Succeeded != 0 {
		t.Errorf("the week: %+v", week)
	}
}

// No bar leaves the drawing, and what happened at all is seen.
func TestPlotsStayInsideTheirFrame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		slots := make([]healthSlot, rapid.SampledFrom([]int{7, 24}).Draw(t, "slots"))
		good, bad := 0, 0
		for i := range slots {
			h := &slots[i].Health
			h.Succeeded, h.Failed = rapid.Int64Range(0, 1e9).Draw(t, "ok"), rapid.Int64Range(0, 1e9).Draw(t, "failed")
			h.P95 = time.Duration(rapid.Int64Range(0, int64(15*time.Second)).Draw(t, "p95"))
			h.P50 = h.P95 / 2
			good, bad = good+min(1, int(h.Succeeded)), bad+min(1, int(h.Failed))
		}
		p := countPlot("", rated(slots))
		ok, no := p.Layers[0].Bars, p.Layers[1].Bars
		if len(ok) != good || len(no) != bad {
			t.Fatalf("%d and %d bars for %d and %d", len(ok), len(no), good, bad)
		}
		for _, b := range append(ok, no...) {
			if b.X < 0 || b.Y < 0 || b.X+b.Width > plotWidth || b.Y+b.Height > plotHeight || b.Height < 2 {
				t.Fatalf("bar %+v", b)
			}
		}
		if s := tookPlot("", slots); strings.Contains(s.P50+s.P95, "-") {
			t.Fatalf("a line leaves the drawing: %s %s", s.P50, s.P95)
		}
	})
}

func TestLineOfALoneHourCanBeSeen(t *testing.T) {
	slots := make([]healthSlot, 24)
	slots[3].P95, slots[7].P95, slots[8].P95 = 1, 1, 1
	if got := tookPlot("", slots).P95; got != "M65 92h10M145 92h10L170 92" {
		t.Errorf("got %s", got)
	}
}

// Whatever a server answers, the page stays light and is text.
func TestExcerptIsBoundedText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		body := rapid.OneOf(
			rapid.SliceOfN(rapid.Byte(), 0, 9000),
			rapid.Map(rapid.StringN(0, 9000, -1), func(s string) []byte { return []byte(s) }),
			rapid.Map(rapid.IntRange(0, 9000), func(n int) []byte { return []byte(strings.Repeat(`"`, n)) }),
		).Draw(t, "body")
		e := newExcerpt(body)
		if n := len(template.HTMLEscapeString(e.Text)); n > excerptWeight || !utf8.ValidString(e.Text) || e.Size != len(body) {
			t.Fatalf("%d bytes of HTML from %d", n, len(body))
		}
		if strings.ContainsFunc(e.Text, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' }) {
			t.Fatalf("control characters in %q", e.Text)
		}
		if !e.Cut && utf8.Valid(body) && utf8.RuneCountInString(e.Text) != utf8.RuneCount(body) {
			t.Fatal("letters are lost and it is not said to be cut")
		}
	})
}

// The overview of a merchant and the console draw how webhooks did, in each
// environment apart: quantiles of a day are those of all its attempts together.
func TestOverviewDrawsHowWebhooksDo(t *testing.T) {
	w := newWorld(t)
	s, b := w.shop()
	if rec := b.get("/"); strings.Contains(rec.Body.String(), "Time to a 2xx") {
		t.Error("nothing is drawn as something")
	}
	for i, row := range []int64{w.webhook(s.merchant.ID, "https://a.example.com/").Row, w.webhook(s.merchant.ID, "https://b.example.com/").Row} {
		w.must(w.db.Update(t.Context(), func(tx controlplane.Tx) error {
			for hour := range 3 {
				c := controlplane.HealthBucket{
					EndpointRow: row, Hour: w.clock.Now().Truncate(time.Hour).Add(-time.Duration(hour) * time.Hour),
					Bucket: controlplane.LatencyBucket(time.Duration(1+99*i) * time.Millisecond), Count: int64(90 - 80*i),
				}
				failed := c
				failed.Bucket, failed.Count = 0, 1
				if err := errors.Join(tx.AddHealth(t.Context(), c), tx.AddHealth(t.Context(), failed)); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	h, err := w.service.WebhookHealth(t.Context(), controlplane.LocalActor("root"), controlplane.WebhookHealthFilter{MerchantID: s.merchant.ID, Environment: controlplane.Test})
	w.must(err)
	if len(h.Hours) != 3 || len(h.Days) != 1 || h.Days[0].Succeeded != 300 || h.Days[0].Failed != 6 || h.Days[0].P50 != time.Millisecond || h.Days[0].P95 < 100*time.Millisecond {
		t.Errorf("%+v", h)
	}
	for _, role := range merchantRoles() {
		rec := w.as(s, role).get("/")
		w.as(s, role).wants(rec, 200, "Attempts per hour, last 24 hours", "Time to a 2xx per day, last 7 days", "<td>300</td><td>6</td><td>98 %</td>")
		if n := strings.Count(rec.Body.String(), `class="p95"`); n != 2 {
			t.Errorf("%s: %d drawings of times, want those of the test side alone", role, n)
		}
	}
}
