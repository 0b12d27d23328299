package caddymodule

import (
	"io"
	"mime/quotedprintable"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// startTold is a site whose merchant has an owner with a mail address.
func startTold(t *testing.T) (s *site, r *receiver, merchantID string, mail func(want ...string)) {
	t.Helper()
	address, messages := mailbox(t)
	s, r = startEvents(t)
	s.merchants += "\nmail {\n smtp " + address + "\n from notices@example.com\n plaintext\n}"
	check(t, s.load())
	merchantID = s.newMerchant()
	_, err := s.node().service.CreateUser(t.Context(), operator, controlplane.CreateUser{
		MerchantID: merchantID, Username: "nok", Role: controlplane.RoleOwner, Email: "nok@example.com"})
	check(t, err)
	return s, r, merchantID, func(want ...string) {
		t.Helper()
		select {
		case text := <-messages:
			plain, err := io.ReadAll(quotedprintable.NewReader(strings.NewReader(text)))
			check(t, err)
			for _, w := range append(want, "nok@example.com") {
				if !strings.Contains(string(plain), w) {
					t.Errorf("the mail lacks %q:\n%s", w, text)
				}
			}
		case <-time.After(30 * time.Second):
			t.Fatal("no mail came")
		}
	}
}

func (s *site) audited(op controlplane.Operation) []controlplane.AuditEvent {
	s.t.Helper()
	all, err := s.node().service.ListAudit(s.t.Context(), operator, controlplane.AuditFilter{Operation: op})
	check(s.t, err)
	return all
}

func TestMerchantsAreToldOfEndpointsThatStop(t *testing.T) {
	s, r, m, mail := startTold(t)
	token := s.serviceToken()
	paused, gone := s.endpoint(m, r.server.URL+"/paused"), s.endpoint(m, r.server.URL+"/gone")
	r.forward.Store("/paused", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	s.wantAnswer(t, s.do(s.event(token, "a", m, "{}")), 202)
	mail(paused.Endpoint.ID+" (test)", "Retry-After")
	if all := s.audited(controlplane.OpEndpointPaused); len(all) != 1 || all[0].Target != paused.Endpoint.ID || all[0].MerchantID != m {
		t.Errorf("%+v", all)
	}
	r.status.Store(http.StatusGone)
	s.wantAnswer(t, s.do(s.event(token, "b", m, "{}")), 202)
	mail(gone.Endpoint.ID+" (test) was disabled", "410")
	if all := s.audited(controlplane.OpEndpointDisable); len(all) != 1 || all[0].Target != gone.Endpoint.ID {
		t.Errorf("%+v", all)
	}
	s.wantAnswer(t, s.do(s.event(token, "c", m, "{}")), 202)
	eventually(t, "what comes for the disabled endpoint is counted as held", func() bool {
		return s.counter(t, "caddy_merchants_webhook_deliveries", `state="held"`) == 1
	})
}

// TestMerchantsAreToldOfEndpointsThatFail has an outage that began ten minutes ago,
// by another server.
func TestMerchantsAreToldOfEndpointsThatFail(t *testing.T) {
	s, r, m, mail := startTold(t)
	token, e := s.serviceToken(), s.endpoint(m, r.server.URL)
	block := s.merchants
	s.merchants = block[strings.Index(block, "\nmail"):] // delivers nothing
	check(t, s.load())
	began := time.Now().Add(-10 * time.Minute)
	check(t, s.node().db.Update(t.Context(), func(tx controlplane.Tx) error {
		return tx.SaveEndpointCondition(t.Context(), controlplane.EndpointCondition{
			EndpointRow: e.Endpoint.Row, MerchantID: m, FailingSince: began, LastAttemptAt: time.Now(), Failures: 5, Breaker: controlplane.BreakerInARow})
	}))
	r.status.Store(http.StatusInternalServerError)
	s.wantAnswer(t, s.do(s.event(token, "a", m, "{}")), 202)
	s.merchants = block
	check(t, s.load())
	r.wait(t) // the probe
	eventually(t, "the outage is looked at", func() bool { return len(s.audited(controlplane.OpEndpointFailing)) == 1 })
	mail(e.Endpoint.ID + " (test) has failed since " + began.UTC().Format("2006-01-02 15:04 UTC"))
}
