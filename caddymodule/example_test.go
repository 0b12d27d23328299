package caddymodule

import (
	"os"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

const exampleFile = "../Caddyfile.example"

func TestTheExampleIsShortAndFormatted(t *testing.T) {
	text, err := os.ReadFile(exampleFile)
	check(t, err)
	if n := strings.Count(string(text), "\n"); n > 40 {
		t.Errorf("%d lines, at most 40", n)
	}
	if string(caddyfile.Format(text)) != string(text) {
		t.Error("run caddy fmt --overwrite " + exampleFile)
	}
}

// TestTheExampleRuns loads the example, with what names a machine put in its place.
func TestTheExampleRuns(t *testing.T) {
	text, err := os.ReadFile(exampleFile)
	check(t, err)
	s := startSite(t, func(s *site) {
		other := startUpstream(t)
		s.others = append(s.others, other)
		replace := []string{
			"unix//run/caddy/admin.sock", "unix/" + s.path("admin.sock"),
			"/var/lib/caddy/merchants", s.path("data"),
			"api.example.com {", "http://gateway.test:" + port(s.plain) + " {",
			"sandbox.example.com {", "http://other.test:" + port(s.plain) + " {",
			"127.0.0.1:9001", s.upstream.address,
			"127.0.0.1:9002", other.address,
			// A test uses loopback addresses, writes where nobody else does, and sees its log.
			"	merchants {", "	persist_config off\n	merchants {\n		allow_private_ranges",
			"	log {\n", "	log {\n		output file " + s.path("log.json") + " {\n			roll_disabled\n		}\n",
		}
		s.whole = strings.NewReplacer(replace...).Replace(string(text))
	})
	live, test := s.merchant(controlplane.Live, "127.0.0.1"), s.merchant(controlplane.Test, "127.0.0.1")
	r := s.requestTo("http://gateway.test:"+port(s.plain), live, "POST", "/v1/payments", `{"amount":1}`)
	signature := r.Header.Get("X-Unk-Signature")
	s.wantPassed(s.do(r))
	s.wantRefused(s.do(s.requestTo("http://gateway.test:"+port(s.plain), test, "GET", "/", "")), 403, "ENV_MISMATCH")
	a := s.do(s.requestTo("http://other.test:"+port(s.plain), test, "GET", "/", ""))
	if a.status != 200 || len(s.upstream.take()) != 0 {
		t.Errorf("a test request: %d %s", a.status, a.body)
	}
	if info, err := os.Stat(s.path("admin.sock")); err != nil || info.Mode()&os.ModeSocket == 0 {
		t.Errorf("admin socket: %v, %v", info, err)
	}
	if log := s.readLog(); !strings.Contains(log, live.id) || strings.Contains(log, signature) {
		t.Error("the log has no merchant, or it has signatures")
	}
	// caddy.Stop leaves the admin endpoint running; a configuration without one ends it.
	s.whole = ""
	check(t, s.load())
}
