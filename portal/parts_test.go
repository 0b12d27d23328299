package portal

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/boombuler/barcode/qr"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

func TestDevicesAreNamedAsPeopleKnowThem(t *testing.T) {
	for userAgent, want := range map[string]device{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0":              {"Edge", "Windows"},
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15":                      {"Safari", "macOS"},
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/140.0.0.0 Mobile/15E148 Safari/604.1": {"Chrome", "iPhone"},
		"Mozilla/5.0 (Linux; Android 14; SM-S921B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/26.0 Chrome/122.0.0.0 Mobile Safari/537.36": {"Samsung Internet", "Android"},
		"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0":                                                                     {"Firefox", "Linux"},
		"<script>alert(1)</script>": {},
		"":                          {},
	} {
		if got := parseDevice(userAgent); got != want {
			t.Errorf("%s: %+v; want %+v", userAgent, got, want)
		}
	}
}

// The path must set exactly the dark modules: an app that cannot read the code
// locks its owner out of the second factor.
func TestQRPathDrawsTheCodeWithItsQuietZone(t *testing.T) {
	text := "otpauth://totp/UnknownPay:mali?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=UnknownPay"
	drawn, err := drawQR(controlplane.NewSecret(text))
	if err != nil {
		t.Fatal(err)
	}
	code, err := qr.Encode(text, qr.M, qr.Auto)
	if err != nil {
		t.Fatal(err)
	}
	dark := map[[2]int]bool{}
	for _, run := range strings.Split(strings.TrimSuffix(drawn.Path, "z"), "z") {
		var x, y, n, back int
		if _, err := fmt.Sscanf(run, "M%d %dh%dv1h-%d", &x, &y, &n, &back); err != nil || n != back {
			t.Fatalf("run %q: %v", run, err)
		}
		for i := range n {
			dark[[2]int{x + i - quietZone, y - quietZone}] = true
		}
	}
	side := code.Bounds().Dx()
	if drawn.Size != side+8 {
		t.Errorf("size %d; want %d", drawn.Size, side+8)
	}
	for y := range side {
		for x := range side {
			if dark[[2]int{x, y}] != isDark(code.At(x, y)) {
				t.Fatalf("module %d,%d is wrong", x, y)
			}
		}
	}
	if _, err := drawQR(controlplane.NewSecret(strings.Repeat("x", 5000))); err == nil || strings.Contains(err.Error(), "xxx") {
		t.Errorf("a text that does not fit: %v", err)
	}
}

func TestFormIDsAreSpentPerSessionAndSweptAway(t *testing.T) {
	c := &clock{now: time.Unix(1e9, 0)}
	o := newOnceForms(c.Now)
	spend := func(session, id string) bool {
		t.Helper()
		first, err := o.spend(session, id)
		if err != nil {
			t.Fatal(err)
		}
		return first
	}
	if !spend("a", "1") || spend("a", "1") || !spend("b", "1") {
		t.Error("a form of one session is not that of another, and is spent once")
	}
	o.giveBack("a", "1")
	if !spend("a", "1") {
		t.Error("a form that revealed nothing is lost")
	}
	for i := range maxOnce - 2 {
		spend("c", fmt.Sprint(i))
	}
	if _, err := o.spend("d", "1"); controlplane.CodeOf(err) != controlplane.CodeUnavailable {
		t.Errorf("over the bound: %v", err)
	}
	c.now = c.now.Add(onceLife)
	if !spend("d", "1") || len(o.spent) != 1 {
		t.Errorf("%d are left after their life", len(o.spent))
	}
}
