package controlplane_test

import (
	"strings"
	"testing"
	"time"

	. "github.com/unknownpay/merchant-gateway/controlplane"
)

// pasted is a request that a developer shows.
func pasted(merchantID string) CheckSignature {
	return CheckSignature{MerchantID: merchantID, Environment: Test, Method: "POST", Scheme: "https", Host: "api.example.com", Target: "/v1/payments?secret=canary"}
}

// diagnosing lets the world check signatures, with the answer given.
func (w *world) diagnosing(v SignatureVerdict) {
	w.Helper()
	w.rebuild(func(p *Parts) {
		p.Diagnose = func(in CheckSignature, _ time.Time) (SignatureVerdict, error) { return v, nil }
	})
}

func TestChecksOfSignaturesAreWrittenDownWithoutTheRequest(t *testing.T) {
	w := newWorld(t)
	m := w.merchant("Shop")
	nok := w.user(m.ID, "nok", RoleOperator)
	want := SignatureVerdict{Code: "SIGNATURE_MISMATCH", KeyID: "unk_test_x", StringToSign: "canary"}
	w.diagnosing(want)
	if got := ok(w.CheckSignature(t.Context(), nok, pasted(m.ID)))(t); got.Code != want.Code || got.StringToSign != want.StringToSign {
		t.Errorf("%+v", got)
	}
	e := w.lastAudit()
	if e.Operation != OpSignatureCheck || e.Target != "unk_test_x" || !strings.Contains(string(e.Diff), "SIGNATURE_MISMATCH") || strings.Contains(string(e.Diff), "canary") {
		t.Errorf("%+v %s", e, e.Diff)
	}
}

func TestChecksOfSignaturesAreLimitedPerMerchant(t *testing.T) {
	w := newWorld(t)
	m, other := w.merchant("Shop"), w.merchant("Other")
	w.diagnosing(SignatureVerdict{})
	for range 60 {
		ok(w.CheckSignature(t.Context(), local(), pasted(m.ID)))(t)
	}
	_, err := w.CheckSignature(t.Context(), local(), pasted(m.ID))
	if e := wants(t, err, CodeLimit); e.RetryAfter <= 0 || e.RetryAfter > time.Minute {
		t.Errorf("wait %v", e.RetryAfter)
	}
	ok(w.CheckSignature(t.Context(), local(), pasted(other.ID)))(t)
	w.clock.pass(time.Minute)
	ok(w.CheckSignature(t.Context(), local(), pasted(m.ID)))(t)
}

func TestSignaturesAreCheckedOnlyWhereAGatewayRuns(t *testing.T) {
	w := newWorld(t)
	w.rebuild(func(p *Parts) { p.Diagnose = nil })
	_, err := w.CheckSignature(t.Context(), local(), pasted(w.merchant("Shop").ID))
	wants(t, err, CodeUnavailable)
}

func TestVerdictsKnowWhatIsTooOldToSend(t *testing.T) {
	for seconds, stale := range map[int64]bool{0: false, 300: false, 301: true, -300: false, -301: true} {
		v := SignatureVerdict{Why: RequestWhy{Signed: true, Difference: seconds, MaxSeconds: 300}}
		if v.Stale() != stale {
			t.Errorf("%d seconds: stale %t", seconds, v.Stale())
		}
	}
	if (SignatureVerdict{}).Stale() {
		t.Error("a request without a time is called too old")
	}
}
