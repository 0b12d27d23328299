package gate

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane/signature"
)

// mistake is one that a client makes: it signs the message that sign alters, or
// with another key, and sends what change alters.
type mistake struct {
	name   string
	hint   string
	sign   func(*signature.Message)
	key    func() []byte
	change func(*call)
	target string
	body   string
}

func signedBody(body string) func(*signature.Message) {
	return func(m *signature.Message) { m.BodyHash = sha256.Sum256([]byte(body)) }
}

func signedTarget(target string) func(*signature.Message) {
	return func(m *signature.Message) { m.Target = target }
}

func signedHost(host string) func(*signature.Message) {
	return func(m *signature.Message) { m.Host = host }
}

func sentHost(host string) func(*call) { return func(c *call) { c.Host = host } }

func mistakes() []mistake {
	base64Of := func(text string) func() []byte { return func() []byte { return decodeBase64(text) } }
	const spaced = "/v1/pay?b=2&a=1&q=a%20b%2fc"
	return []mistake{
		{name: "query left out", hint: "query_left_out", sign: signedTarget("/v1/payments")},
		{name: "query sorted", hint: "query_sorted", sign: signedTarget("/v1/payments?a=1&expand=customer")},
		{name: "query decoded", hint: "query_reencoded", target: spaced, sign: signedTarget("/v1/pay?b=2&a=1&q=a b/c")},
		{name: "query plus-decoded", hint: "query_reencoded", target: "/v1/pay?q=a+b", sign: signedTarget("/v1/pay?q=a b")},
		{name: "query form-encoded", hint: "query_reencoded", target: spaced, sign: signedTarget("/v1/pay?b=2&a=1&q=a+b%2Fc")},
		{name: "query form-encoded and sorted", hint: "query_reencoded", target: spaced, sign: signedTarget("/v1/pay?a=1&b=2&q=a+b%2Fc")},
		{name: "query percent-encoded", hint: "query_reencoded", target: "/v1/pay?q=a+b%2fc&flag", sign: signedTarget("/v1/pay?q=a%20b%2Fc&flag")},
		{name: "query with a bad escape", hint: "query_sorted", target: "/v1/pay?q=%zz&a=1", sign: signedTarget("/v1/pay?a=1&q=%zz")},
		{name: "path decoded", hint: "path_decoded", target: "/v1/caf%C3%A9?x=%20", sign: signedTarget("/v1/café?x=%20")},
		{name: "all decoded", hint: "path_decoded", target: "/v1/caf%C3%A9?x=%20", sign: signedTarget("/v1/café?x= ")},
		{name: "newline sent", hint: "body_newline_added", body: "{}\n", sign: signedBody("{}")},
		{name: "CRLF sent", hint: "body_newline_added", body: "{}\r\n", sign: signedBody("{}")},
		{name: "newline signed", hint: "body_newline_removed", body: "{}", sign: signedBody("{}\n")},
		{name: "CRLF signed", hint: "body_newline_removed", body: "{}", sign: signedBody("{}\r\n")},
		{name: "LF signed, CRLF sent", hint: "body_line_endings", body: "{\r\n}\r\n", sign: signedBody("{\n}\n")},
		{name: "CRLF signed, LF sent", hint: "body_line_endings", body: "{\n}", sign: signedBody("{\r\n}")},
		{name: "BOM sent", hint: "body_bom", body: "\xef\xbb\xbf{}", sign: signedBody("{}")},
		{name: "BOM signed", hint: "body_bom", body: "{}", sign: signedBody("\xef\xbb\xbf{}")},
		{name: "hash of nothing", hint: "body_empty_hash", sign: signedBody("")},
		{name: "lower-case method", hint: "method_lower_case", sign: func(m *signature.Message) { m.Method = "post" }},
		{name: "default port signed", hint: "host_port", sign: signedHost("api.example.com:443")},
		{name: "port left out", hint: "host_port", sign: signedHost("api.example.com"), change: sentHost("api.example.com:8443")},
		{name: "port left out after IPv6", hint: "host_port", sign: signedHost("[2001:db8::1]"), change: sentHost("[2001:db8::1]:8443")},
		{name: "upper-case host", hint: "host_case", sign: signedHost("API.example.com")},
		{name: "milliseconds signed", hint: "timestamp_milliseconds", sign: func(m *signature.Message) { m.Timestamp += "987" }},
		{name: "secret base64-decoded as Node.js does", hint: "secret_base64_decoded", key: base64Of(strings.ReplaceAll(testSecret, "_", "/"))},
		{name: "secret base64-decoded as PHP does", hint: "secret_base64_decoded", key: base64Of(strings.ReplaceAll(testSecret, "_", ""))},
		{name: "secret base64-decoded after its prefix", hint: "secret_base64_decoded", key: base64Of(testSecret[len("unks_test_"):])},
		{name: "secret hex-decoded after its prefix", hint: "secret_hex_decoded", key: func() []byte { return hexPrefix(testSecret[len("unks_test_"):]) }},
		{name: "secret hex-decoded to nothing", hint: "secret_hex_decoded", key: func() []byte { return []byte{0} }},
		{name: "live secret", hint: "secret_other_environment", key: func() []byte { return []byte(secretOf(liveKey)) }},
		{name: "JSON re-serialised", hint: "body_json_compact", sign: signedBody(`{"amount":1000,"currency":"THB"}`)},
		{name: "something else", hint: "", sign: signedBody("no idea")},
	}
}

