package caddymodule

import (
	"crypto/rand"
	"crypto/sha256"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/signature"
	"github.com/unknownpay/merchant-gateway/tests/asvs"
)

// The protocols of an abuse.
const (
	h1 = 1 << iota
	h2
	h3
	anyHTTP = h1 | h2 | h3
)

// passes is what a harmless request is answered with; refusedBelow means that
// Caddy or net/http may refuse it before the gateway sees it.
const (
	passes       = "OK"
	refusedBelow = ""
)

// abuse is one attempt: a well-signed request and what was done to it.
type abuse struct {
	name string
	on   int
	// want is the code, or one of several, or passes.
	want []string
	do   func(*raw)
}

func with(fields ...string) func(*raw) {
	return func(r *raw) {
		for i := 0; i < len(fields); i += 2 {
			r.add(fields[i], fields[i+1])
		}
	}
}

// without removes a field, and again puts it in by another name.
func renamed(from, to string) func(*raw) {
	return func(r *raw) {
		for i, f := range r.fields {
			if f[0] == from {
				r.fields[i][0] = to
			}
		}
	}
}

func first(name, value string) func(*raw) {
	return func(r *raw) { r.fields = slices.Insert(r.fields, 0, [2]string{name, value}) }
}

func valued(name string, change func(string) string) func(*raw) {
	return func(r *raw) {
		for i, f := range r.fields {
			if f[0] == name {
				r.fields[i][1] = change(f[1])
			}
		}
	}
}

func target(t string) func(*raw) { return func(r *raw) { r.target = t } }
func host(h string) func(*raw)   { return func(r *raw) { r.host = h } }

func malformed(also ...string) []string { return append(also, "AUTH_MALFORMED") }

