package caddymodule

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

func TestAnEventReachesTheMerchant(t *testing.T) {
	s, r := startEvents(t)
	token, m := s.serviceToken(), s.newMerchant()
	e := s.endpoint(m, r.server.URL+"/hook")
	a := s.do(s.event(token, "dep-1", m, `{ "id": "dep_1", "note": "ฝากเงิน" }`))
	var taken struct{ ID string }
	if err := json.Unmarshal([]byte(a.body), &taken); err != nil {
		t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
	if a.status != http.StatusAccepted || taken.ID == "" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	got := r.wait(t)
	if id := got.header.Get("Webhook-Id"); id != taken.ID {
		t.Errorf("webhook-id %q, want %q", id, taken.ID)
	}
	if !strings.HasSuffix(got.body, `"environment":"test","data":{"id":"dep_1","note":"ฝากเงิน"}}`) {
		t.Errorf("body %s", got.body)
	}
	wantSigned(t, got, e.Secret)
}