func hexPrefix(text string) []byte {
	out := make([]byte, len(text))
	n, _ := hex.Decode(out, []byte(text[:len(text)&^1]))
	if n == 0 {
		return []byte{0}
	}
	return out[:n]
}

// send makes the request of a mistake.
func (m mistake) send(t *testing.T, w *world, keyID string) *call {
	var message signature.Message
	c := w.signedAs(keyID, func(s *signature.Message) {
		if m.target != "" {
			s.Target = m.target
		}
		if m.body != "" {
			s.BodyHash = sha256.Sum256([]byte(m.body))
		}
		if m.sign != nil {
			m.sign(s)
		}
		message = *s
	})
	if m.target != "" {
		c.Target = m.target
	}
	if m.body != "" {
		c.body = []byte(m.body)
	}
	if m.change != nil {
		m.change(c)
	}
	if m.key != nil {
		k, err := signature.NewMACKey(m.key())
		if err != nil {
			t.Fatalf("%s: %v", m.name, err)
		}
		c.Header[signature.HeaderSignature] = []string{signature.FormatMAC(k.Sum(&message))}
	}
	return c
}

func TestEachMistakeYieldsItsHint(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range mistakes() {
		w := newWorld(t)
		_, refusal := w.pass(m.send(t, w, testKey))
		if refusal == nil || refusal.Code != SignatureMismatch {
			t.Errorf("%s: %+v", m.name, refusal)
			continue
		}
		seen[refusal.Hint] = true
		if refusal.Hint != m.hint || m.hint != "" && detail(refusal, "hint") != m.hint {
			t.Errorf("%s: hint %q, want %q", m.name, refusal.Hint, m.hint)
		}
		text, _ := detail(refusal, "string_to_sign").(string)
		if !strings.HasPrefix(text, "UNK1-HMAC-SHA256\n1767225600\n") {
			t.Errorf("%s: string to sign %q", m.name, text)
		}
		if sum := sha256.Sum256([]byte(text)); detail(refusal, "string_to_sign_sha256") != hex.EncodeToString(sum[:]) {
			t.Errorf("%s: string_to_sign_sha256 is another one", m.name)
		}
		checkPresentation(t, m.name, refusal)
	}
	for _, m := range nearMisses() {
		if !seen[m.id] && m.id != "body_hash_encoding" { // TestHashEncodingsYieldTheirHint
			t.Errorf("no mistake yields %s", m.id)
		}
	}
}

// TestHashEncodingsYieldTheirHint: signature.Message cannot write these.
func TestHashEncodingsYieldTheirHint(t *testing.T) {
	for _, encode := range []func([]byte) string{
		func(b []byte) string { return strings.ToUpper(hex.EncodeToString(b)) }, base64.StdEncoding.EncodeToString,
	} {
		w := newWorld(t)
		var message signature.Message
		c := w.signedAs(testKey, func(m *signature.Message) { message = *m })
		text := message.AppendStringToSign(nil)
		text = append(text[:len(text)-2*sha256.Size], encode(message.BodyHash[:])...)
		k, err := signature.NewMACKey([]byte(testSecret))
		if err != nil {
			t.Fatal(err)
		}
		c.Header[signature.HeaderSignature] = []string{signature.FormatMAC(k.SumBytes(text))}
		if _, refusal := w.pass(c); refusal == nil || refusal.Hint != "body_hash_encoding" {
			t.Errorf("%+v", refusal)
		}
	}
}

// TestLiveKeysGetHashesOnly also holds that what is shown of a live key's request
// is the same whatever the mistake was.
func TestLiveKeysGetHashesOnly(t *testing.T) {
	for _, m := range mistakes() {
		w := newWorld(t)
		c := m.send(t, w, liveKey)
		if m.key != nil && string(m.key()) == secretOf(liveKey) {
			continue // not a mistake for this key
		}
		_, refusal := w.pass(c)
		if refusal == nil || refusal.Code != SignatureMismatch || refusal.Hint != "" {
			t.Errorf("%s: %+v", m.name, refusal)
			continue
		}
		var names []string
		for _, d := range refusal.Details {
			names = append(names, d.Name)
		}
		if fmt.Sprint(names) != "[string_to_sign_sha256 body_sha256 body_bytes]" {
			t.Errorf("%s: details %v", m.name, names)
		}
		if sum := sha256.Sum256(c.body); detail(refusal, "body_sha256") != hex.EncodeToString(sum[:]) {
			t.Errorf("%s: body_sha256 is another one", m.name)
		}
	}
}

