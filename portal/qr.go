package portal

import (
	"errors"
	"fmt"
	"image/color"
	"strings"

	"github.com/boombuler/barcode/qr"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// qrCode is a QR code as one SVG path, so that the page needs no image request
// that would hold the seed, and no inline style.
type qrCode struct {
	// Size of the drawing in modules, the quiet zone included.
	Size int
	Path string
}

// quietZone is what ISO/IEC 18004 demands around the code, in modules.
const quietZone = 4

// drawQR encodes a text with error correction M: a screen has no dirt on it.
func drawQR(text controlplane.Secret) (qrCode, error) {
	code, err := qr.Encode(text.Reveal(), qr.M, qr.Auto)
	if err != nil {
		return qrCode{}, errors.New("draw the QR code: the text does not fit") // err may quote it
	}
	side := code.Bounds().Dx()
	var path strings.Builder
	for y := range side {
		for x := 0; x < side; x++ {
			run := 0
			for x+run < side && isDark(code.At(x+run, y)) {
				run++
			}
			if run > 0 {
				fmt.Fprintf(&path, "M%d %dh%dv1h-%dz", x+quietZone, y+quietZone, run, run)
				x += run
			}
		}
	}
	return qrCode{Size: side + 2*quietZone, Path: path.String()}, nil
}

func isDark(c color.Color) bool {
	r, _, _, _ := c.RGBA()
	return r == 0
}
