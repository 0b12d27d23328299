package browser

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// update renews docs/screenshots, for people to look at.
var update = flag.Bool("update", false, "write docs/screenshots anew")

// photograph keeps a picture of the whole page, if that was asked for.
func (p *person) photograph(scene string, l look) {
	p.t.Helper()
	if !*update {
		return
	}
	height := eval[float64](p, "document.documentElement.scrollHeight")
	var shot []byte
	p.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		beyond := true
		r, err := cdp.Call(ctx, t, page.CaptureScreenshot, page.CaptureScreenshotParams{
			CaptureBeyondViewport: &beyond, Clip: &page.Viewport{Width: float64(l.width), Height: height, Scale: 1},
		})
		shot = r.Data
		return err
	}))
	small, err := shrink(shot)
	check(p.t, err)
	check(p.t, os.WriteFile(filepath.Join(root, "docs/screenshots", fmt.Sprintf("%s-%s.png", scene, l)), small, 0o644))
}

// shrink reduces a picture to 16 colours, four bits a pixel.
func shrink(shot []byte) ([]byte, error) {
	from, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		return nil, fmt.Errorf("decode the screenshot: %w", err)
	}
	to := image.NewPaletted(from.Bounds(), palette(from))
	for y := range to.Rect.Dy() {
		for x := range to.Rect.Dx() {
			to.Set(x, y, from.At(x, y))
		}
	}
	var out bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	err = encoder.Encode(&out, to)
	return out.Bytes(), err
}

// palette is of the colours used most: the grounds, however alike, and then those
// that differ from what there is, or the shades at the edges of letters would leave
// no room for a badge.
func palette(img image.Image) color.Palette {
	const size, grounds, apart = 16, 6, 48
	counts := map[color.RGBA]int{}
	for y := range img.Bounds().Dy() {
		for x := range img.Bounds().Dx() {
			counts[color.RGBAModel.Convert(img.At(x, y)).(color.RGBA)]++
		}
	}
	var out color.Palette
	for _, c := range slices.SortedFunc(maps.Keys(counts), func(a, b color.RGBA) int { return counts[b] - counts[a] }) {
		if len(out) == size {
			break
		}
		if len(out) < grounds || distance(c, out.Convert(c).(color.RGBA)) > apart {
			out = append(out, c)
		}
	}
	return out
}

func distance(a, b color.RGBA) float64 {
	return math.Hypot(math.Hypot(float64(a.R)-float64(b.R), float64(a.G)-float64(b.G)), float64(a.B)-float64(b.B))
}
