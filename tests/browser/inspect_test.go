package browser

import (
	"encoding/json"
	"fmt"
	"os"
	"sync"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// maxPage is what a page may send uncached, its style, script and icon included.
const maxPage = 60_000

// axe is the checker of accessibility, as npm installed it.
var axe = sync.OnceValues(func() (string, error) {
	text, err := os.ReadFile("node_modules/axe-core/axe.min.js")
	if err != nil {
		return "", fmt.Errorf("%w; run: npm ci --prefix tests/browser", err)
	}
	return string(text), nil
})

// look is how somebody has their browser.
type look struct {
	theme         string
	width, height int64
}

func (l look) String() string { return fmt.Sprintf("%d-%s", l.width, l.theme) }

// looks are the ends of what is in use: a small phone and a desktop.
func looks() []look {
	return []look{{"light", 320, 640}, {"dark", 320, 640}, {"light", 1280, 800}, {"dark", 1280, 800}}
}

// inspect holds the page that is open to the rules, in every look.
func (p *person) inspect(scene string) {
	p.t.Helper()
	p.mu.Lock()
	weight := p.bytes
	p.mu.Unlock()
	if weight > maxPage {
		p.t.Errorf("%s: %.0f bytes, want at most %d", scene, weight, maxPage)
	}
	checker, err := axe()
	check(p.t, err)
	p.expectNoFaults()
	p.do(script(checker))
	for _, l := range looks() {
		p.dress(l)
		p.fits(scene, l)
		p.accessible(scene, l)
		p.photograph(scene, l)
	}
	p.mu.Lock()
	p.faults = nil // what the checker itself causes
	p.mu.Unlock()
}

// dress gives the browser a look.
func (p *person) dress(l look) {
	p.t.Helper()
	p.do(
		command(emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: l.width, Height: l.height, DeviceScaleFactor: 1}),
		command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: l.theme},
			{Name: "prefers-reduced-motion", Value: "reduce"}, // a colour on its way to another is none
		}}),
	)
}

// fits wants nothing to stick out: a page that scrolls sideways cannot be read.
func (p *person) fits(scene string, l look) {
	p.t.Helper()
	if wide := eval[int64](p, "document.documentElement.scrollWidth"); wide > l.width {
		p.t.Errorf("%s-%s: the page is %d wide", scene, l, wide)
	}
}

func (p *person) accessible(scene string, l look) {
	p.t.Helper()
	violations := eval[[]struct {
		ID, Help string
		Nodes    []struct {
			HTML    string
			Summary string `json:"failureSummary"`
		}
	}](p, `axe.run().then((r) => r.violations)`)
	for _, v := range violations {
		text, err := json.Marshal(v.Nodes)
		check(p.t, err)
		p.t.Errorf("%s-%s: %s: %s\n%.600s", scene, l, v.ID, v.Help, text)
	}
}

// narrow makes the window that of a phone.
func narrow() chromedp.Action[chromedp.Void] {
	return command(emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: 320, Height: 640, DeviceScaleFactor: 1})
}
