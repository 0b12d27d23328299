package caddymodule

import (
	"testing"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

func TestSignedRequestPasses(t *testing.T) {
	s := startSite(t)
	m := s.merchant(controlplane.Test, "127.0.0.1/32")
	r := s.request(m, "POST", "/v1/payments?b=2&a=1", `{"amount":1}`)
	a := s.do(r)
	seen := s.wantPassed(a)
	if seen.header.Get("X-Unk-Merchant-Id") != m.id || seen.header.Get("X-Unk-Key-Id") != m.keyID ||
		seen.header.Get("X-Unk-Environment") != "test" || seen.header.Get("X-Unk-Client-Ip") != "127.0.0.1" {
		t.Errorf("headers %v", seen.header)
	}
	if seen.header.Get("X-Unk-Signature") != "" || seen.header.Get("X-Unk-Request-Id") != a.header.Get("X-Unk-Request-Id") {
		t.Errorf("headers %v", seen.header)
	}
	if seen.body != `{"amount":1}` || seen.target != "/v1/payments?b=2&a=1" || seen.length != 12 {
		t.Errorf("saw %+v", seen)
	}
	replay := s.request(m, "POST", "/v1/payments?b=2&a=1", `{"amount":1}`)
	replay.Header = r.Header
	s.wantRefused(s.do(replay), 409, "REQUEST_REPLAYED")
}
