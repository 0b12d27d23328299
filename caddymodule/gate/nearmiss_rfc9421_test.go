package gate

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
)

// standardMistake is one that a client of RFC 9421 makes. The client is a few naive
// lines of this test: it writes the base, lets sign spoil it, and signs.
type standardMistake struct {
	name    string
	code    Code // SIGNATURE_MISMATCH unless set
	hint    string
	target  string
	body    string
	hashed  string // what Content-Digest is of; the body unless set
	digest  string // "sha-512", or sha-256
	inner   string // components
	params  string // after the list; %s is the nonce
	sign    func(lines []string) []string
	change  func(*call)
	secret  string
	missing []string
}

const standardList = `"@method" "@authority" "@path" "@query" "content-digest"`

// line replaces a component's value in the base.
func line(component, value string) func([]string) []string {
	return func(lines []string) []string {
		for i, l := range lines {
			if strings.HasPrefix(l, `"`+component+`": `) {
				lines[i] = `"` + component + `": ` + value
			}
		}
		return lines
	}
}

// lastLine changes what the parameters are signed as.
func lastLine(old, replacement string) func([]string) []string {
	return func(lines []string) []string {
		last := len(lines) - 1
		if !strings.Contains(lines[last], old) {
			panic("no " + old)
		}
		lines[last] = strings.ReplaceAll(lines[last], old, replacement)
		return lines
	}
}

func inHeader(name, old, replacement string) func(*call) {
	return func(c *call) { c.Header[name][0] = strings.ReplaceAll(c.Header[name][0], old, replacement) }
}

