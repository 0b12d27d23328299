package portal

import (
	"crypto/rand"
	"net/netip"
	"strings"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// logged writes a refused request of a merchant's test key down and returns its id.
func (w *world) logged(merchantID string, edit ...func(*controlplane.LoggedRequest)) string {
	w.Helper()
	id, err := controlplane.NewID(controlplane.PrefixRequest, w.clock.Now(), rand.Reader)
	w.must(err)
	q := controlplane.LoggedRequest{
		ID: id, At: w.clock.Now(), MerchantID: merchantID, Environment: controlplane.Test, KeyID: "unk_test_" + strings.Repeat("1", 22),
		ClientIP: netip.MustParseAddr("203.0.113.9"), Method: "POST", Path: "/v1/payments",
		Outcome: controlplane.RequestRefused, Code: "SIGNATURE_MISMATCH",
		Why: controlplane.RequestWhy{
			Cause: "query_left_out", Signed: true, Difference: -2, EntryRow: 1, BodyBytes: 17,
			BodySHA256: strings.Repeat("ab", 32), StringSHA256: strings.Repeat("cd", 32),
		},
		StringToSign: "UNK1-HMAC-SHA256\n1767225600\nnonce-of-this-one\nPOST\napi.example.com\n/v1/payments?order=1\n" + strings.Repeat("ab", 32),
	}
	for _, f := range edit {
		f(&q)
	}
	w.must(w.service.RecordRequests(w.Context(), controlplane.RequestBatch{Requests: []controlplane.LoggedRequest{q}}))
	return id
}

// busyRequests adds more rows than a page has, hostile ones, and counts.
func (w *world) busyRequests(s *site) {
	w.Helper()
	codes := refusalCodes()
	var batch controlplane.RequestBatch
	for i := range loggedPerPage + 5 {
		s.requestID = w.logged(s.merchant.ID, func(q *controlplane.LoggedRequest) {
			q.Method, q.Path = `<b>why`, `/<script>alert("`+strings.Repeat("x", 230)
			q.Code, q.Why.Cause = codes[i%len(codes)], ""
			q.Why.Header, q.Why.Missing, q.Why.Reason = `<script>alert(1)`, []string{`"@query"`, `<b>why`}, "syntax"
			q.Why.RouteEnvironment, q.Why.MaxBytes, q.Why.StringCut = controlplane.Live, 1<<20, true
			q.StringToSign = strings.Repeat(`"<b>why`, 290)
		})
	}
	for hour := range 24 * 7 {
		at := controlplane.SpanHour.Of(w.clock.Now()).Add(-time.Duration(hour) * time.Hour)
		for i, o := range []controlplane.RequestOutcome{controlplane.RequestAccepted, controlplane.RequestReported, controlplane.RequestRefused} {
			for _, env := range []controlplane.Environment{controlplane.Live, controlplane.Test} {
				batch.Counts = append(batch.Counts, controlplane.RequestCount{
					MerchantID: s.merchant.ID, Environment: env, Span: controlplane.SpanHour, At: at, Outcome: o,
					Code: codes[(hour*i)%len(codes)], Count: int64(1_000_000_000 + hour*i), Unlisted: int64(i),
				})
			}
		}
	}
	w.must(w.service.RecordRequests(w.Context(), batch))
}
