package caddymodule

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/signature"
)

// standardCase is a request of RFC 9421 and what becomes of it.
type standardCase struct {
	name   string
	on     int // every protocol unless set
	want   string
	says   string // in the answer
	before func(*standard)
	after  func(*raw)
}

// standardAccepted are what readers of the RFC, or libraries, disagree about.
func standardAccepted() []standardCase {
	return []standardCase{
		{name: "the full profile"},
		{name: "%2F in the path", before: func(c *standard) { c.target = "/v1/a%2Fb?x=%2F" }},
		{name: "lower-case escapes and dots in the path", before: func(c *standard) { c.target = "/v1/%e0%b8%81/./x;y=1/%2e" }},
		{name: "the default port in capitals over TLS", on: h2 | h3, before: func(c *standard) { c.host = "API.Example.com:443" }},
		{name: "the default port in capitals in clear", on: h1, before: func(c *standard) { c.host = "API.Example.com:80" }},
		{name: "no query", before: func(c *standard) { c.target = "/v1/pay" }},
		{name: "an empty query", before: func(c *standard) { c.target = "/v1/pay?" }},
		// "@query" is "?" for both, §2.2.7; "@target-uri" tells them apart, below.
		{name: "an empty query where none was signed", before: func(c *standard) { c.target = "/v1/pay" }, after: target("/v1/pay?")},
		{name: "a query of question marks", before: func(c *standard) { c.target = "/v1/pay??a=b?c" }},
		{name: "@target-uri", before: covered(`"@method" "@target-uri" "content-digest"`)},
		{name: "every component", before: alsoCovered(`"@scheme" "@request-target" "@target-uri" "content-type"`)},
		{name: "components in another order", before: covered(`"content-digest" "@query" "@path" "@method" "@authority"`)},
		{name: "no body", before: noBody},
		{name: "sha-512", before: field("Content-Digest", digest512Of(`{"amount":1}`))},
		{name: "two digests", before: field("Content-Digest", digestOf(`{"amount":1}`)+", "+digest512Of(`{"amount":1}`))},
		{name: "two lines of digests", before: field("Content-Digest", digestOf(`{"amount":1}`), digest512Of(`{"amount":1}`))},
		{name: "no alg", before: parameter("alg", "")},
		{name: "a nonce in base64", before: func(c *standard) {
			sum := sha256.Sum256([]byte(c.params)) // with its fresh nonce
			parameter("nonce", `"`+base64.StdEncoding.EncodeToString(sum[:])+`"`)(c)
		}},
		{name: "expires and tag", before: alsoParameter(fmt.Sprintf(`expires=%d;tag="a\"; b"`, time.Now().Unix()+60))},
		{name: "a covered idempotency key", before: all(field("Idempotency-Key", "k-1"), alsoCovered(`"idempotency-key"`))},
		{name: "a covered header in two lines", before: all(field("X-A", "1", "2"), alsoCovered(`"x-a"`))},
		{name: "another label", after: all(replaced("Signature-Input", "sig=", "*a.b-c_1="), replaced("Signature", "sig=", "*a.b-c_1="))},
		{name: "spaces that the grammar allows", after: all(replaced("Signature-Input", `" "`, `"  "`), replaced("Signature-Input", ";created", ";  created"))},
		{name: "a chunked body", on: h1, after: func(r *raw) { r.trailers = [][2]string{} }},
	}
}