func standardMistakes() []standardMistake {
	const amount = `{"amount": 1000}`
	return []standardMistake{
		{name: "query without its question mark", hint: "query_question_mark", sign: line("@query", "expand=customer&a=1")},
		{name: "no query signed as nothing", hint: "query_question_mark", target: "/v1/payments", sign: line("@query", "")},
		{name: "query left out", hint: "query_left_out", sign: line("@query", "?")},
		{name: "query sorted", hint: "query_sorted", sign: line("@query", "?a=1&expand=customer")},
		{name: "query encoded again", hint: "query_reencoded", target: "/v1/pay?q=a%20b", sign: line("@query", "?q=a+b")},
		{name: "empty path", hint: "path_empty", target: "/?a=1", sign: line("@path", "")},
		{name: "path decoded", hint: "path_decoded", target: "/v1/a%2Fb?x=1", sign: line("@path", "/v1/a/b")},
		{name: "path decoded beyond ASCII", hint: "path_decoded", target: "/v1/caf%C3%A9", sign: line("@path", "/v1/café")},
		{name: "authority in capitals", hint: "host_case", sign: line("@authority", "API.example.com")},
		{name: "authority with the default port", hint: "host_port", sign: line("@authority", "api.example.com:443")},
		{name: "authority without its port", hint: "host_port", change: sentHost("api.example.com:8443")},
		{name: "another scheme", hint: "target_uri_scheme", inner: `"@method" "@target-uri" "content-digest"`, change: func(c *call) { c.TLS = false }},
		{name: "another scheme, the other way", hint: "target_uri_scheme", inner: `"@method" "@target-uri" "content-digest"`,
			sign: line("@target-uri", "http://api.example.com/v1/payments?expand=customer&a=1")},
		{name: "lower-case method", hint: "method_lower_case", sign: line("@method", "post")},
		{name: "parameters in another order", hint: "params_order", sign: func(l []string) []string {
			last := &l[len(l)-1]
			*last = strings.Replace(*last, ";created=1767225600", "", 1) + ";created=1767225600"
			return l
		}},
		{name: "spaces after semicolons", hint: "params_serialisation", sign: lastLine(";", "; ")},
		{name: "spaces after semicolons, sent and signed", hint: "params_serialisation", sign: lastLine(";", ";  "), change: inHeader("Signature-Input", ";", ";  ")},
		{name: "no space between components", hint: "params_serialisation", sign: lastLine(`" "`, `""`)},
		{name: "commas between components", hint: "params_serialisation", sign: lastLine(`" "`, `", "`)},
		{name: "label in the base", hint: "params_serialisation", sign: lastLine(`"@signature-params": `, `"@signature-params": sig=`)},
		{name: "components without quotes", hint: "params_serialisation", sign: lastLine(standardList, strings.ReplaceAll(standardList, `"`, ""))},
		{name: "no line of parameters", hint: "params_left_out", sign: func(l []string) []string { return l[:len(l)-1] }},
		{name: "no line of parameters, with a line break", hint: "params_left_out", sign: func(l []string) []string { l[len(l)-1] = ""; return l }},
		{name: "line break at the end", hint: "base_newline_added", sign: func(l []string) []string { return append(l, "") }},
		{name: "live secret", hint: "secret_other_environment", secret: secretOf(liveKey)},
		{name: "secret decoded", hint: "secret_base64_decoded", secret: string(decodeBase64(testSecret[len("unks_test_"):]))},
		{name: "something else", sign: line("@method", "no idea")},
		{name: "something else, with six parameters", params: `;created=1767225600;expires=1767225700;keyid="` + testKey + `";nonce="%s";alg="hmac-sha256";tag="a;\"b\\"`, sign: line("@method", "no idea")},

		{name: "digest without the line break sent", code: DigestMismatch, hint: "body_newline_added", body: amount + "\n", hashed: amount},
		{name: "digest with a line break not sent", code: DigestMismatch, hint: "body_newline_removed", hashed: amount + "\n"},
		{name: "digest of LF, CRLF sent", code: DigestMismatch, hint: "body_line_endings", body: "{\r\n}", hashed: "{\n}"},
		{name: "digest without the BOM", code: DigestMismatch, hint: "body_bom", body: "\xef\xbb\xbf" + amount, hashed: amount},
		{name: "digest of nothing", code: DigestMismatch, hint: "body_empty_hash", hashed: "\x00"},
		{name: "digest of compact JSON", code: DigestMismatch, hint: "body_json_compact", hashed: `{"amount":1000}`},
		{name: "sha-512 of compact JSON", code: DigestMismatch, hint: "body_json_compact", hashed: `{"amount":1000}`, digest: "sha-512"},
		{name: "digest of something else", code: DigestMismatch, hashed: "no idea"},

		{name: "created in milliseconds", code: TimestampInvalid, hint: "timestamp_milliseconds", change: inHeader("Signature-Input", "1767225600", "1767225600123")},
		{name: "created as a date", code: TimestampInvalid, hint: "timestamp_date", change: inHeader("Signature-Input", "1767225600", "2026-01-01T00:00:00Z")},
		{name: "created in words", code: TimestampInvalid, change: inHeader("Signature-Input", "1767225600", "now")},
		{name: "no space between components in the header", code: AuthMalformed, hint: "components_not_separated", change: inHeader("Signature-Input", `" "`, `""`)},
		{name: "commas between components in the header", code: AuthMalformed, hint: "components_not_separated", change: inHeader("Signature-Input", `" "`, `", "`)},
		{name: "a long header of nonsense", code: AuthMalformed, change: header("Signature-Input", strings.Repeat(`"a""b"`, maxHintHeader))},
		{name: "signature in base64url", code: AuthMalformed, hint: "signature_base64url", change: header("Signature", "sig=:-_8AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:")},
		{name: "signature in base64url without padding", code: AuthMalformed, hint: "signature_base64url", change: header("Signature", "sig=:-_8AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA:")},
		{name: "signature in hex", code: AuthMalformed, hint: "signature_hex", change: header("Signature", "sig=:"+strings.Repeat("a0", 32)+":")},
		{name: "signature without colons", code: AuthMalformed, hint: "signature_colons", change: header("Signature", "sig=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")},
		{name: "empty signature", code: AuthMalformed, change: header("Signature", "")},
		{name: "signature of another form", code: AuthMalformed, change: header("Signature", "sig=:?:")},
		{name: "digest in hex", code: AuthMalformed, hint: "digest_hex", change: header("Content-Digest", "sha-256="+strings.Repeat("a0", 32))},
		{name: "digest without colons", code: AuthMalformed, hint: "digest_colons", change: header("Content-Digest", "sha-256=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")},
		{name: "digest in base64url", code: AuthMalformed, hint: "digest_base64url", change: header("Content-Digest", "sha-256=:-_8AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:")},

		{name: "query not covered", code: CoverageInsufficient, inner: `"@method" "@authority" "@path" "content-digest"`, missing: []string{"@query"}},
		{name: "only the path covered", code: CoverageInsufficient, inner: `"@path"`, missing: []string{"@method", "@authority", "@query", "content-digest"}},
	}
}