// abuses are sent on top of a request that is signed for POST /v1/pay?a=1.
func abuses() []abuse {
	ok, mismatch := []string{passes}, []string{"SIGNATURE_MISMATCH"}
	same := func(v string) string { return v }
	return []abuse{
		{"key twice, same", anyHTTP, malformed(), func(r *raw) { r.add(r.fields[0][0], r.fields[0][1]) }},
		{"key twice, other first", anyHTTP, malformed(), first("X-Unk-Key", "unk_live_"+strings.Repeat("a", 22))},
		{"timestamp twice", anyHTTP, malformed(), with("X-Unk-Timestamp", "1700000000")},
		{"nonce twice", anyHTTP, malformed(), with("X-Unk-Nonce", "0123456789abcdef0123")},
		{"signature twice", anyHTTP, malformed(), first("X-Unk-Signature", "v1="+strings.Repeat("0", 64))},
		{"nonces in one line", anyHTTP, malformed(), valued("X-Unk-Nonce", func(v string) string { return v + ", " + v })},
		{"keys in one line", anyHTTP, malformed(), valued("X-Unk-Key", func(v string) string { return v + "," + v })},
		{"empty signature", anyHTTP, malformed(), valued("X-Unk-Signature", func(string) string { return "" })},
		{"signature without version", anyHTTP, malformed(), valued("X-Unk-Signature", func(v string) string { return strings.TrimPrefix(v, "v1=") })},
		{"upper-case signature", anyHTTP, malformed(), valued("X-Unk-Signature", strings.ToUpper)},
		{"both schemes", anyHTTP, malformed(), with("Signature-Input", `sig=("@method");created=1`, "Signature", "sig=:AAAA:")},
		{"key by underscores", anyHTTP, malformed(), renamed("X-Unk-Key", "X_Unk_Key")},
		{"signature by dots", anyHTTP, malformed(), renamed("X-Unk-Signature", "X.Unk.Signature")},
		{"key also by underscores", anyHTTP, ok, with("X_Unk_Key", "unk_live_"+strings.Repeat("a", 22))},
		{"padded values", h1, ok, valued("X-Unk-Nonce", func(v string) string { return "\t " + v + " \t" })},
		{"folded line", h1, malformed(refusedBelow), valued("X-Unk-Nonce", func(v string) string { return v[:16] + "\r\n " + v[16:] })},
		{"line feed in a value", h2 | h3, malformed(refusedBelow), valued("X-Unk-Nonce", func(v string) string { return v + "\nX-Unk-Merchant-Id: mer_evil" })},

		{"spoofed merchant", anyHTTP, ok, with("X-Unk-Merchant-Id", "mer_evil")},
		{"spoofed merchant, twice and first", anyHTTP, ok, func(r *raw) {
			first("X-Unk-Merchant-Id", "mer_evil")(r)
			r.add("X-UNK-MERCHANT-ID", "mer_evil")
		}},
		{"spoofed by underscores", anyHTTP, ok, with("X_Unk_Merchant_Id", "mer_evil", "x_unk_key_id", "evil")},
		{"spoofed by dots", anyHTTP, ok, with("X.Unk.Merchant.Id", "mer_evil")},
		{"spoofed by a mixture", anyHTTP, ok, with("X-Unk_Merchant.Id", "mer_evil", "X_Unk-Environment", "live")},
		{"spoofed everything", anyHTTP, ok, with("X-Unk-Environment", "live", "X-Unk-Key-Id", "evil", "X-Unk-Client-Ip", "198.51.100.9", "X-Unk-Request-Id", "evil", "X-Unk-Anything", "evil")},
		{"nominated merchant header", h1, malformed(), with("Connection", "X-Unk-Merchant-Id")},
		{"nominated among others", h1, malformed(), with("Connection", "keep-alive , x-unk-key-id,foo")},
		{"nominated by underscores", h1, malformed(), with("Connection", "x_unk_merchant_id")},
		{"nominated auth header", h1, malformed(), with("Connection", "X-Unk-Signature")},
		{"nominated over HTTP/2 and 3", h2 | h3, malformed(refusedBelow), with("Connection", "X-Unk-Merchant-Id")},
		{"declared trailer", anyHTTP, malformed(), func(r *raw) {
			r.add("Trailer", "X-Unk-Merchant-Id")
			r.trailers = [][2]string{{"X-Unk-Merchant-Id", "mer_evil"}}
		}},
		{"undeclared trailer", anyHTTP, []string{passes, refusedBelow}, func(r *raw) { r.trailers = [][2]string{{"X-Unk-Merchant-Id", "mer_evil"}} }},
		{"declared harmless trailer", anyHTTP, ok, func(r *raw) {
			r.add("Trailer", "X-Checksum")
			r.trailers = [][2]string{{"X-Checksum", "1"}, {"X_Unk_Merchant_Id", "mer_evil"}}
		}},
		{"auth headers in trailers only", anyHTTP, []string{"AUTH_REQUIRED"}, func(r *raw) { r.trailers, r.fields = r.fields[:4:4], r.fields[4:] }},
		{"upgrade", h1, malformed(), with("Connection", "Upgrade", "Upgrade", "websocket")},
		{"offer of HTTP/2 without TLS", h1, ok, with("Connection", "Upgrade, HTTP2-Settings", "Upgrade", "h2c", "HTTP2-Settings", "AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA")},
		{"early data by a header", anyHTTP, []string{"TOO_EARLY"}, with("Early-Data", "1")},

		{"forwarded for, alone", anyHTTP, ok, with("X-Forwarded-For", "198.51.100.9")},
		{"forwarded in every way", anyHTTP, ok, with("X-Forwarded-For", "198.51.100.9, 203.0.113.5", "X-Real-IP", "198.51.100.9", "Forwarded", "for=198.51.100.9", "True-Client-Ip", "198.51.100.9", "Cf-Connecting-Ip", "198.51.100.9", "X-Client-Ip", "198.51.100.9")},

		{"host beside :authority", h2 | h3, malformed(refusedBelow), with("Host", "other.test")},
		{"other host", anyHTTP, mismatch, host("other.test")},
		{"host twice", h1, malformed(refusedBelow), with("Host", "other.test")},
		{"host in capitals", anyHTTP, ok, func(r *raw) { r.host = strings.ToUpper(r.host) }},
		{"host with a dot", anyHTTP, append(mismatch, refusedBelow), func(r *raw) {
			name, port, _ := strings.Cut(r.host, ":")
			r.host = name + ".:" + port
		}},
		{"host with user", anyHTTP, malformed(refusedBelow), func(r *raw) { r.host = "evil@" + r.host }},
		{"absolute target", h1, malformed(), func(r *raw) { r.target = "http://" + r.host + r.target }},
		{"absolute target of another host", h1, malformed(refusedBelow), target("http://other.test/v1/pay?a=1")},
		{"asterisk", anyHTTP, malformed(refusedBelow), func(r *raw) { r.method, r.target = "OPTIONS", "*" }},
		{"tunnel", h1, malformed(refusedBelow), func(r *raw) { r.method, r.target = "CONNECT", "gateway.test:443" }},
		{"target without a slash", h2 | h3, malformed(refusedBelow), target("v1/pay?a=1")},
		{"encoded slash", anyHTTP, mismatch, target("/v1%2Fpay?a=1")},
		{"encoded letter", anyHTTP, mismatch, target("/v1/p%61y?a=1")},
		{"dot segments", anyHTTP, mismatch, target("/v1/x/../pay?a=1")},
		{"encoded dot segments", anyHTTP, mismatch, target("/v1/x/%2e%2e/pay?a=1")},
		{"double slash", anyHTTP, mismatch, target("//v1/pay?a=1")},
		{"double query", anyHTTP, mismatch, target("/v1/pay?a=1?a=2")},
		{"repeated parameter", anyHTTP, mismatch, target("/v1/pay?a=1&a=2")},
		{"query left out", anyHTTP, mismatch, target("/v1/pay")},
		{"fragment", anyHTTP, malformed(refusedBelow, "SIGNATURE_MISMATCH"), target("/v1/pay?a=1#x")},
		{"bytes above ASCII", anyHTTP, malformed(refusedBelow), target("/v1/p\xc3\xa4y?a=1")},
		{"method in lower case", anyHTTP, append(mismatch, refusedBelow), func(r *raw) { r.method = "post" }},
		{"other method", anyHTTP, mismatch, func(r *raw) { r.method = "PUT" }},
		{"method override", anyHTTP, ok, with("X-HTTP-Method-Override", "DELETE")},
		{"other body", anyHTTP, mismatch, func(r *raw) { r.body += " " }},
		{"two lengths", h1, []string{refusedBelow}, with("Content-Length", "3")},
		{"length and chunks", h1, []string{passes, refusedBelow}, func(r *raw) { r.add("Content-Length", "3"); r.trailers = [][2]string{} }},
		{"lower-case names", h1, ok, func(r *raw) {
			for i := range r.fields {
				r.fields[i][0] = strings.ToLower(r.fields[i][0])
			}
		}},
		{"untouched", anyHTTP, ok, valued("X-Unk-Key", same)},
	}
}

