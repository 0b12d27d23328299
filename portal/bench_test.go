package portal

import (
	"slices"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// BenchmarkPage measures whole requests, session and database included, and
// reports the 95th percentile, which portal.md bounds at 10 ms.
func BenchmarkPage(b *testing.B) {
	w := newWorld(b)
	seat, stranger := w.as(w.busySite("Busy"), controlplane.RoleOwner), w.browser()
	for target, reader := range map[string]*browser{
		"/login": stranger, "/nowhere": stranger, "/account": seat, "/account/sessions": seat, "/account/2fa": seat,
		"/": seat, "/test/keys": seat, "/allowlist/requests": seat, "/audit": seat, "/roles": seat, "/docs/quickstart": seat,
	} {
		b.Run(target[1:], func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				started := time.Now()
				reader.get(target)
				took = append(took, time.Since(started))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "p95-ms")
		})
	}
}