// send makes the request of a mistake.
func (m standardMistake) send(w *world, keyID string) *call {
	m.fill(keyID)
	params := m.params
	if strings.Contains(params, "%s") {
		params = fmt.Sprintf(params, freshNonce())
	}
	params = strings.ReplaceAll(params, testKey, keyID)
	digest := m.contentDigest()
	path, query, _ := strings.Cut(m.target, "?")
	values := map[string]string{
		"@method": "POST", "@authority": "api.example.com", "@path": path, "@query": "?" + query,
		"@target-uri": "https://api.example.com" + m.target, "content-digest": digest,
	}
	var lines []string
	for _, name := range strings.Fields(m.inner) {
		lines = append(lines, name+": "+values[strings.Trim(name, `"`)])
	}
	lines = append(lines, `"@signature-params": (`+m.inner+")"+params)
	if m.sign != nil {
		lines = m.sign(lines)
	}
	mac := hmac.New(sha256.New, []byte(m.secret))
	mac.Write([]byte(strings.Join(lines, "\n")))
	c := &call{body: []byte(m.body), Request: Request{
		Method: "POST", Target: m.target, Host: "API.example.com", TLS: true, ClientIP: netip.MustParseAddr("203.0.113.9"),
		Header: http.Header{
			"Content-Digest": {digest}, "Signature-Input": {"sig=(" + m.inner + ")" + params},
			"Signature": {"sig=:" + base64.StdEncoding.EncodeToString(mac.Sum(nil)) + ":"},
		},
	}}
	if m.change != nil {
		m.change(c)
	}
	return c
}

func (m *standardMistake) fill(keyID string) {
	for _, f := range []struct {
		field *string
		value string
	}{
		{&m.target, "/v1/payments?expand=customer&a=1"}, {&m.body, `{"amount": 1000}`}, {&m.inner, standardList},
		{&m.params, `;created=1767225600;keyid="` + testKey + `";nonce="%s";alg="hmac-sha256"`}, {&m.secret, secretOf(keyID)},
		{(*string)(&m.code), string(SignatureMismatch)},
	} {
		if *f.field == "" {
			*f.field = f.value
		}
	}
	if m.hashed == "" {
		m.hashed = m.body
	}
}

func (m *standardMistake) contentDigest() string {
	hashed := []byte(strings.TrimPrefix(m.hashed, "\x00"))
	if m.digest == "sha-512" {
		sum := sha512.Sum512(hashed)
		return "sha-512=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
	}
	sum := sha256.Sum256(hashed)
	return "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
}

func TestTheNaiveClientPasses(t *testing.T) {
	for _, key := range []string{testKey, liveKey} {
		w := newWorld(t)
		if _, refusal := w.pass(standardMistake{}.send(w, key)); refusal != nil {
			t.Errorf("%+v", refusal)
		}
	}
}

