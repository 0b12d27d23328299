package caddymodule

import (
	"net/http"
	"net/http/httputil"
	"net/url"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// TestSamplesVerifyDeliveries sends what merchants copy real webhooks, by the whole
// way from event to answer. Their HTTPS is a proxy's, as it is at most merchants.
func TestSamplesVerifyDeliveries(t *testing.T) {
	s, front := startEvents(t)
	token, m := s.serviceToken(), s.newMerchant()
	for _, sample := range samples() {
		t.Run(sample.language, func(t *testing.T) {
			made := s.endpoint(m, front.server.URL+"/"+sample.language)
			address := startReceiver(t, sample, made.Secret.Reveal())
			front.forward.Store("/"+sample.language, httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: address}))
			status := func(event string) int { return s.deliveredTo(t, token, made.Endpoint, event) }
			if got := status(sample.language + "-1"); got != http.StatusNoContent {
				t.Errorf("a webhook: %d", got)
			}
			s.rotate(t, made.Endpoint, controlplane.OverlapHour)
			if got := status(sample.language + "-2"); got != http.StatusNoContent {
				t.Errorf("the old secret in the overlap of a rotation: %d", got)
			}
			s.rotate(t, made.Endpoint, controlplane.OverlapNone)
			if got := status(sample.language + "-3"); got != http.StatusUnauthorized {
				t.Errorf("the old secret after it: %d", got)
			}
			_, err := s.node().service.DeleteEndpoint(t.Context(), operator, controlplane.EndpointRef{MerchantID: m, EndpointID: made.Endpoint.ID})
			check(t, err)
		})
	}
}

func (s *site) rotate(t *testing.T, e controlplane.Endpoint, overlap controlplane.Overlap) {
	t.Helper()
	_, err := s.node().service.RotateEndpointSecret(t.Context(), operator, controlplane.RotateEndpointSecret{MerchantID: e.MerchantID, EndpointID: e.ID, Overlap: overlap})
	check(t, err)
}

// deliveredTo sends an event and returns what the endpoint answered first.
func (s *site) deliveredTo(t *testing.T, token string, e controlplane.Endpoint, key string) (status int) {
	t.Helper()
	a := s.do(s.event(token, key, e.MerchantID, `{"note":"ฝากเงิน <&>"}`))
	s.wantAnswer(t, a, http.StatusAccepted)
	filter := controlplane.DeliveryFilter{MerchantID: e.MerchantID, Environment: e.Environment, EndpointID: e.ID, EventID: eventID(t, a)}
	var at time.Time
	eventually(t, "the webhook is attempted", func() bool {
		all, err := s.node().service.ListDeliveries(t.Context(), operator, filter)
		check(t, err)
		if len(all) == 1 {
			status, at = all[0].LastStatus, all[0].LastAttemptAt
		}
		return !at.IsZero()
	})
	return status
}