// signedRaw is POST /v1/pay?a=1, signed for how it will be sent.
func (s *site) signedRaw(m merchant, scheme, hostAndPort string) *raw {
	s.t.Helper()
	r := &raw{method: "POST", target: "/v1/pay?a=1", host: hostAndPort, body: `{"amount":1}`}
	nonce, err := signature.NewNonce(rand.Reader)
	check(s.t, err)
	signedHost, err := signature.Host(hostAndPort, scheme)
	check(s.t, err)
	key, err := signature.NewMACKey([]byte(m.secret))
	check(s.t, err)
	message := signature.Message{
		Timestamp: strconv.FormatInt(time.Now().Unix(), 10), Nonce: nonce,
		Method: r.method, Host: signedHost, Target: r.target, BodyHash: sha256.Sum256([]byte(r.body)),
	}
	r.add("X-Unk-Key", m.keyID)
	r.add("X-Unk-Timestamp", message.Timestamp)
	r.add("X-Unk-Nonce", nonce)
	r.add("X-Unk-Signature", signature.FormatMAC(key.Sum(&message)))
	return r
}

func TestHeaderAbuseNeverBypasses(t *testing.T) {
	s := startSite(t)
	m := s.merchant(controlplane.Test, "127.0.0.1")
	sent := 0
	for _, a := range abuses() {
		t.Run(a.name, func(t *testing.T) {
			for _, protocol := range []int{h1, h2, h3} {
				if a.on&protocol != 0 {
					sent++
					s.attempt(t, m, a, protocol)
				}
			}
		})
	}
	t.Logf("%d requests", sent)
	if sent < 100 {
		t.Errorf("only %d requests", sent)
	}
}

func (s *site) attempt(t *testing.T, m merchant, a abuse, protocol int) {
	t.Helper()
	scheme, address := "https", "gateway.test:"+port(s.secure)
	if protocol == h1 {
		scheme, address = "http", "gateway.test:"+port(s.plain)
	}
	r := s.signedRaw(m, scheme, address)
	want := *r
	a.do(r)
	before := s.upstream.bytes.Load()
	answer, err := s.exchange(r, protocol)
	check(t, err)
	seen := s.upstream.take()
	code := codeIn(answer)
	if code == passes && len(seen) == 0 {
		code = refusedBelow // net/http answers "OPTIONS *" itself
	}
	if !slices.Contains(a.want, code) {
		t.Errorf("HTTP/%d: answer %d %s, want one of %q", protocol, answer.status, answer.body, a.want)
	}
	if code != passes {
		if len(seen) != 0 || s.upstream.bytes.Load() != before {
			t.Errorf("HTTP/%d: refused, but the upstream saw %+v", protocol, seen)
		}
		return
	}
	if len(seen) != 1 {
		t.Fatalf("HTTP/%d: the upstream saw %d requests", protocol, len(seen))
	}
	wantTruth(t, m, &want, seen[0])
}

