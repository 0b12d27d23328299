package caddymodule

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

func TestTheSignatureIsThatOfTheRequestAsItCame(t *testing.T) {
	for name, c := range map[string]struct{ routes, target string }{
		"strip_prefix":       {"handle /api/* {\nuri strip_prefix /api\nreverse_proxy UP\n}", "/v1/pay?a=1"},
		"rewrite before":     {"route {\nrewrite * /other?x=2\nmerchant_auth\nreverse_proxy UP\n}", "/other?x=2"},
		"handle_path":        {"handle_path /api/* {\nmerchant_auth\nreverse_proxy UP\n}", "/v1/pay?a=1"},
		"method before":      {"route {\nmethod PUT\nmerchant_auth\nreverse_proxy UP\n}", "/api/v1/pay?a=1"},
		"query changed":      {"route {\nuri query b 2\nmerchant_auth\nreverse_proxy UP\n}", "/api/v1/pay?a=1&b=2"},
		"in a named route":   {"invoke gate\nreverse_proxy UP", "/api/v1/pay?a=1"},
		"redir comes behind": {"merchant_auth\nredir /elsewhere /other\nreverse_proxy UP", "/api/v1/pay?a=1"},
	} {
		t.Run(name, func(t *testing.T) {
			s := startSite(t, func(s *site) {
				s.routes = strings.ReplaceAll(c.routes, "UP", s.upstream.address)
				if name == "strip_prefix" {
					s.routes = "merchant_auth\n" + s.routes
				}
				s.named = "&(gate) {\nmerchant_auth\n}"
			})
			m := s.merchant(controlplane.Test, "127.0.0.1")
			seen := s.wantPassed(s.do(s.request(m, "POST", "/api/v1/pay?a=1", "x")))
			if seen.target != c.target {
				t.Errorf("the upstream saw %s, want %s", seen.target, c.target)
			}
			bare, err := http.NewRequest("POST", "http://"+s.plain+"/api/v1/pay?a=1", strings.NewReader("x"))
			check(t, err)
			s.wantRefused(s.do(bare), 401, "AUTH_REQUIRED")
		})
	}
}

func TestEnvironmentsGoToUpstreamsOfTheirOwn(t *testing.T) {
	s := startSite(t, func(s *site) {
		s.routes = "merchant_auth\n@live vars {unk.environment} live\nhandle @live {\nrespond LIVE\n}\nhandle {\nrespond TEST\n}"
	})
	for env, want := range map[controlplane.Environment]string{"live": "LIVE", "test": "TEST"} {
		if a := s.do(s.request(s.merchant(env, "127.0.0.1"), "GET", "/", "")); a.body != want {
			t.Errorf("%s went to %q", env, a.body)
		}
	}
}

func TestReverseProxyRetriesWithTheWholeBody(t *testing.T) {
	s := startSite(t, func(s *site) {
		s.routes = "merchant_auth\nreverse_proxy " + freePort(s.t) + " " + s.upstream.address + " {\nlb_policy first\nfail_duration 10s\nlb_try_duration 5s\nlb_try_interval 10ms\n}"
	})
	m := s.merchant(controlplane.Test, "127.0.0.1")
	body := strings.Repeat("body ", 20_000)
	if seen := s.wantPassed(s.do(s.request(m, "POST", "/", body))); seen.body != body {
		t.Errorf("the second upstream got %d bytes of %d", len(seen.body), len(body))
	}
}

// TestAStaleConnectionToTheUpstreamIsReplaced needs GetBody: the transport has
// begun to send the body when it finds the connection closed.
func TestAStaleConnectionToTheUpstreamIsReplaced(t *testing.T) {
	s := startSite(t)
	m := s.merchant(controlplane.Test, "127.0.0.1")
	for range 5 {
		r := s.request(m, "PUT", "/", strings.Repeat("x", 10_000))
		s.wantPassed(s.do(r))
		s.upstream.hangUp()
	}
}

