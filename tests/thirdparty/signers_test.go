package thirdparty

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"net/http"
	"testing"
	"time"

	dadrus "github.com/dadrus/httpsig"
	remitly "github.com/remitly-oss/httpsig-go"
	yaronf "github.com/yaronf/httpsign"
)

// request is what a merchant's program wants to send.
type request struct {
	method, target, body string
	host                 string // in place of the address
	idempotency          string
}

// key is what the merchant was shown.
type key struct{ id, secret string }

// library is one that signs, and what of the profile it cannot express. Every limit
// is proven: the gateway refuses what the library makes of such a request.
type library struct {
	name   string
	sign   func(r *http.Request, k key, components []string) error
	cannot map[string]limit // by the name of a case
}

type limit struct{ code, reason string }

func libraries() []library {
	return []library{
		{name: "yaronf/httpsign v0.4.2", sign: signYaronf, cannot: map[string]limit{
			"host in capitals with the default port": {"SIGNATURE_MISMATCH", "@authority is the Host header as it is, neither in lower case nor without the default port"},
		}},
		{name: "remitly-oss/httpsig-go v1.2.0", sign: signRemitly, cannot: map[string]limit{
			"encoded slash in the path":              {"SIGNATURE_MISMATCH", "@path is the decoded path"},
			"Thai in the path":                       {"SIGNATURE_MISMATCH", "@path is the decoded path"},
			"host in capitals with the default port": {"SIGNATURE_MISMATCH", "@authority is the Host header as it is, neither in lower case nor without the default port"},
			"@target-uri":                            {"SIGNATURE_MISMATCH", "@target-uri leaves out an unescaped path and the question mark, and is http before the request has a connection"},
		}},
		{name: "dadrus/httpsig v0.9.0", sign: signDadrus},
	}
}

// signYaronf needs a new signer for every request, because the nonce belongs to its
// configuration, and an HMAC key of 64 bytes. HMAC-SHA256 itself pads shorter ones
// with zeros, so padding the secret does not change the key.
func signYaronf(r *http.Request, k key, components []string) error {
	padded := append([]byte(k.secret), make([]byte, max(0, 64-len(k.secret)))...)
	config := yaronf.NewSignConfig().SetNonce(rand.Text()).SetKeyID(k.id)
	signer, err := yaronf.NewHMACSHA256Signer(padded, config, yaronf.Headers(components...))
	if err != nil {
		return err
	}
	if r.Body != nil {
		digest, err := yaronf.GenerateContentDigestHeader(&r.Body, []string{yaronf.DigestSha256})
		if err != nil {
			return err
		}
		r.Header.Set("Content-Digest", digest)
	}
	input, signature, err := yaronf.SignRequest("sig1", *signer, r)
	if err != nil {
		return err
	}
	r.Header.Set("Signature-Input", input)
	r.Header.Set("Signature", signature)
	return nil
}

// signRemitly makes a nonce of 32 bytes in base64, and lets nobody choose another.
func signRemitly(r *http.Request, k key, components []string) error {
	return remitly.Sign(r, remitly.SigningProfile{
		Algorithm: remitly.Algo_HMAC_SHA256, Fields: remitly.Fields(components...),
		Metadata: []remitly.Metadata{remitly.MetaCreated, remitly.MetaExpires, remitly.MetaNonce, remitly.MetaKeyID, remitly.MetaAlgorithm},
	}, remitly.SigningKey{Secret: []byte(k.secret), MetaKeyID: k.id})
}

// signDadrus has a nonce in base64url with padding, a lifetime of 30 s and both
// digests unless told otherwise.
func signDadrus(r *http.Request, k key, components []string) error {
	signer, err := dadrus.NewSigner(
		dadrus.Key{KeyID: k.id, Algorithm: dadrus.HmacSha256, Key: []byte(k.secret)}, dadrus.WithComponents(components...), dadrus.WithTTL(30*time.Second))
	if err != nil {
		return err
	}
	header, err := signer.Sign(dadrus.MessageFromRequest(r))
	if err != nil {
		return err
	}
	r.Header = header
	return nil
}

