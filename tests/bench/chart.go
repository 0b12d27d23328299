package main

import (
	"fmt"
	"html"
	"os"
	"path/filepath"
	"strings"
)

// chart is horizontal bars in groups: the median of the CPU of each by that of what
// it is compared with.
type chart struct {
	title string
	bars  []bar
}

type bar struct {
	group, name string
	value       float64
}

func (c *chart) add(group, name string, of comparison) {
	c.bars = append(c.bars, bar{group, name, median(of.ratios(slice.cpuEach))})
}

// draw keeps a chart until the report is written.
func (r *report) draw(name string, c chart) { r.charts = append(r.charts, namedChart{name, c.svg()}) }

type namedChart struct{ name, svg string }

// The chart in SVG's units. Text takes the colour of the page, so that it can be
// read in the dark.
const (
	chartWidth  = 720
	chartLabels = 180
	chartRow    = 22
)

// svg writes the values beside the bars: nobody has to tell lengths or colours apart.
func (c chart) svg() string {
	longest := 1.0
	for _, b := range c.bars {
		longest = max(longest, b.value)
	}
	scale := (chartWidth - chartLabels - 70) / longest
	var rows, spoken strings.Builder
	y, group := 40, ""
	for _, b := range c.bars {
		if b.group != group {
			y += 8
			group = b.group
			fmt.Fprintf(&rows, `<text x="0" y="%d" font-weight="bold">%s</text>`+"\n", y+15, html.EscapeString(group))
		}
		fmt.Fprintf(&rows, `<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n", chartLabels-8, y+15, html.EscapeString(b.name))
		fmt.Fprintf(&rows, `<rect x="%d" y="%d" width="%.0f" height="%d" fill="#4a7ebb"/>`+"\n", chartLabels, y+2, b.value*scale, chartRow-5)
		fmt.Fprintf(&rows, `<text x="%.0f" y="%d">%.2f</text>`+"\n", chartLabels+b.value*scale+6, y+15, b.value)
		fmt.Fprintf(&spoken, "%s, %s: %.2f. ", b.group, b.name, b.value)
		y += chartRow
	}
	one := chartLabels + scale
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="13" fill="currentColor" role="img" aria-labelledby="title values">
<title id="title">%s</title>
<desc id="values">%s</desc>
<style>svg { color: #222; background: #fff }</style>
<text x="0" y="20" font-size="15">%s</text>
%s<path d="M%.0f 36V%d" stroke="currentColor" stroke-dasharray="4 3"/>
</svg>
`, chartWidth, y+8, html.EscapeString(c.title), html.EscapeString(strings.TrimSpace(spoken.String())), html.EscapeString(c.title), rows.String(), one, y+4)
}

// writeCharts puts the charts into the folder that is named like the Markdown file.
func (r *report) writeCharts(file string) error {
	dir := strings.TrimSuffix(file, filepath.Ext(file))
	for _, c := range r.charts {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, c.name+".svg"), []byte(c.svg), 0o644); err != nil {
			return err
		}
	}
	return nil
}
