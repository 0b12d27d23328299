package caddymodule

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// npmCase is a request that an npm package signs and Node.js sends.
type npmCase struct {
	name string
	// cannot says for which package the gateway refuses it, and why.
	cannot map[string]string

	Library        string   `json:"library"`
	TLS            bool     `json:"tls"`
	Method         string   `json:"method"`
	Target         string   `json:"target"`
	Host           string   `json:"host"`
	Body           string   `json:"body"`
	IdempotencyKey string   `json:"idempotencyKey"`
	Components     []string `json:"components"`
}

const (
	dhensby    = "http-message-signatures" // 1.0.6
	cloudflare = "http-message-sig"        // 0.3.0
)

func npmCases() []npmCase {
	const payment = `{"amount":1000,"currency":"THB"}`
	whatwg := map[string]string{dhensby: "@path is that of the URL standard, which resolves dots; Node.js can send them all the same"}
	return []npmCase{
		{name: "GET", Method: "GET", Target: "/v1/payments/pay_1"},
		{name: "query left in order", Method: "GET", Target: "/v1/payments?b=2&a=1&q=a%20b+c&e="},
		{name: "empty query", Method: "GET", Target: "/v1/payments?"},
		{name: "JSON", Method: "POST", Target: "/v1/payments?expand=customer", Body: payment},
		{name: "UTF-8", Method: "PUT", Target: "/v1/deposits/d_1", Body: `{"note":"ฝากเงิน 💸"}`},
		{name: "idempotency key", Method: "POST", Target: "/v1/payments", Body: payment, IdempotencyKey: "7e0b1b4d"},
		{name: "encoded slash in the path", Method: "POST", Target: "/v1/a%2Fb", Body: payment},
		{name: "Thai in the path", Method: "DELETE", Target: "/v1/customers/%E0%B8%81"},
		{name: "dots in the path", Method: "GET", Target: "/v1/x/../pay", cannot: whatwg},
		{name: "host in capitals with the default port", Method: "POST", Target: "/v1/payments", Host: "API.Example.com", Body: payment},
		{name: "@target-uri", Method: "POST", Target: "/v1/payments?a=1", Body: payment, Components: []string{"@method", "@target-uri"}},
	}
}

// all gives a case to each package over each protocol.
func (c npmCase) all(s *site) (cases []npmCase) {
	if c.Components == nil {
		c.Components = []string{"@method", "@authority", "@path", "@query"}
	}
	if c.Body != "" {
		c.Components = append(c.Components, "content-digest")
	}
	if c.IdempotencyKey != "" {
		c.Components = append(c.Components, "idempotency-key")
	}
	capitals := c.Host
	for _, c.Library = range []string{dhensby, cloudflare} {
		for _, c.TLS = range []bool{false, true} {
			address, standardPort := s.plain, ":80"
			if c.TLS {
				address, standardPort = s.secure, ":443"
			}
			if c.Host = "gateway.test:" + port(address); capitals != "" {
				c.Host = capitals + standardPort
			}
			cases = append(cases, c)
		}
	}
	return cases
}

// TestNPMPackagesPassTheGateway runs tests/npm/sign-rfc9421.mjs against the gateway,
// over HTTP/1.1 in clear and HTTP/2 with TLS.
func TestNPMPackagesPassTheGateway(t *testing.T) {
	s := startSite(t)
	m := s.merchant(controlplane.Test, "127.0.0.1")
	var cases []npmCase
	for _, c := range npmCases() {
		cases = append(cases, c.all(s)...)
	}
	ca, err := os.ReadFile(s.path("cert.pem"))
	check(t, err)
	input, err := json.Marshal(map[string]any{
		"plain": s.plain, "secure": s.secure, "serverName": "gateway.test", "ca": string(ca), "keyId": m.keyID, "secret": m.secret, "cases": cases,
	})
	check(t, err)
	node := exec.CommandContext(t.Context(), "node", "../tests/npm/sign-rfc9421.mjs")
	var stderr bytes.Buffer
	node.Stdin, node.Stderr = bytes.NewReader(input), &stderr
	output, err := node.Output()
	if err != nil {
		t.Fatalf("node: %v\n%s\nif a package is missing, run: npm ci --prefix tests/npm", err, stderr.Bytes())
	}
	var answers []struct {
		Status int
		Body   string
	}
	check(t, json.Unmarshal(output, &answers))
	if len(answers) != len(cases) {
		t.Fatalf("%d answers to %d requests", len(answers), len(cases))
	}
	seen := s.upstream.take()
	for i, c := range cases {
		if reason := c.cannot[c.Library]; reason != "" {
			if answers[i].Status != 401 || !strings.Contains(answers[i].Body, "SIGNATURE_MISMATCH") {
				t.Errorf("%s by %s is said to be impossible (%s); answer %+v", c.name, c.Library, reason, answers[i])
			}
			continue
		}
		if answers[i].Status != 200 || len(seen) == 0 {
			t.Errorf("%s by %s, TLS %v: %+v", c.name, c.Library, c.TLS, answers[i])
			continue
		}
		if got := seen[0]; got.method != c.Method || got.target != c.Target || got.body != c.Body || got.header.Get("X-Unk-Merchant-Id") != m.id {
			t.Errorf("%s by %s, TLS %v: the upstream saw %+v", c.name, c.Library, c.TLS, got)
		}
		seen = seen[1:]
	}
	if len(seen) != 0 {
		t.Errorf("the upstream saw %d requests more", len(seen))
	}
}
