package gate

import (
	"crypto/sha256"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane/signature"
)

// signed9421 is world.signed for the other scheme.
func (w *world) signed9421(t *testing.T, keyID, secret string, change ...func(*call)) *call {
	t.Helper()
	body := []byte(`{"amount":1000}`)
	req, err := http.NewRequest("POST", "https://api.example.com/v1/payments?expand=customer", strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := signature.NewSigner(keyID, secret)
	if err != nil {
		t.Fatal(err)
	}
	if err := signer.SignRFC9421(req, sha256.Sum256(body), w.now, freshNonce()); err != nil {
		t.Fatal(err)
	}
	c := &call{body: body, Request: Request{
		Method: "POST", Target: "/v1/payments?expand=customer", Host: "api.example.com", TLS: true, Header: req.Header, ClientIP: netip.MustParseAddr("203.0.113.9"),
	}}
	for _, f := range change {
		f(c)
	}
	return c
}

func TestRFC9421SharesTheChecksAndTheNonces(t *testing.T) {
	w := newWorld(t)
	c := w.signed9421(t, liveKey, secretOf(liveKey))
	f, refusal := w.pass(c)
	if refusal != nil || f.KeyID != liveKey || f.MerchantID() != merchantID(1) {
		t.Fatalf("%+v", refusal)
	}
	if _, refusal := w.pass(c); refusal == nil || refusal.Code != RequestReplayed {
		t.Errorf("second time: %+v", refusal)
	}
	a, _ := w.gate.Admit(&c.Request)
	again := w.signed(liveKey, header(signature.HeaderNonce, a.credentials.Nonce))
	text := signature.Message{
		Timestamp: again.Header[signature.HeaderTimestamp][0], Nonce: a.credentials.Nonce, Method: again.Method, Host: "api.example.com", Target: again.Target, BodyHash: sha256.Sum256(again.body),
	}
	mac := a.credential.MAC()
	again.Header[signature.HeaderSignature] = []string{signature.FormatMAC(mac.Sum(&text))}
	if _, refusal := w.pass(again); refusal == nil || refusal.Code != RequestReplayed {
		t.Errorf("the same nonce with UNK1: %+v", refusal)
	}
}

func TestRFC9421Refusals(t *testing.T) {
	input := func(old, replacement string) func(*call) {
		return func(c *call) {
			c.Header["Signature-Input"] = []string{strings.Replace(c.Header["Signature-Input"][0], old, replacement, 1)}
		}
	}
	for _, c := range []struct {
		name   string
		code   Code
		key    string
		secret string
		change func(*call)
		world  func(*world)
		hint   string
	}{
		{name: "other body", code: DigestMismatch, change: func(c *call) { c.body = []byte("x") }},
		{name: "query not covered", code: CoverageInsufficient, change: input(`"@query" `, "")},
		{name: "idempotency key not covered", code: CoverageInsufficient, change: header("Idempotency-Key", "1")},
		{name: "covered header not sent", code: AuthMalformed, change: input(`"@query"`, `"@query" "x-other"`)},
		{name: "parameter missing", code: AuthMalformed, change: input(`;nonce=`, `;once=`)},
		{name: "expires", code: TimestampOutOfRange, change: input(`;nonce=`, `;expires=1767225599;nonce=`)},
		{name: "stale", code: TimestampOutOfRange, world: func(w *world) { w.now = w.now.Add(time.Hour) }},
		{name: "revoked", code: KeyInvalid, key: revokedKey},
		{name: "live mismatch", code: SignatureMismatch, change: func(c *call) { c.Target = "/v1/payments?expand=none" }},
		{name: "test mismatch", code: SignatureMismatch, key: testKey, secret: "wrong"},
		{name: "live secret for the test key", code: SignatureMismatch, key: testKey, secret: secretOf(liveKey), hint: "secret_other_environment"},
		{name: "query dropped on the way", code: SignatureMismatch, key: testKey, change: func(c *call) { c.Target += "&x=1"; c.Method = "put" }},
		{name: "case of the host", code: SignatureMismatch, key: testKey, change: func(c *call) { c.Host = "api.example.com:8443" }, hint: "host_port"},
	} {
		w := newWorld(t)
		key := c.key
		if key == "" {
			key = liveKey
		}
		secret := c.secret
		if secret == "" {
			secret = secretOf(key)
		}
		request := w.signed9421(t, key, secret)
		if c.change != nil {
			c.change(request)
		}
		if c.world != nil {
			c.world(w)
		}
		_, refusal := w.pass(request)
		if refusal == nil || refusal.Code != c.code || refusal.Hint != c.hint {
			t.Errorf("%s: %+v", c.name, refusal)
			continue
		}
		text, shown := detail(refusal, "string_to_sign").(string)
		if shown != (c.code == SignatureMismatch && key == testKey) || shown && !strings.HasPrefix(text, `"@method": `) {
			t.Errorf("%s: string to sign %q", c.name, text)
		}
		if c.code == CoverageInsufficient && detail(refusal, "missing") == nil {
			t.Errorf("%s: it is not said what is missing", c.name)
		}
		checkPresentation(t, c.name, refusal)
	}
}