// TestNoOutputHoldsASecret: neither a secret nor an expected MAC, nor eight
// characters of one.
func TestNoOutputHoldsASecret(t *testing.T) {
	for _, key := range []string{testKey, liveKey} {
		for _, m := range mistakes() {
			w := newWorld(t)
			c := m.send(t, w, key)
			_, refusal := w.pass(c)
			if refusal == nil {
				continue
			}
			p := Presentation{RequestID: "req_1", DocPage: "https://d"}
			output := string(refusal.AppendJSON(nil, p)) + string(refusal.AppendProblem(nil, p)) + fmt.Sprintf("%v %+v %#v", refusal, *refusal, refusal.Facts)
			a, _ := w.gate.Admit(&c.Request)
			output += fmt.Sprintf("%v %+v %#v", a, &a, a)
			a.request.Body = bodyOf(c.body)
			text, err := a.credentials.AppendStringToSign(nil, &a.request)
			if err != nil {
				t.Fatal(err)
			}
			macKey := a.credential.MAC()
			mac := macKey.SumBytes(text)
			for name, canary := range map[string]string{
				"test secret": testSecret, "live secret": secretOf(liveKey), "MAC in hex": hex.EncodeToString(mac[:]), "MAC in HEX": strings.ToUpper(hex.EncodeToString(mac[:])),
				"MAC in base64": base64.StdEncoding.EncodeToString(mac[:]), "MAC key": hex.EncodeToString(macKey[:]),
				"MAC in bytes": strings.Trim(fmt.Sprint(mac[:]), "[]"),
			} {
				if name == "live secret" {
					canary = "LiveCanary/" // its end is the key id, which may be shown
				}
				for i := range len(canary) - 8 {
					if part := canary[i : i+8]; name != "MAC in bytes" && strings.Contains(output, part) && !strings.HasPrefix("unks_test_", part) {
						t.Fatalf("%s, %s: the output holds %q of the %s", key, m.name, part, name)
					}
				}
				if strings.Contains(output, canary) {
					t.Fatalf("%s, %s: the output holds the %s", key, m.name, name)
				}
			}
		}
	}
}

func TestHintsAreBounded(t *testing.T) {
	w := newWorld(t)
	m := mistakes()[0]
	hints := 0
	for range 3 * hintsAtOnce {
		if _, refusal := w.pass(m.send(t, w, testKey)); refusal.Hint != "" {
			hints++
		}
	}
	if hints != hintsAtOnce {
		t.Errorf("%d hints at once", hints)
	}
	w.now = w.now.Add(time.Second)
	if _, refusal := w.pass(m.send(t, w, testKey)); refusal.Hint == "" {
		t.Error("no hint a second later")
	}
}

func TestHintsLeaveLargeAndAbsentBodiesAlone(t *testing.T) {
	large := mistake{name: "large", body: strings.Repeat("x", maxHintBody) + "\n", sign: signedBody(strings.Repeat("x", maxHintBody))}
	w := newWorld(t)
	if _, refusal := w.pass(large.send(t, w, testKey)); refusal.Hint != "" {
		t.Errorf("hint %q for a body of %d bytes", refusal.Hint, len(large.body))
	}
	for _, m := range mistakes() {
		c := m.send(t, w, testKey)
		a, refusal := w.gate.Admit(&c.Request)
		if refusal != nil {
			t.Fatal(refusal)
		}
		refusal = w.gate.Verify(t.Context(), &a, bodyOf(c.body), nil)
		derived := strings.HasPrefix(m.hint, "body_") && m.hint != "body_empty_hash"
		if derived && refusal.Hint != "" {
			t.Errorf("%s: hint %q without a body at hand", m.name, refusal.Hint)
		}
	}
}

func TestLongStringToSignIsCut(t *testing.T) {
	w := newWorld(t)
	m := mistake{target: "/" + strings.Repeat("x", 2*maxStringToSign), sign: signedTarget("/")}
	_, refusal := w.pass(m.send(t, w, testKey))
	if text, _ := detail(refusal, "string_to_sign").(string); len(text) != maxStringToSign {
		t.Errorf("%d bytes", len(text))
	}
}

func TestHintsForKeysWithoutAKeptSecret(t *testing.T) {
	a := attempt{}
	w := newWorld(t)
	a.credential, _ = w.snapshot.Key(liveKey)
	if a.secretForms() != nil || secretBase64(&a) || secretHex(&a) {
		t.Error("a live key has no secret to try")
	}
	if decodeBase64("!!") != nil || bytes.Equal(decodeBase64("AAAAA"), nil) {
		t.Error("base64 is read leniently, but only base64")
	}
}