func TestOneHTTP2ConnectionCarriesManyMerchants(t *testing.T) {
	s := startSite(t)
	client := s.client2()
	client.Transport.(*http.Transport).DisableKeepAlives = false
	defer client.CloseIdleConnections()
	for _, m := range []merchant{s.merchant("live", "127.0.0.1"), s.merchant("test", "127.0.0.1")} {
		for range 20 {
			a, err := send(client, s.requestTo("https://gateway.test:"+port(s.secure), m, "POST", "/", m.id))
			check(t, err)
			if seen := s.wantPassed(a); seen.header.Get("X-Unk-Merchant-Id") != m.id || seen.body != m.id {
				t.Errorf("saw %+v", seen)
			}
		}
	}
}

func TestEarlyDataIsToldFromCompleteHandshakes(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*http.Request)
		early  bool
	}{
		"plain":              {func(r *http.Request) { r.TLS = nil }, false},
		"handshake complete": {func(r *http.Request) { r.TLS = &tls.ConnectionState{HandshakeComplete: true} }, false},
		"0-RTT":              {func(r *http.Request) { r.TLS = &tls.ConnectionState{} }, true},
		"behind a proxy":     {func(r *http.Request) { r.Header.Set("Early-Data", "1") }, true},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		c.change(r)
		if got := facts(r); got.EarlyData != c.early || got.ClientIP.IsValid() {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestEarlyDataIsRefused resumes a session and sends the request with the first
// packets. On a busy machine the handshake may be complete before the request is
// looked at, so it takes what attempts it takes.
func TestEarlyDataIsRefused(t *testing.T) {
	s := startSite(t)
	m := s.merchant(controlplane.Test, "127.0.0.1")
	config := s.tls()
	config.NextProtos, config.ClientSessionCache = []string{"h3"}, tls.NewLRUClientSessionCache(1)
	ctx, cancel := context.WithTimeout(t.Context(), rawTimeout)
	defer cancel()
	var codes []string
	for len(codes) < 50 && !slices.Contains(codes, "TOO_EARLY") {
		c, err := quic.DialAddrEarly(ctx, s.secure, config, nil)
		check(t, err)
		a, err := s.signedRaw(m, "https", "gateway.test:"+port(s.secure)).over(ctx, c)
		check(t, err)
		codes = append(codes, codeIn(a))
	}
	if last := codes[len(codes)-1]; last != "TOO_EARLY" || len(s.upstream.take()) != len(codes)-1 {
		t.Errorf("answers %q", codes)
	}
}

func TestRequestsWithoutABodyPassOverEveryProtocol(t *testing.T) {
	s := startSite(t)
	m := s.merchant(controlplane.Test, "127.0.0.1")
	for _, protocol := range []int{h1, h2, h3} {
		scheme, address := "https", "gateway.test:"+port(s.secure)
		if protocol == h1 {
			scheme, address = "http", "gateway.test:"+port(s.plain)
		}
		r := s.signedRaw(m, scheme, address)
		bare, err := http.NewRequest("GET", scheme+"://"+address+r.target, nil)
		check(t, err)
		s.sign(bare, m, "", time.Now())
		r.method, r.body, r.fields = "GET", "", nil
		for name := range bare.Header {
			r.add(name, bare.Header.Get(name))
		}
		a, err := s.exchange(r, protocol)
		check(t, err)
		seen := s.upstream.take()
		if a.status != 200 || len(seen) != 1 || seen[0].length != 0 || seen[0].method != "GET" {
			t.Errorf("HTTP/%d: %d %s; the upstream saw %+v", protocol, a.status, a.body, seen)
		}
	}
}

func TestTheRequestIDIsOrderedByTime(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	a, b := newRequestID(now), newRequestID(now.Add(time.Millisecond))
	if _, ok := controlplane.ParseID(controlplane.PrefixRequest, a); !ok || a >= b {
		t.Errorf("ids %s, %s", a, b)
	}
}
