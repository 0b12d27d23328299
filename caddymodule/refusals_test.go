package caddymodule

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/signature"
)

// refusalOf reads the body of a refusal.
func refusalOf(t testing.TB, a answer) (code, message string, details map[string]any) {
	t.Helper()
	var body struct {
		Error struct {
			Code, Message string
			RequestID     string `json:"request_id"`
			DocURL        string `json:"doc_url"`
			Details       map[string]any
		}
	}
	if err := json.Unmarshal([]byte(a.body), &body); err != nil {
		t.Fatalf("%v in %q", err, a.body)
	}
	if body.Error.RequestID != a.header.Get("X-Unk-Request-Id") || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("request id %q, headers %v", body.Error.RequestID, a.header)
	}
	return body.Error.Code, body.Error.Message, body.Error.Details
}

func TestEveryCodeOfUNK1(t *testing.T) {
	s := startSite(t, func(s *site) {
		s.auth = "test {\nmax_body 1KiB\nbody_timeout 250ms\nrate_limit 5 1h\ndocs_url https://docs.example/gw\n}"
	})
	m := s.merchant(controlplane.Test, "127.0.0.1")
	live := s.merchant(controlplane.Live, "127.0.0.1")
	elsewhere := s.merchant(controlplane.Test, "198.51.100.7")
	busy := s.merchant(controlplane.Test, "127.0.0.1")
	for range 5 {
		s.wantPassed(s.do(s.request(busy, "GET", "/", "")))
	}
	cases := []struct {
		code   string
		status int
		header string // that the answer must have
		of     func() *http.Request
		detail string // that must be there
	}{
		{"AUTH_REQUIRED", 401, "Www-Authenticate", func() *http.Request {
			r := s.request(m, "GET", "/", "")
			r.Header = http.Header{}
			return r
		}, ""},
		{"AUTH_MALFORMED", 400, "", func() *http.Request {
			r := s.request(m, "GET", "/", "")
			r.Header.Add("X-Unk-Nonce", "0123456789abcdef")
			return r
		}, "header"},
		{"TIMESTAMP_INVALID", 400, "", func() *http.Request {
			r := s.request(m, "GET", "/", "")
			r.Header.Set("X-Unk-Timestamp", time.Now().UTC().Format(time.RFC3339))
			return r
		}, "header"},
		{"KEY_INVALID", 401, "Www-Authenticate", func() *http.Request {
			r := s.request(m, "GET", "/", "")
			r.Header.Set("X-Unk-Key", "unk_test_"+strings.Repeat("x", 22))
			return r
		}, ""},
		{"ENV_MISMATCH", 403, "", func() *http.Request { return s.request(live, "GET", "/", "") }, "key_environment"},
		{"IP_NOT_ALLOWED", 403, "", func() *http.Request { return s.request(elsewhere, "GET", "/", "") }, "client_ip"},
		{"TIMESTAMP_OUT_OF_RANGE", 401, "", func() *http.Request {
			r := s.request(m, "GET", "/", "")
			s.sign(r, m, "", time.Now().Add(-time.Hour))
			return r
		}, "difference_seconds"},
		{"RATE_LIMITED", 429, "Retry-After", func() *http.Request { return s.request(busy, "GET", "/", "") }, ""},
		{"BODY_TOO_LARGE", 413, "", func() *http.Request { return s.request(m, "POST", "/", strings.Repeat("x", 1025)) }, "max_bytes"},
		{"BODY_TIMEOUT", 408, "", func() *http.Request {
			r := s.request(m, "POST", "/", "abc")
			r.Body, r.GetBody = io.NopCloser(&stuckReader{data: []byte("ab"), until: t.Context().Done()}), nil
			return r
		}, "max_seconds"},
		{"SIGNATURE_MISMATCH", 401, "Www-Authenticate", func() *http.Request {
			r := s.request(m, "POST", "/", "abc")
			r.Body, r.GetBody = io.NopCloser(strings.NewReader("abd")), nil
			return r
		}, "string_to_sign"},
	}
	for _, c := range cases {
		t.Run(c.code, func(t *testing.T) {
			a := s.do(c.of())
			s.wantRefused(a, c.status, c.code)
			_, message, details := refusalOf(t, a)
			if message == "" || !strings.Contains(a.body, `"doc_url":"https://docs.example/gw#`+strings.ToLower(c.code)+`"`) {
				t.Errorf("body %s", a.body)
			}
			if c.header != "" && a.header.Get(c.header) == "" {
				t.Errorf("no %s in %v", c.header, a.header)
			}
			if _, ok := details[c.detail]; c.detail != "" && !ok {
				t.Errorf("no %s in %v", c.detail, details)
			}
		})
	}
}

