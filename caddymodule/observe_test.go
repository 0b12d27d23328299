package caddymodule

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/prometheus/common/expfmt"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// metrics is what the admin endpoint would show of the running configuration.
func (s *site) metrics(t testing.TB) string {
	t.Helper()
	ctx := caddy.ActiveContext()
	families, err := ctx.GetMetricsRegistry().Gather()
	check(t, err)
	var out bytes.Buffer
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&out, f); err != nil {
			t.Fatal(err)
		}
	}
	return out.String()
}

// counter adds up the samples of a metric that have all the labels.
func (s *site) counter(t testing.TB, name string, labels ...string) (sum float64) {
	t.Helper()
lines:
	for line := range strings.Lines(s.metrics(t)) {
		if !strings.HasPrefix(line, name+"{") && !strings.HasPrefix(line, name+" ") {
			continue
		}
		for _, l := range labels {
			if !strings.Contains(line, l) {
				continue lines
			}
		}
		value, err := strconv.ParseFloat(strings.TrimSpace(line[strings.LastIndexByte(strings.TrimSpace(line), ' '):]), 64)
		check(t, err)
		sum += value
	}
	return sum
}

func (s *site) readLog() string {
	s.t.Helper()
	text, err := os.ReadFile(s.path("log.json"))
	check(s.t, err)
	return string(text)
}

func TestAccessLogAndPlaceholdersCarryTheDecision(t *testing.T) {
	s := startSite(t, func(s *site) {
		s.routes = `merchant_auth
			header >X-Seen "{unk.merchant_id} {unk.key_id} {unk.environment} {unk.client_ip} {unk.request_id}"
			@test vars {unk.environment} test
			respond @test "test route"
			respond "other route"`
	})
	m := s.merchant(controlplane.Test, "127.0.0.1")
	a := s.do(s.request(m, "GET", "/", ""))
	if a.body != "test route" {
		t.Errorf("answer %q", a.body)
	}
	id := a.header.Get("X-Unk-Request-Id")
	if want := strings.Join([]string{m.id, m.keyID, "test", "127.0.0.1", id}, " "); a.header.Get("X-Seen") != want {
		t.Errorf("placeholders %q, want %q", a.header.Get("X-Seen"), want)
	}
	for line := range strings.Lines(s.readLog()) {
		if !strings.Contains(line, `"handled request"`) {
			continue
		}
		for _, want := range []string{`"auth_code":"OK"`, `"merchant_id":"` + m.id, `"api_key_id":"` + m.keyID, `"environment":"test"`, `"snapshot_revision":`, `"request_id":"` + id} {
			if !strings.Contains(line, want) {
				t.Errorf("no %s in %s", want, line)
			}
		}
		return
	}
	t.Error("no access log line")
}

func TestMetricsOutliveReloadsAndHaveNoLabelsFromCallers(t *testing.T) {
	s := startSite(t)
	m := s.merchant(controlplane.Test, "127.0.0.1")
	for range 3 {
		s.wantPassed(s.do(s.request(m, "GET", "/", "")))
		check(t, s.load())
	}
	s.do(unsigned(s, "GET", ""))
	if n := s.counter(t, "caddy_merchants_decisions_total", `code="OK"`, `environment="test"`); n != 3 {
		t.Errorf("%v requests counted", n)
	}
	if n := s.counter(t, "caddy_merchants_decisions_total", `code="AUTH_REQUIRED"`, `environment=""`); n != 1 {
		t.Errorf("%v refusals counted", n)
	}
	for name, want := range map[string]float64{
		"caddy_merchants_snapshot_keys": 1, "caddy_merchants_replay_nonces": 3, "caddy_merchants_buffered_bytes": 0,
		"caddy_merchants_replay_capacity": defaultNonces, "caddy_merchants_verification_seconds_count": 3,
	} {
		if got := s.counter(t, name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	for line := range strings.Lines(s.metrics(t)) {
		if strings.HasPrefix(line, "caddy_merchants_") && (strings.Contains(line, m.id) || strings.Contains(line, m.keyID) || strings.Contains(line, "127.0.0.1")) {
			t.Errorf("a metric names a merchant, a key or an address: %s", line)
		}
	}
}

func TestARefusalFloodIsCountedNotLogged(t *testing.T) {
	s := startSite(t)
	for range 4 * logFirst {
		s.do(unsigned(s, "GET", ""))
	}
	lines := strings.Count(s.readLog(), "request refused: AUTH_REQUIRED")
	dropped := s.counter(t, "caddy_merchants_refusals_not_logged_total")
	if lines < logFirst || dropped == 0 || float64(lines)+dropped != 4*logFirst {
		t.Errorf("%d lines, %v dropped, of %d", lines, dropped, 4*logFirst)
	}
}

func TestLastUseIsWrittenDown(t *testing.T) {
	s := startSite(t)
	m := s.merchant(controlplane.Test, "127.0.0.0/8")
	s.wantPassed(s.do(s.request(m, "GET", "/", "")))
	s.node().usage.flush()
	keys, err := s.node().service.ListKeys(t.Context(), operator, controlplane.KeyFilter{MerchantID: m.id})
	check(t, err)
	entries, err := s.node().service.ListAllowlist(t.Context(), operator, m.id)
	check(t, err)
	if keys[0].LastUsedAt.IsZero() || keys[0].LastUsedIP.String() != "127.0.0.1" || entries[0].LastMatchAt.IsZero() {
		t.Errorf("%+v, %+v", keys[0], entries[0])
	}
}