func standardRefused() []standardCase {
	const bad, coverage, digest, mac, syntax, late = "AUTH_MALFORMED", "COVERAGE_INSUFFICIENT", "DIGEST_MISMATCH", "SIGNATURE_MISMATCH", "TIMESTAMP_INVALID", "TIMESTAMP_OUT_OF_RANGE"
	zeros := ":" + strings.Repeat("A", 43) + "=:"
	return []standardCase{
		// Named mistakes come first: the gateway explains 10 at once.
		{name: "a line break at the body's end", want: digest, says: "body_newline_added", after: func(r *raw) { r.body += "\n" }},
		{name: "another scheme in @target-uri", want: mac, says: "target_uri_scheme", before: covered(`"@method" "@target-uri" "content-digest"`)},
		{name: "%2F decoded by the signer", want: mac, says: "path_decoded", before: func(c *standard) { c.target = "/v1/a/b" }, after: target("/v1/a%2Fb")},

		// Which signature counts.
		{name: "no Signature", want: bad, says: `"reason":"missing"`, after: dropped("Signature")},
		{name: "no Signature-Input", want: bad, says: `"reason":"missing"`, after: dropped("Signature-Input")},
		{name: "two Signature-Input lines", want: bad, says: `"reason":"repeated"`, after: sentTwice("Signature-Input")},
		{name: "two Signature lines", want: bad, says: `"reason":"repeated"`, after: sentTwice("Signature")},
		{name: "another Signature-Input first", want: bad, after: first("Signature-Input", `sig=("@method")`)},
		{name: "two signatures", want: bad, says: `"reason":"repeated"`, after: all(replaced("Signature-Input", "sig=", `a=("@method"),sig=`), replaced("Signature", "sig=", "a="+zeros+",sig="))},
		{name: "two values for a label", want: bad, after: replaced("Signature", "sig=", "sig="+zeros+", sig=")},
		{name: "labels that differ", want: bad, after: replaced("Signature", "sig=", "sig1=")},
		{name: "mixed schemes", want: bad, says: "mixed_schemes", after: with("X-Unk-Key", "unk_test_"+strings.Repeat("a", 22), "X-Unk-Timestamp", "1767225600", "X-Unk-Nonce", strings.Repeat("n", 16), "X-Unk-Signature", "v1="+strings.Repeat("0", 64))},
		{name: "a header of the other scheme", want: bad, says: "mixed_schemes", after: with("X-Unk-Key", "x")},
		{name: "signature nominated by Connection", on: h1, want: bad, says: "nominated", after: with("Connection", "Signature-Input")},
		{name: "digest nominated by Connection", on: h1, want: bad, says: "nominated", after: with("Connection", "close, content-digest")},
		{name: "credentials in trailers", want: "AUTH_REQUIRED", after: func(r *raw) { r.fields, r.trailers = r.fields[:2:2], r.fields[2:] }},

		// Syntax.
		{name: "signature in hex", want: bad, says: "signature_hex", after: valued("Signature", func(string) string { return "sig=:" + strings.Repeat("ab", 32) + ":" })},
		{name: "signature in base64url", want: bad, says: "signature_base64url", after: valued("Signature", func(string) string { return "sig=:-_" + strings.Repeat("A", 41) + "=:" })},
		{name: "signature without padding", want: bad, after: replaced("Signature", "=:", ":")},
		{name: "signature with a parameter", want: bad, after: valued("Signature", func(v string) string { return v + ";a=1" })},
		{name: "Signature-Input over 4 KiB", want: bad, says: "4096", before: alsoParameter(`tag="` + strings.Repeat("x", 4096) + `"`)},
		{name: "no space between components", want: bad, says: "components_not_separated", after: replaced("Signature-Input", `" "`, `""`)},
		{name: "a component as token", want: bad, after: replaced("Signature-Input", `"@path"`, "@path")},

		// Components.
		{name: "a repeated component", want: bad, says: `"reason":"repeated"`, before: alsoCovered(`"@method"`)},
		{name: "seventeen components", want: bad, says: "16", before: alsoCovered(`"a" "b" "c" "d" "e" "f" "g" "h" "i" "j" "k" "l"`)},
		{name: "@method;req", want: bad, says: "parameters", after: replaced("Signature-Input", `"@method"`, `"@method";req`)},
		{name: "content-digest;bs", want: bad, says: "parameters", after: replaced("Signature-Input", `"content-digest"`, `"content-digest";bs`)},
		{name: "content-digest;sf", want: bad, says: "parameters", after: replaced("Signature-Input", `"content-digest"`, `"content-digest";sf`)},
		{name: "content-digest;key", want: bad, says: "parameters", after: replaced("Signature-Input", `"content-digest"`, `"content-digest";key="sha-256"`)},
		{name: "content-digest;tr", want: bad, says: "parameters", after: replaced("Signature-Input", `"content-digest"`, `"content-digest";tr`)},
		{name: "@query-param", want: bad, after: replaced("Signature-Input", `"@query"`, `"@query-param";name="a"`)},
		{name: "@status", want: bad, before: alsoCovered(`"@status"`)},
		{name: "a component in capitals", want: bad, before: covered(strings.Replace(standardList, "content-digest", "Content-Digest", 1))},
		{name: "host in place of @authority", want: bad, says: "@authority", before: covered(strings.Replace(standardList, "@authority", "host", 1))},
		{name: "a covered header that was not sent", want: bad, says: "x-request-id", before: alsoCovered(`"x-request-id"`)},
		{name: "a covered digest that was not sent", want: bad, says: "content-digest", after: dropped("Content-Digest")},

		// Parameters.
		{name: "no created", want: bad, says: "created is missing", before: parameter("created", "")},
		{name: "no keyid", want: bad, says: "keyid is missing", before: parameter("keyid", "")},
		{name: "no nonce", want: bad, says: "nonce is missing", before: parameter("nonce", "")},
		{name: "keyid of another kind", want: bad, before: parameter("keyid", `"test-shared-secret"`)},
		{name: "a short nonce", want: bad, says: "16 to 64", before: parameter("nonce", `"0123456789abcde"`)},
		{name: "another alg", want: bad, before: parameter("alg", `"ed25519"`)},
		{name: "created twice", want: bad, says: "only once", before: alsoParameter(fmt.Sprint("created=", time.Now().Unix()))},
		{name: "an unknown parameter", want: bad, before: alsoParameter("v=1")},
		{name: "created in milliseconds", want: syntax, says: "timestamp_milliseconds", before: parameter("created", fmt.Sprint(time.Now().UnixMilli()))},
		{name: "created as a date", want: syntax, says: "timestamp_date", before: parameter("created", "2026-01-01T00:00:00Z")},
		{name: "created in quotes", want: syntax, before: parameter("created", fmt.Sprintf(`"%d"`, time.Now().Unix()))},
		{name: "created an hour ago", want: late, before: parameter("created", fmt.Sprint(time.Now().Unix()-3600))},
		{name: "created in an hour", want: late, before: parameter("created", fmt.Sprint(time.Now().Unix()+3600))},
		{name: "expired", want: late, says: "expires", before: alsoParameter(fmt.Sprint("expires=", time.Now().Unix()-2))},
		{name: "an unknown key", want: "KEY_INVALID", before: parameter("keyid", `"unk_test_`+strings.Repeat("z", 22)+`"`)},

		// Coverage.
		{name: "nothing covered", want: coverage, says: `"missing":["@method","@authority","@path","@query","content-digest"]`, before: covered("")},
		{name: "no method", want: coverage, says: `"missing":["@method"]`, before: covered(`"@target-uri" "content-digest"`)},
		{name: "no authority", want: coverage, says: `"missing":["@authority"]`, before: covered(`"@method" "@path" "@query" "content-digest"`)},
		{name: "no path", want: coverage, says: `"missing":["@path"]`, before: covered(`"@method" "@authority" "@query" "content-digest"`)},
		{name: "no query", want: coverage, says: `"missing":["@query"]`, before: covered(`"@method" "@authority" "@path" "content-digest"`)},
		{name: "@request-target in place of path and query", want: coverage, says: `"missing":["@path","@query"]`, before: covered(`"@method" "@authority" "@request-target" "content-digest"`)},
		{name: "an unsigned digest", want: coverage, says: `"missing":["content-digest"]`, before: covered(`"@method" "@authority" "@path" "@query"`)},
		{name: "a body without a digest", want: coverage, says: `"missing":["content-digest"]`, before: all(noBody, func(c *standard) { c.body = "{}" })},
		{name: "a chunked body without a digest", on: h1, want: coverage, before: all(noBody, func(c *standard) { c.body = "{}" }), after: func(r *raw) { r.trailers = [][2]string{} }},
		{name: "a body added on the way", want: coverage, before: noBody, after: func(r *raw) { r.body = "{}" }},
		{name: "an uncovered idempotency key", want: coverage, says: `"missing":["idempotency-key"]`, before: field("Idempotency-Key", "k")},
		{name: "an idempotency key added on the way", want: coverage, after: with("Idempotency-Key", "k")},

		// Digests.
		{name: "only unknown digests", want: bad, before: field("Content-Digest", "md5=:AAAA:")},
		{name: "digest in hex", want: bad, says: "digest_hex", before: field("Content-Digest", "sha-256="+strings.Repeat("ab", 32))},
		{name: "one digest twice", want: bad, before: field("Content-Digest", digestOf(`{"amount":1}`), digestOf(`{"amount":1}`))},
		{name: "another body", want: digest, after: func(r *raw) { r.body = `{"amount":9}` }},
		{name: "no body any more", want: digest, after: func(r *raw) { r.body = "" }},
		{name: "one of two digests wrong", want: digest, before: field("Content-Digest", digestOf(`{"amount":1}`)+", "+digest512Of("x"))},
		{name: "a wrong uncovered digest without a body", want: digest, before: all(noBody, field("Content-Digest", digestOf("x")))},

		// The MAC.
		{name: "another method", want: mac, after: func(r *raw) { r.method = "PUT" }},
		{name: "another host", want: mac, after: host("other.test")},
		{name: "%2F decoded on the way", want: mac, before: func(c *standard) { c.target = "/v1/a%2Fb" }, after: target("/v1/a/b")},
		{name: "an escape in another case", want: mac, before: func(c *standard) { c.target = "/v1/a%2Fb" }, after: target("/v1/a%2fb")},
		{name: "dots resolved", want: mac, before: func(c *standard) { c.target = "/v1/x/../pay" }, after: target("/v1/pay")},
		{name: "the query sorted", want: mac, before: func(c *standard) { c.target = "/v1/pay?b=2&a=1" }, after: target("/v1/pay?a=1&b=2")},
		{name: "the query left out", want: mac, after: target("/v1/pay")},
		{name: "an empty query added to @target-uri", want: mac, before: all(func(c *standard) { c.target = "/v1/pay" }, covered(`"@method" "@target-uri" "content-digest"`)), after: target("/v1/pay?")},
		{name: "a covered header changed", want: mac, before: alsoCovered(`"content-type"`), after: replaced("Content-Type", "json", "xml")},
		{name: "a covered header doubled", want: mac, before: alsoCovered(`"content-type"`), after: sentTwice("Content-Type")},
		{name: "components reordered on the way", want: mac, after: replaced("Signature-Input", `"@method" "@authority"`, `"@authority" "@method"`)},
		{name: "another nonce", want: mac, after: replaced("Signature-Input", `nonce="`, `nonce="0`)},
		{name: "alg removed on the way", want: mac, after: replaced("Signature-Input", `;alg="hmac-sha256"`, "")},
		{name: "another secret", want: mac, before: func(c *standard) { c.secret += "x" }},
	}
}