func TestRefusalsLeadToThePageOfCodes(t *testing.T) {
	for auth, want := range map[string]string{
		"":                   `"doc_url":"https://github.com/unknownpay/merchant-gateway/blob/main/docs/errors.md#auth_required"`,
		"{\ndocs_url off\n}": "",
	} {
		s := startSite(t, func(s *site) { s.auth = auth })
		a := s.do(func() *http.Request {
			r := s.request(s.merchant(controlplane.Test, "127.0.0.1"), "GET", "/", "")
			r.Header = http.Header{}
			return r
		}())
		s.wantRefused(a, 401, "AUTH_REQUIRED")
		if !strings.Contains(a.body, want) || strings.Contains(a.body, "doc_url") != (want != "") {
			t.Errorf("%q: body %s", auth, a.body)
		}
		s.stop()
	}
}

// stuckReader gives its data and then nothing until the test ends.
type stuckReader struct {
	data  []byte
	until <-chan struct{}
}

func (r *stuckReader) Read(p []byte) (int, error) {
	if len(r.data) > 0 {
		n := copy(p, r.data)
		r.data = r.data[n:]
		return n, nil
	}
	<-r.until
	return 0, io.ErrUnexpectedEOF
}

func TestProblemJSONWhenAskedFor(t *testing.T) {
	s := startSite(t)
	r, err := http.NewRequest("GET", "http://"+s.plain+"/", nil)
	check(t, err)
	r.Header.Set("Accept", "application/problem+json")
	a := s.do(r)
	var problem map[string]any
	check(t, json.Unmarshal([]byte(a.body), &problem))
	if a.header.Get("Content-Type") != "application/problem+json" || problem["code"] != "AUTH_REQUIRED" || problem["status"] != 401.0 {
		t.Errorf("%v %s", a.header, a.body)
	}
}

func TestRevokedKeysAndSuspendedMerchantsAreToldOnlyToTheHolder(t *testing.T) {
	s := startSite(t)
	m := s.merchant(controlplane.Test, "127.0.0.1")
	_, err := s.node().service.RetireKey(t.Context(), operator, controlplane.RetireKey{MerchantID: m.id, KeyID: m.keyID})
	check(t, err)
	s.inForce()
	a := s.do(s.request(m, "GET", "/", ""))
	s.wantRefused(a, 401, "KEY_INVALID")
	if _, _, details := refusalOf(t, a); details["reason"] != "revoked" {
		t.Errorf("to the holder: %s", a.body)
	}
	r := s.request(m, "GET", "/", "")
	r.Header.Set("X-Unk-Signature", "v1="+strings.Repeat("0", 64))
	a = s.do(r)
	s.wantRefused(a, 401, "KEY_INVALID")
	if _, _, details := refusalOf(t, a); details["reason"] != nil {
		t.Errorf("to a stranger: %s", a.body)
	}
}

func TestAFullReplayStoreRefuses(t *testing.T) {
	s := startSite(t, func(s *site) { s.merchants = "replay memory {\ncapacity 3\n}" })
	m := s.merchant(controlplane.Test, "127.0.0.1")
	for range 3 {
		s.wantPassed(s.do(s.request(m, "GET", "/", "")))
	}
	a := s.do(s.request(m, "GET", "/", ""))
	s.wantRefused(a, 503, "AUTH_UNAVAILABLE")
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	s.merchants = "replay memory {\ncapacity 100\n}"
	check(t, s.load())
	s.wantPassed(s.do(s.request(m, "GET", "/", "")))
}

func TestNearMissesAreExplainedForTestKeysOnly(t *testing.T) {
	s := startSite(t)
	for _, env := range []controlplane.Environment{controlplane.Test, controlplane.Live} {
		m := s.merchant(env, "127.0.0.1")
		r := s.request(m, "POST", "/pay?a=1", "{}\n")
		s.sign(r, m, "{}", time.Now())
		a := s.do(r)
		s.wantRefused(a, 401, "SIGNATURE_MISMATCH")
		_, _, details := refusalOf(t, a)
		if explained := details["hint"] != nil && details["string_to_sign"] != nil; explained != (env == controlplane.Test) {
			t.Errorf("%s key: %s", env, a.body)
		}
		if details["string_to_sign_sha256"] == nil || details["body_bytes"] != 3.0 {
			t.Errorf("%s key: %s", env, a.body)
		}
	}
}