type signingCase struct {
	name       string
	request    request
	components []string // "content-digest" and "idempotency-key" are added when needed
}

func signingCases() []signingCase {
	parts := []string{"@method", "@authority", "@path", "@query"}
	const payment = `{"amount":1000,"currency":"THB"}`
	return []signingCase{
		{name: "GET", request: request{method: "GET", target: "/v1/payments/pay_1"}, components: parts},
		{name: "query left in order", request: request{method: "GET", target: "/v1/payments?b=2&a=1&q=a%20b+c&e="}, components: parts},
		{name: "empty query", request: request{method: "GET", target: "/v1/payments?"}, components: parts},
		{name: "JSON", request: request{method: "POST", target: "/v1/payments?expand=customer", body: payment}, components: parts},
		{name: "UTF-8", request: request{method: "PUT", target: "/v1/deposits/d_1", body: `{"note":"ฝากเงิน 💸"}`}, components: parts},
		{name: "idempotency key", request: request{method: "POST", target: "/v1/payments", body: payment, idempotency: "7e0b1b4d"}, components: parts},
		{name: "encoded slash in the path", request: request{method: "POST", target: "/v1/a%2Fb", body: payment}, components: parts},
		{name: "Thai in the path", request: request{method: "DELETE", target: "/v1/customers/%E0%B8%81"}, components: parts},
		{name: "host in capitals with the default port", request: request{method: "POST", target: "/v1/payments", body: payment, host: "API.Example.com:80"}, components: parts},
		{name: "@target-uri", request: request{method: "POST", target: "/v1/payments?a=1", body: payment}, components: []string{"@method", "@target-uri"}},
	}
}

func (c signingCase) make(t *testing.T, base string) (*http.Request, []string) {
	t.Helper()
	var body io.Reader
	components := c.components
	if c.request.body != "" {
		body, components = bytes.NewReader([]byte(c.request.body)), append(components[:len(components):len(components)], "content-digest")
	}
	r, err := http.NewRequestWithContext(context.Background(), c.request.method, base+c.request.target, body)
	check(t, err)
	if c.request.host != "" {
		r.Host = c.request.host
	}
	if c.request.idempotency != "" {
		r.Header.Set("Idempotency-Key", c.request.idempotency)
		components = append(components[:len(components):len(components)], "idempotency-key")
	}
	return r, components
}

// TestLibrariesPassTheGateway signs each case with each library and sends it through
// the gateway over HTTP/1.1 and, with TLS, over HTTP/2.
func TestLibrariesPassTheGateway(t *testing.T) {
	g := startGateway(t)
	for _, l := range libraries() {
		for _, c := range signingCases() {
			t.Run(l.name+"/"+c.name, func(t *testing.T) {
				for base, protocol := range map[string]int{"http://" + g.plain: 1, "https://" + g.secure: 2} {
					if protocol == 2 && c.request.host != "" {
						c.request.host = "API.Example.com:443"
					}
					r, components := c.make(t, base)
					check(t, l.sign(r, g.key, components))
					answer := g.send(t, r)
					if answer.major != protocol {
						t.Fatalf("sent over HTTP/%d, want %d", answer.major, protocol)
					}
					l.judge(t, c, answer)
				}
			})
		}
	}
}

// judge wants the upstream to have got the request, or the refusal of a limit.
func (l library) judge(t *testing.T, c signingCase, a answer) {
	t.Helper()
	limit, limited := l.cannot[c.name]
	switch {
	case limited && (a.code != limit.code || a.got != nil):
		t.Errorf("%s said to be impossible (%s); answer %d %s", c.name, limit.reason, a.status, a.body)
	case limited:
	case a.status != http.StatusOK || a.got == nil:
		t.Errorf("HTTP/%d: answer %d %s", a.major, a.status, a.body)
	case a.got.method != c.request.method || a.got.target != c.request.target || a.got.body != c.request.body || a.got.merchant == "":
		t.Errorf("HTTP/%d: the upstream got %+v", a.major, a.got)
	}
}