func TestRFC9421ThroughTheGateway(t *testing.T) {
	s := startSite(t)
	m := s.merchant(controlplane.Test, "127.0.0.1")
	for _, c := range append(standardAccepted(), standardRefused()...) {
		t.Run(c.name, func(t *testing.T) {
			if c.on == 0 {
				c.on = anyHTTP
			}
			on(t, c.on, func(t *testing.T, protocol int) { s.standardAttempt(t, m, c, protocol) })
		})
	}
	if n := len(standardRefused()); n < 40 {
		t.Errorf("only %d requests that are refused", n)
	}
}

func (s *site) standardAttempt(t *testing.T, m merchant, c standardCase, protocol int) {
	t.Helper()
	signing := s.standard(m, protocol)
	if c.before != nil {
		c.before(signing)
	}
	if strings.Contains(c.says, "target_uri_scheme") {
		signing.scheme = map[string]string{"http": "https", "https": "http"}[signing.scheme]
	}
	r := signing.signed()
	if c.after != nil {
		c.after(r)
	}
	before := s.upstream.bytes.Load()
	answer, err := s.exchange(r, protocol)
	check(t, err)
	seen := s.upstream.take()
	if c.want == "" {
		if code := codeIn(answer); code != passes || len(seen) != 1 {
			t.Fatalf("answer %d %s; the upstream saw %d requests", answer.status, answer.body, len(seen))
		}
		wantTruth(t, m, r, seen[0])
		return
	}
	if codeIn(answer) != c.want || !strings.Contains(answer.body, c.says) {
		t.Errorf("answer %d %s, want %s with %q", answer.status, answer.body, c.want, c.says)
	}
	if len(seen) != 0 || s.upstream.bytes.Load() != before {
		t.Errorf("refused, but the upstream saw %+v", seen)
	}
}