func TestReportOnlyLetsThroughWithoutIdentity(t *testing.T) {
	s := startSite(t, func(s *site) { s.auth = "{\nreport_only\nmax_body 1KiB\n}" })
	m := s.merchant(controlplane.Live, "127.0.0.1")
	large := strings.Repeat("0123456789abcdef", 1000)
	for name, r := range map[string]*http.Request{
		"unsigned":        unsigned(s, "GET", ""),
		"unsigned body":   unsigned(s, "POST", "hello"),
		"wrong signature": wrongly(s, m, "hello"),
		"too large":       s.request(m, "POST", "/", large),
		"too large, chunked": func() *http.Request {
			r := s.request(m, "POST", "/", large)
			r.ContentLength = -1
			return r
		}(),
	} {
		t.Run(name, func(t *testing.T) {
			r.Header.Set("X-Unk-Merchant-Id", "mer_spoofed")
			seen := s.wantPassed(s.do(r))
			for header := range seen.header {
				if strings.HasPrefix(header, "X-Unk-") {
					t.Errorf("the upstream got %s", header)
				}
			}
			want := map[string]string{"unsigned body": "hello", "wrong signature": "hello", "too large": large, "too large, chunked": large}[name]
			if seen.body != want {
				t.Errorf("body of %d bytes, want %d", len(seen.body), len(want))
			}
		})
	}
	if seen := s.wantPassed(s.do(s.request(m, "POST", "/", "x"))); seen.header.Get("X-Unk-Merchant-Id") != m.id {
		t.Errorf("a good request: %v", seen.header)
	}
	if n := s.counter(t, "caddy_merchants_decisions_total", `code="BODY_TOO_LARGE"`, `enforced="false"`); n != 2 {
		t.Errorf("%v refusals counted", n)
	}
}

func unsigned(s *site, method, body string) *http.Request {
	r, err := http.NewRequest(method, "http://"+s.plain+"/", strings.NewReader(body))
	check(s.t, err)
	return r
}

func wrongly(s *site, m merchant, body string) *http.Request {
	r := s.request(m, "POST", "/", body)
	r.Header.Set("X-Unk-Signature", "v1="+strings.Repeat("a", 64))
	return r
}

// TestNoSecretOfALiveKeyLeaves plants canaries and looks for them wherever the
// gateway writes.
func TestNoSecretOfALiveKeyLeaves(t *testing.T) {
	s := startSite(t, func(s *site) { s.logs = "level DEBUG" })
	m := s.merchant(controlplane.Live, "127.0.0.1")
	var expected []string
	var out bytes.Buffer
	for i := range 5 {
		body, target := fmt.Sprintf(`{"canary-body":%d}`, i), fmt.Sprintf("/pay?canary-query=%d", i)
		r := s.request(m, "POST", target, body)
		expected = append(expected, strings.TrimPrefix(r.Header.Get("X-Unk-Signature"), "v1="))
		nonce, err := signature.NewNonce(rand.Reader)
		check(t, err)
		forged := r.Clone(t.Context())
		forged.Body = io.NopCloser(strings.NewReader(body))
		forged.Header.Set("X-Unk-Signature", "v1="+strings.Repeat("0", 64))
		if i%2 == 1 {
			forged.Header.Set("X-Unk-Nonce", nonce)
		}
		a := s.do(forged)
		s.wantRefused(a, 401, "SIGNATURE_MISMATCH")
		out.WriteString(a.body)
		check(t, a.header.Write(&out))
	}
	out.WriteString(s.metrics(t))
	config, err := adapt(s.caddyfile())
	check(t, err)
	out.Write(config)
	log := s.readLog()
	if !strings.Contains(log, `"auth_code":"SIGNATURE_MISMATCH"`) || !strings.Contains(log, m.keyID) {
		t.Fatalf("the refusals are not in the log: %s", log)
	}
	for _, canary := range append(expected, m.secret, "UNK1-HMAC-SHA256") {
		if strings.Contains(out.String(), canary) || strings.Contains(log, canary) {
			t.Errorf("%q got out", canary)
		}
	}
	for _, line := range strings.Split(log, "\n") {
		if strings.Contains(line, "request refused") && (strings.Contains(line, "canary-query") || strings.Contains(line, "canary-body")) {
			t.Errorf("a refusal's line holds the query or the body: %s", line)
		}
	}
}
