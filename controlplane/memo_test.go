package controlplane_test

import (
	"testing"

	. "github.com/unknownpay/merchant-gateway/controlplane"
)

// Two services share a store while one configuration follows another: what one
// remembers must not outlive a change that was made through the other.
func TestWhatIsRememberedEndsWithAChangeThroughAnotherService(t *testing.T) {
	w := newWorld(t)
	w.webhooks()
	other, err := NewService(w.parts)
	w.must(err)
	m := w.merchant("Shop").ID
	first := w.endpoint(m)
	issued := ok(w.IssueServiceToken(t.Context(), local(), IssueServiceToken{Name: "ledger"}))(t)
	for _, key := range []string{"k1", "k2"} {
		ok(w.AuthenticateServiceToken(t.Context(), issued.Secret))(t)
		w.ingest(m, key)
	}

	ok(other.DisableEndpoint(t.Context(), local(), DisableEndpoint{MerchantID: m, EndpointID: first.Endpoint.ID}))(t)
	ok(other.RevokeServiceToken(t.Context(), local(), issued.Token.ID))(t)

	_, err = w.AuthenticateServiceToken(t.Context(), issued.Secret)
	wants(t, err, CodeDenied)
	got := w.ingest(m, "k3")
	for _, d := range w.deliveries(DeliveryFilter{MerchantID: m, EventID: got.ID}) {
		if d.State != DeliveryHeld {
			t.Errorf("an event for a disabled endpoint is %s", d.State)
		}
	}
}
