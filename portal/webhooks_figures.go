package portal

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// took is a duration as people read it: 143 ms, 2.4 s. Unit selects the text.
type took time.Duration

func (d took) Unit() string {
	if time.Duration(d) < time.Second {
		return "ms"
	}
	return "s"
}

func (d took) Number() string {
	ms := float64(d) / float64(time.Millisecond)
	switch {
	case ms < 10:
		return strconv.FormatFloat(ms, 'f', 1, 64)
	case ms < 1000:
		return strconv.FormatFloat(ms, 'f', 0, 64)
	}
	return strconv.FormatFloat(ms/1000, 'f', 1, 64)
}

// rate is a share of successes. Percent is rounded down: 100 means all.
type rate struct {
	Attempts int64
	Percent  string
}

func rateOf(h controlplane.Health) rate {
	return rate{h.Succeeded + h.Failed, strconv.FormatFloat(math.Floor(h.SuccessRate()*1000)/10, 'f', -1, 64)}
}

// healthSlot is one hour or one day of a plot and its table.
type healthSlot struct {
	controlplane.Health
	At       time.Time
	Rate     rate
	P50, P95 took
}

// dayOf fills the last 24 hours, the present one last.
func dayOf(hours []controlplane.Health, now time.Time) []healthSlot {
	slots := emptySlots(24, now.UTC().Truncate(time.Hour), time.Hour)
	for _, h := range hours {
		if s := slotOf(slots, h.Hour, time.Hour); s != nil {
			s.Health = h
		}
	}
	return rated(slots)
}

// weekOf fills the last seven days of UTC, today last.
func weekOf(days []controlplane.Health, now time.Time) []healthSlot {
	const day = 24 * time.Hour
	slots := emptySlots(7, now.UTC().Truncate(day), day)
	for _, h := range days {
		if s := slotOf(slots, h.Hour, day); s != nil {
			s.Health = h
		}
	}
	return rated(slots)
}

func emptySlots(n int, last time.Time, step time.Duration) []healthSlot {
	slots := make([]healthSlot, n)
	for i, at := range slotTimes(n, last, step) {
		slots[i].At = at
	}
	return slots
}

// slotOf is the slot that a moment is in, or nil.
func slotOf(slots []healthSlot, at time.Time, step time.Duration) *healthSlot {
	if i, found := slotIndex(slots[0].At, len(slots), step, at); found {
		return &slots[i]
	}
	return nil
}

func rated(slots []healthSlot) []healthSlot {
	for i := range slots {
		s := &slots[i]
		s.Rate, s.P50, s.P95 = rateOf(s.Health), took(s.Health.P50), took(s.Health.P95)
	}
	return slots
}

// plot is a drawing of slots.
type plot struct {
	Name          string // a text of the catalogue says what is drawn
	Width, Height int
	Layers        []layer
	// P50 and P95 are paths.
	P50, P95 string
	// Top is what the upper edge stands for: a number of attempts, or a time.
	Top     int64
	TopTook took
	Slots   []healthSlot
	// Format is that of the slots' times.
	Format string
}

// webhookFigures is how webhooks did in the last day and week.
type webhookFigures struct {
	// Env is empty on the page of an endpoint, which is of one.
	Env             controlplane.Environment
	Day, DaySpeed   plot
	Week, WeekSpeed plot
}

// Any reports whether there is anything to show.
func (f webhookFigures) Any() bool { return len(f.Day.Tried())+len(f.Week.Tried()) > 0 }

func newWebhookFigures(hours, days []controlplane.Health, now time.Time) (f webhookFigures) {
	day, week := dayOf(hours, now), weekOf(days, now)
	f.Day, f.DaySpeed = countPlot("webhook.plot.day", day), tookPlot("webhook.plot.speed", day)
	f.Week, f.WeekSpeed = countPlot("webhook.plot.week", week), tookPlot("webhook.plot.speed_week", week)
	f.Day.Format, f.Week.Format = "02 15:04", time.DateOnly
	return f
}

// webhookFigures reads those of all endpoints of a merchant in an environment.
func (x *exchange) webhookFigures(merchantID string, env controlplane.Environment) (webhookFigures, error) {
	h, err := x.service.WebhookHealth(x.ctx(), x.actor(), controlplane.WebhookHealthFilter{MerchantID: merchantID, Environment: env})
	f := newWebhookFigures(h.Hours, h.Days, x.clock())
	f.Env = env
	return f, err
}

// countPlot stacks failures on successes.
func countPlot(name string, slots []healthSlot) plot {
	columns := make([][]int64, len(slots))
	for i, s := range slots {
		columns[i] = []int64{s.Succeeded, s.Failed}
	}
	p := plot{Name: name, Width: plotWidth, Height: plotHeight, Slots: slots}
	p.Layers, p.Top = stacked(columns, "ok", "no")
	return p
}

// tookPlot draws the quantiles of the hours that had successes.
func tookPlot(name string, slots []healthSlot) plot {
	p := plot{Name: name, Width: plotWidth, Height: plotHeight, Slots: slots, TopTook: took(time.Millisecond)}
	for _, s := range slots {
		p.TopTook = max(p.TopTook, s.P95)
	}
	p.P50 = p.path(func(s healthSlot) took { return s.P50 })
	p.P95 = p.path(func(s healthSlot) took { return s.P95 })
	return p
}

// path is a line through the slots with a value, broken at the others. It begins with
// half a slot on the level, all that there is of a slot between two without a value.
func (p plot) path(value func(healthSlot) took) string {
	var b strings.Builder
	step, open := plotWidth/len(p.Slots), false
	for i, s := range p.Slots {
		if value(s) == 0 {
			open = false
			continue
		}
		x, y := i*step+step/2, plotHeight-4-int(int64(value(s))*(plotHeight-8)/int64(p.TopTook))
		if open {
			fmt.Fprintf(&b, "L%d %d", x, y)
		} else {
			fmt.Fprintf(&b, "M%d %dh%d", x-step/4, y, step/2)
		}
		open = true
	}
	return b.String()
}

// Tried are the slots with attempts, for the table.
func (p plot) Tried() (out []healthSlot) {
	for _, s := range p.Slots {
		if s.Rate.Attempts > 0 {
			out = append(out, s)
		}
	}
	return out
}