func (s *site) exchange(r *raw, protocol int) (rawAnswer, error) {
	switch protocol {
	case h1:
		return r.http1(s.plain)
	case h2:
		return r.http2(s.secure, s.tls())
	}
	return r.http3(s.secure, s.tls())
}

// codeIn is the code of a refusal, passes, or refusedBelow.
func codeIn(a rawAnswer) string {
	if a.status == 200 {
		return passes
	}
	_, rest, ok := strings.Cut(a.body, `"code":"`)
	if !ok {
		return refusedBelow
	}
	code, _, _ := strings.Cut(rest, `"`)
	return code
}

// wantTruth checks that the upstream saw what was signed, and of the gateway's
// headers exactly the gateway's.
func wantTruth(t *testing.T, m merchant, signed *raw, seen sighting) {
	t.Helper()
	if seen.method != signed.method || seen.target != signed.target || !strings.EqualFold(seen.host, signed.host) || seen.body != signed.body {
		t.Errorf("the upstream saw %+v", seen)
	}
	truth := map[string]string{"X-Unk-Merchant-Id": m.id, "X-Unk-Key-Id": m.keyID, "X-Unk-Environment": "test", "X-Unk-Client-Ip": "127.0.0.1"}
	for name, value := range truth {
		if got := seen.header[name]; len(got) != 1 || got[0] != value {
			t.Errorf("%s is %q, want %q", name, got, value)
		}
	}
	for name, values := range seen.header {
		folded := strings.NewReplacer("_", "-", ".", "-").Replace(strings.ToLower(name))
		_, known := truth[name]
		if ours := strings.HasPrefix(folded, "x-unk-") || strings.HasPrefix(folded, "signature"); ours && !known && name != "X-Unk-Request-Id" {
			t.Errorf("the upstream got %s: %q", name, values)
		}
	}
	if len(seen.trailer) != 0 {
		t.Errorf("the upstream got trailers %v", seen.trailer)
	}
}

func TestNoHeaderMovesTheClientAddress(t *testing.T) {
	asvs.Covers(t, "4.1.3")
	const allowed = "198.51.100.9"
	spoofs := []string{"X-Forwarded-For", "X-Real-Ip", "Forwarded", "True-Client-Ip", "Cf-Connecting-Ip", "X-Client-Ip", "X-Cluster-Client-Ip", "Client-Ip", "X-Unk-Client-Ip"}
	s := startSite(t)
	m := s.merchant(controlplane.Test, allowed)
	for _, name := range spoofs {
		for _, value := range []string{allowed, allowed + ", 127.0.0.1", "127.0.0.1, " + allowed, "for=" + allowed, `for="` + allowed + `:80"`} {
			for _, protocol := range []int{h1, h2, h3} {
				r := s.signedRaw(m, map[bool]string{true: "http", false: "https"}[protocol == h1], "gateway.test:"+port(map[bool]string{true: s.plain, false: s.secure}[protocol == h1]))
				r.add(name, value)
				a, err := s.exchange(r, protocol)
				check(t, err)
				if codeIn(a) != "IP_NOT_ALLOWED" || len(s.upstream.take()) != 0 {
					t.Errorf("HTTP/%d with %s: %s: %d %s", protocol, name, value, a.status, a.body)
				}
			}
		}
	}
}

func TestClientAddressBehindATrustedProxy(t *testing.T) {
	s := startSite(t, func(s *site) { s.global = "servers {\ntrusted_proxies static 127.0.0.1/32\ntrusted_proxies_strict\n}" })
	m := s.merchant(controlplane.Test, "198.51.100.9")
	for forwarded, want := range map[string]string{
		"198.51.100.9":              passes,
		"203.0.113.1, 198.51.100.9": passes, // the right-most that is no proxy
		"198.51.100.9, 203.0.113.1": "IP_NOT_ALLOWED",
		"198.51.100.9, 127.0.0.1":   passes,
		"::ffff:198.51.100.9":       passes,
		"unknown":                   "IP_NOT_ALLOWED",
		"":                          "IP_NOT_ALLOWED",
	} {
		r := s.signedRaw(m, "http", "gateway.test:"+port(s.plain))
		r.add("X-Forwarded-For", forwarded)
		a, err := r.http1(s.plain)
		check(t, err)
		if codeIn(a) != want {
			t.Errorf("X-Forwarded-For: %q: %d %s", forwarded, a.status, a.body)
		}
		for _, seen := range s.upstream.take() {
			if ip := seen.header.Get("X-Unk-Client-Ip"); ip != netip.MustParseAddr("198.51.100.9").String() {
				t.Errorf("client address %q", ip)
			}
		}
	}
}