func TestEachMistakeOfRFC9421YieldsItsHint(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range standardMistakes() {
		w := newWorld(t)
		_, refusal := w.pass(m.send(w, testKey))
		m.fill(testKey)
		if refusal == nil || refusal.Code != m.code || refusal.Hint != m.hint || m.hint != "" && detail(refusal, "hint") != m.hint {
			t.Errorf("%s: %+v, want %s %q", m.name, refusal, m.code, m.hint)
			continue
		}
		seen[refusal.Hint] = true
		missing, _ := detail(refusal, "missing").([]string)
		if !slices.Equal(missing, m.missing) {
			t.Errorf("%s: missing %q, want %q", m.name, missing, m.missing)
		}
		if text, _ := detail(refusal, "string_to_sign").(string); (m.code == SignatureMismatch) != strings.Contains(text, `"@signature-params": (`) {
			t.Errorf("%s: string to sign %q", m.name, text)
		}
		checkPresentation(t, m.name, refusal)
	}
	for _, m := range standardMisses() {
		if !seen[m.id] {
			t.Errorf("no mistake yields %s", m.id)
		}
	}
}

// TestLiveKeysGetHashesOnlyOfRFC9421: no base and no hint, whatever the mistake.
func TestLiveKeysGetHashesOnlyOfRFC9421(t *testing.T) {
	for _, m := range standardMistakes() {
		w := newWorld(t)
		_, refusal := w.pass(m.send(w, liveKey))
		m.fill(liveKey)
		if m.name == "live secret" {
			continue // not a mistake for this key
		}
		if refusal == nil || refusal.Code != m.code || detail(refusal, "string_to_sign") != nil {
			t.Errorf("%s: %+v", m.name, refusal)
			continue
		}
		switch m.code {
		case SignatureMismatch, DigestMismatch:
			sum := sha256.Sum256([]byte(m.body))
			if refusal.Hint != "" || detail(refusal, "body_bytes") != int64(len(m.body)) ||
				m.digest == "" && detail(refusal, "body_sha256") != hex.EncodeToString(sum[:]) {
				t.Errorf("%s: %+v", m.name, refusal)
			}
		}
	}
}

func TestNoOutputOfRFC9421HoldsTheMAC(t *testing.T) {
	for _, m := range standardMistakes() {
		w := newWorld(t)
		c := m.send(w, testKey)
		_, refusal := w.pass(c)
		a, admission := w.gate.Admit(&c.Request)
		if refusal == nil || admission != nil {
			continue
		}
		a.request.Body = bodyOf(c.body)
		text, err := a.credentials.AppendStringToSign(nil, &a.request)
		if err != nil {
			continue // what is covered was not sent
		}
		key := a.credential.MAC()
		mac := key.SumBytes(text)
		output := string(refusal.AppendJSON(nil, Presentation{}))
		for _, canary := range []string{base64.StdEncoding.EncodeToString(mac[:]), hex.EncodeToString(mac[:]), testSecret} {
			if strings.Contains(output, canary) {
				t.Errorf("%s: %s", m.name, output)
			}
		}
	}
}

func TestOnlyRequestsWithoutCredentialsAreToldWhatToSign(t *testing.T) {
	for _, info := range Codes() {
		r := Refusal{Code: info.Code}
		if (r.AcceptSignature() != "") != (info.Code == AuthRequired) {
			t.Errorf("%s: %q", info.Code, r.AcceptSignature())
		}
	}
}

// TestHintsAreDocumented: merchants look the ids up.
func TestHintsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	ids := Hints()
	for _, m := range standardMistakes() {
		if m.hint != "" && !slices.Contains(ids, m.hint) {
			t.Errorf("Hints lacks %s", m.hint)
		}
	}
	for _, id := range ids {
		if !strings.Contains(string(page), "`"+id+"`") {
			t.Errorf("docs/errors.md does not explain the hint %s", id)
		}
	}
}
