package portal

import (
	"fmt"
	"strings"
	"time"
)

// The numbers of a drawing are those of the SVG's viewBox, so that no style is
// needed.
const (
	plotWidth  = 480
	plotHeight = 96
)

// size is a number of bytes as people read it: 512 B, 4.1 KiB, 120 MiB.
type size int64

func (n size) String() string {
	units := []string{"KiB", "MiB", "GiB", "TiB"}
	if n < 1<<10 {
		return fmt.Sprintf("%d B", int64(n))
	}
	value, unit := float64(n)/(1<<10), 0
	for value >= 1<<10 && unit < len(units)-1 {
		value, unit = value/(1<<10), unit+1
	}
	if value < 10 {
		return fmt.Sprintf("%.1f %s", value, units[unit])
	}
	return fmt.Sprintf("%.0f %s", value, units[unit])
}

// Exact is the number of bytes.
func (n size) Exact() int64 { return int64(n) }

// bar is one rectangle of a drawing.
type bar struct{ X, Y, Width, Height int }

// layer is the bars of one kind; Class says which.
type layer struct {
	Class string
	Bars  []bar
}

// Path draws the bars as one shape, which takes a fifth of the bytes of rectangles.
func (l layer) Path() string {
	var b strings.Builder
	for _, r := range l.Bars {
		fmt.Fprintf(&b, "M%d %dh%dv%dh-%dz", r.X, r.Y, r.Width, r.Height, r.Width)
	}
	return b.String()
}

// stacked draws columns of counts, a layer for each class, the first at the bottom.
// top is what the upper edge stands for.
func stacked(columns [][]int64, classes ...string) (layers []layer, top int64) {
	layers, top = make([]layer, len(classes)), 1
	for i, class := range classes {
		layers[i].Class = class
	}
	for _, counts := range columns {
		top = max(top, sum(counts))
	}
	step := plotWidth / len(columns)
	for i, counts := range columns {
		base := plotHeight
		for j, n := range counts {
			if n == 0 {
				continue
			}
			height := barHeight(n, top)
			base = max(0, base-height)
			layers[j].Bars = append(layers[j].Bars, bar{i*step + 1, base, step - 2, height})
		}
	}
	return layers, top
}

// barHeight is at least 2 for what is there at all: one failure among thousands
// must be seen.
func barHeight(n, top int64) int { return max(2, int(n*plotHeight/top)) }

func sum(counts []int64) (n int64) {
	for _, c := range counts {
		n += c
	}
	return n
}

// slotTimes are the beginnings of n stretches of time, the last one given.
func slotTimes(n int, last time.Time, step time.Duration) []time.Time {
	times := make([]time.Time, n)
	for i := range times {
		times[i] = last.Add(time.Duration(i-n+1) * step)
	}
	return times
}

// slotIndex is the stretch of time that a moment is in; false if it is in none.
func slotIndex(first time.Time, n int, step time.Duration, at time.Time) (int, bool) {
	since := at.Sub(first)
	i := int(since / step)
	return i, since >= 0 && i < n
}
