package portal

import (
	"cmp"
	"net/url"
	"slices"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// traffic is what came of requests in the last week.
type traffic struct {
	Day, Week trafficPlot
	// Codes are the refusals of the week, most first.
	Codes []codeCount
	// Unlisted is how many refused requests of the week are counted but not listed.
	Unlisted int64
}

// Any reports whether there is anything to show.
func (t traffic) Any() bool { return len(t.Week.Seen()) > 0 }

// trafficPlot is a drawing of requests by outcome.
type trafficPlot struct {
	Name          string // a text of the catalogue says what is drawn
	Width, Height int
	Layers        []layer
	// Top is what the upper edge stands for.
	Top   int64
	Slots []trafficSlot
	// Format is that of the slots' times.
	Format string
}

// Seen are the slots with requests, for the table.
func (p trafficPlot) Seen() (out []trafficSlot) {
	for _, s := range p.Slots {
		if s.Accepted+s.Reported+s.Refused > 0 {
			out = append(out, s)
		}
	}
	return out
}

// trafficSlot is one hour or one day.
type trafficSlot struct {
	At                          time.Time
	Accepted, Reported, Refused int64
}

// codeCount is how often a code was answered, or would have been.
type codeCount struct {
	Code      string
	Href      string
	Day, Week int64
	// Bar is the share of the commonest code, drawn.
	Bar bar
}

const (
	codeBarWidth  = 120
	codeBarHeight = 12
	trafficDay    = 24 * time.Hour
)

// traffic reads what came of a merchant's requests in an environment; list is the
// address of their log.
func (x *exchange) traffic(merchantID string, env controlplane.Environment, list *url.URL) (traffic, error) {
	now := x.clock().UTC()
	since := now.Truncate(trafficDay).Add(-6 * trafficDay)
	counts, err := x.service.CountRequests(x.ctx(), x.actor(), controlplane.RequestCountFilter{
		MerchantID: merchantID, Environment: env, Span: controlplane.SpanHour, Since: since,
	})
	if err != nil {
		return traffic{}, err
	}
	t := newTraffic(counts, now)
	for i := range t.Codes {
		q := list.Query()
		q.Set("code", t.Codes[i].Code)
		t.Codes[i].Href = list.Path + "?" + q.Encode()
	}
	return t, nil
}

func newTraffic(counts []controlplane.RequestCount, now time.Time) traffic {
	hours := slotTimes(24, now.Truncate(time.Hour), time.Hour)
	days := slotTimes(7, now.Truncate(trafficDay), trafficDay)
	t := traffic{Day: newTrafficPlot("requests.plot.day", "02 15:04", hours), Week: newTrafficPlot("requests.plot.week", time.DateOnly, days)}
	codes := map[string]*codeCount{}
	for _, c := range counts {
		t.Unlisted += c.Unlisted
		hour := t.Day.add(hours[0], time.Hour, c)
		if !t.Week.add(days[0], trafficDay, c) || c.Outcome == controlplane.RequestAccepted {
			continue
		}
		if codes[c.Code] == nil {
			codes[c.Code] = &codeCount{Code: c.Code}
		}
		codes[c.Code].Week += c.Count
		if hour {
			codes[c.Code].Day += c.Count
		}
	}
	t.Day.draw()
	t.Week.draw()
	t.Codes = rankCodes(codes)
	return t
}

func newTrafficPlot(name, format string, times []time.Time) trafficPlot {
	p := trafficPlot{Name: name, Width: plotWidth, Height: plotHeight, Format: format, Slots: make([]trafficSlot, len(times))}
	for i, at := range times {
		p.Slots[i].At = at
	}
	return p
}

// add counts c in its slot; false if it is in none.
func (p *trafficPlot) add(first time.Time, step time.Duration, c controlplane.RequestCount) bool {
	i, found := slotIndex(first, len(p.Slots), step, c.At)
	if !found {
		return false
	}
	switch c.Outcome {
	case controlplane.RequestAccepted:
		p.Slots[i].Accepted += c.Count
	case controlplane.RequestReported:
		p.Slots[i].Reported += c.Count
	default:
		p.Slots[i].Refused += c.Count
	}
	return true
}

func (p *trafficPlot) draw() {
	columns := make([][]int64, len(p.Slots))
	for i, s := range p.Slots {
		columns[i] = []int64{s.Accepted, s.Reported, s.Refused}
	}
	p.Layers, p.Top = stacked(columns, "ok", "so", "no")
}

func rankCodes(codes map[string]*codeCount) (out []codeCount) {
	for _, c := range codes {
		out = append(out, *c)
	}
	slices.SortFunc(out, func(a, b codeCount) int { return cmp.Or(cmp.Compare(b.Week, a.Week), cmp.Compare(a.Code, b.Code)) })
	for i := range out {
		width := max(2, int(out[i].Week*codeBarWidth/out[0].Week))
		out[i].Bar = bar{Width: width, Height: codeBarHeight}
	}
	return out
}