// TestDefaultPortOverHTTP1WithTLS: the raw client speaks HTTP/1.1 in clear only.
func TestDefaultPortOverHTTP1WithTLS(t *testing.T) {
	s := startSite(t)
	m := s.merchant(controlplane.Test, "127.0.0.1")
	c := s.standard(m, h2)
	c.host = "API.Example.com:443"
	r, err := http.NewRequest(c.method, "https://gateway.test:"+port(s.secure)+c.target, strings.NewReader(c.body))
	check(t, err)
	r.Host = c.host
	for _, f := range c.signed().fields {
		r.Header.Set(f[0], f[1])
	}
	if seen := s.wantPassed(s.do(r)); seen.host != c.host {
		t.Errorf("the upstream saw %+v", seen)
	}
}

// TestOneNonceForBothSchemes: neither can replay what the other has sent.
func TestOneNonceForBothSchemes(t *testing.T) {
	s := startSite(t)
	m := s.merchant(controlplane.Live, "127.0.0.1")
	native := s.request(m, "POST", "/v1/pay?a=1", `{"amount":1}`)
	s.wantPassed(s.do(native))
	c := s.standard(m, h1)
	parameter("nonce", `"`+native.Header.Get("X-Unk-Nonce")+`"`)(c)
	if a, err := c.signed().http1(s.plain); err != nil || codeIn(a) != "REQUEST_REPLAYED" {
		t.Errorf("%v, %v", a, err)
	}
	r := s.standard(m, h1).signed()
	for _, want := range []string{passes, "REQUEST_REPLAYED"} {
		if a, err := r.http1(s.plain); err != nil || codeIn(a) != want {
			t.Errorf("%v, %v, want %s", a, err, want)
		}
	}
}

func TestAuthRequiredSaysWhatToSign(t *testing.T) {
	s := startSite(t)
	a := s.do(unsigned(s, "GET", ""))
	s.wantRefused(a, 401, "AUTH_REQUIRED")
	if got := a.header.Get("Accept-Signature"); got != signature.AcceptSignature || a.header.Get("WWW-Authenticate") != "UNK1" {
		t.Errorf("Accept-Signature %q, WWW-Authenticate %q", got, a.header.Get("WWW-Authenticate"))
	}
	a = s.do(wrongly(s, s.merchant(controlplane.Test, "127.0.0.1"), "x"))
	if got, sent := a.header["Accept-Signature"]; sent {
		t.Errorf("Accept-Signature %q on %s", got, a.body)
	}
}
