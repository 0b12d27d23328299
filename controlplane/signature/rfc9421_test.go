package signature_test

import (
	"encoding/base64"
	"errors"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dunglas/httpsfv"
	"github.com/unknownpay/merchant-gateway/controlplane/signature"
	"pgregory.net/rapid"
)

const (
	allComponents = `"@method" "@authority" "@path" "@query" "content-digest"`
	allParams     = `;created=1767225600;keyid="unk_test_4f9K2mQ7xR1cT8bW3nLzVa";nonce="5f0c1d9e7b3a4c2d8e6f1a2b3c4d5e6f";alg="hmac-sha256"`
	digestOfBody  = "sha-256=:6kY+VZFePWlPFerNNCUoYYwQDwXB8AiPdOoV0WkWTyc=:"
	digest512     = "sha-512=:z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==:" // of nothing
	paymentBody   = `{"amount":1000,"currency":"THB"}`
)

// standard is a request in the RFC 9421 scheme, signed by a second, naive
// implementation that knows nothing of the profile.
type standard struct {
	facts  signature.Request
	host   string // as sent
	target string // as sent
	header http.Header
	body   string
	inner  string // components
	params string
}

func validStandard() *standard {
	return &standard{
		facts:  signature.Request{Method: "POST", Scheme: "https"},
		host:   "api.example.com",
		target: "/v1/payments?expand=customer",
		header: http.Header{"Content-Type": {"application/json"}, "Content-Digest": {digestOfBody}},
		body:   paymentBody,
		inner:  allComponents,
		params: allParams,
	}
}

var quotedName = regexp.MustCompile(`"([^"]*)"`)

func (s *standard) base() string {
	path, query, _ := strings.Cut(s.target, "?")
	host := strings.TrimSuffix(strings.ToLower(s.host), ":443")
	derived := map[string]string{
		"@method": s.facts.Method, "@authority": host, "@path": path, "@query": "?" + query, "@scheme": s.facts.Scheme,
		"@target-uri": s.facts.Scheme + "://" + host + s.target, "@request-target": s.target,
	}
	var lines strings.Builder
	for _, match := range quotedName.FindAllStringSubmatch(s.inner, -1) {
		value, ok := derived[match[1]]
		if !ok {
			value = strings.Join(s.header.Values(match[1]), ", ")
		}
		lines.WriteString(match[0] + ": " + value + "\n")
	}
	return lines.String() + `"@signature-params": (` + s.inner + ")" + s.params
}

func (s *standard) sign() {
	mac := hmacSHA256([]byte(testSecret), []byte(s.base()))
	s.header.Set("Signature-Input", "sig=("+s.inner+")"+s.params)
	s.header.Set("Signature", "sig=:"+base64.StdEncoding.EncodeToString(mac[:])+":")
}

func (s *standard) verify(t testing.TB) (signature.Credentials, error) {
	creds, err := signature.Parse(s.header)
	if err != nil {
		return creds, err
	}
	r := s.facts
	if r.Host, err = signature.Host(s.host, r.Scheme); err != nil {
		t.Fatal(err)
	}
	if r.Target, err = signature.Target(s.target); err != nil {
		t.Fatal(err)
	}
	r.Body = bodyOf(s.body)
	if err := creds.CheckCoverage(r.Body.Length > 0); err != nil {
		return creds, err
	}
	return creds, creds.Verify(mustKey(t, testSecret), &r)
}

func TestProfileAccepts(t *testing.T) {
	for name, change := range map[string]func(*standard){
		"the full profile":        func(*standard) {},
		"a path with %2F":         func(s *standard) { s.target = "/v1/a%2Fb" },
		"no query":                func(s *standard) { s.target = "/v1/payments" },
		"an empty query":          func(s *standard) { s.target = "/v1/payments?" },
		"the root":                func(s *standard) { s.target = "/" },
		"the default port":        func(s *standard) { s.host = "API.Example.com:443" },
		"another port":            func(s *standard) { s.host = "api.example.com:8443" },
		"@target-uri":             func(s *standard) { s.inner = `"@method" "@target-uri" "content-digest"` },
		"components in any order": func(s *standard) { s.inner = `"content-digest" "@query" "@path" "@authority" "@method"` },
		"more components":         func(s *standard) { s.inner += ` "content-type" "@scheme" "@request-target"` },
		"no body":                 func(s *standard) { s.withoutBody() },
		"no body, but a digest":   func(s *standard) { s.body = ""; s.header.Set("Content-Digest", digest512) },
		"no alg":                  func(s *standard) { s.params = strings.TrimSuffix(s.params, `;alg="hmac-sha256"`) },
		"expires":                 func(s *standard) { s.params += ";expires=1767225660" },
		"a tag with escapes":      func(s *standard) { s.params += `;tag="a\"; \\ b"` },
		"a nonce in base64":       reparam("5f0c1d9e7b3a4c2d8e6f1a2b3c4d5e6f", "5f0c1d9e7b3a+c2d8e6/1a=="),
		"a live key":              func(s *standard) { s.params = strings.Replace(s.params, "unk_test_", "unk_live_", 1) },
		"unknown digests":         func(s *standard) { s.header.Set("Content-Digest", "md5=:AAAA:, "+digestOfBody) },
		"a digest in two lines":   func(s *standard) { s.header.Add("Content-Digest", "unixsum=:AAAA:") },
		"a header in two lines":   func(s *standard) { s.header.Add("Content-Type", "x/y"); s.inner += ` "content-type"` },
		"an idempotency key":      func(s *standard) { s.header.Set("Idempotency-Key", "k"); s.inner += ` "idempotency-key"` },
		"sixteen components": func(s *standard) {
			for c := 'a'; c <= 'k'; c++ {
				s.header.Set(string(c), "v")
				s.inner += ` "` + string(c) + `"`
			}
		},
	} {
		s := validStandard()
		change(s)
		s.sign()
		if _, err := s.verify(t); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Spaces that the grammar allows are not signed: the base holds the canonical
// form of the parameters.
func TestSpacesInSignatureInputDoNotMatter(t *testing.T) {
	s := validStandard()
	s.sign()
	spaced := strings.NewReplacer(`("`, `(  "`, `" "`, `"   "`, `")`, `" )`, ";", ";  ")
	s.header.Set("Signature-Input", spaced.Replace(s.header.Get("Signature-Input"))+" ")
	if _, err := s.verify(t); err != nil {
		t.Errorf("%s: %v", s.header.Get("Signature-Input"), err)
	}
}

func TestBodyOfUnknownLengthMustBeCovered(t *testing.T) {
	s := validStandard()
	s.withoutBody()
	s.sign()
	creds, err := signature.Parse(s.header)
	if err != nil {
		t.Fatal(err)
	}
	r := signature.Request{Method: "GET", Scheme: "https", Host: s.host, Target: s.target, Body: signature.Body{Length: -1}}
	if err := creds.Verify(mustKey(t, testSecret), &r); codeOf(err) != coverage {
		t.Error(err)
	}
}

func TestAcceptSignatureIsWhatTheSignerCovers(t *testing.T) {
	d, err := httpsfv.UnmarshalDictionary([]string{signature.AcceptSignature})
	if err != nil {
		t.Fatal(err)
	}
	member, _ := d.Get("sig")
	components, err := httpsfv.Marshal(httpsfv.InnerList{Items: member.(httpsfv.InnerList).Items, Params: httpsfv.NewParams()})
	if err != nil || components != "("+allComponents+")" {
		t.Errorf("%s, %v", components, err)
	}
}

func (s *standard) withoutBody() {
	s.facts.Method, s.body = "GET", ""
	s.header.Del("Content-Digest")
	s.inner = `"@method" "@authority" "@path" "@query"`
}

// reparam replaces a parameter; without replaces it by nothing.
func reparam(old, replacement string) func(*standard) {
	return func(s *standard) {
		before := s.params
		if s.params = strings.Replace(s.params, old, replacement, 1); s.params == before {
			panic("no " + old)
		}
	}
}

func cover(inner string) func(*standard) {
	return func(s *standard) { s.inner = inner }
}

func set(name string, values ...string) func(*standard) {
	return func(s *standard) { s.header[name] = values }
}

// edit changes a header after signing.
func edit(name, old, replacement string) func(*standard) {
	return func(s *standard) {
		s.header.Set(name, strings.Replace(s.header.Get(name), old, replacement, 1))
	}
}

type negative struct {
	name   string
	before func(*standard) // signing: the MAC is good for what it changes
	after  func(*standard)
	code   signature.Code
	says   string   // part of the message
	misses []string // COVERAGE_INSUFFICIENT
}

const (
	malformed = signature.CodeAuthMalformed
	timestamp = signature.CodeTimestampInvalid
	coverage  = signature.CodeCoverageInsufficient
	digest    = signature.CodeDigestMismatch
	macCode   = signature.CodeSignatureMismatch
)

var negatives = []negative{
	// Headers.
	{name: "no Signature", after: set("Signature"), code: malformed, says: "Signature is missing"},
	{name: "no Signature-Input", after: set("Signature-Input"), code: malformed, says: "Signature-Input is missing"},
	{name: "two Signature-Input lines", after: func(s *standard) { s.header.Add("Signature-Input", s.header.Get("Signature-Input")) }, code: malformed, says: "more than once"},
	{name: "two Signature lines", after: func(s *standard) { s.header.Add("Signature", s.header.Get("Signature")) }, code: malformed, says: "more than once"},
	{name: "two signatures in one line", after: func(s *standard) {
		edit("Signature-Input", "sig=", "a=(),sig=")(s)
		edit("Signature", "sig=", "a=:AA==:,sig=")(s)
	}, code: malformed, says: "exactly one signature"},
	{name: "a second signature behind", after: edit("Signature", ":", ":AA==:, b=:"), code: malformed, says: "exactly one signature"},
	{name: "mixed schemes", after: set("X-Unk-Key", testKeyID), code: malformed, says: "not with both"},
	{name: "other labels", after: edit("Signature", "sig=", "sig1="), code: malformed, says: "same label"},
	{name: "no label", after: edit("Signature-Input", "sig=", ""), code: malformed, says: "must be like"},
	{name: "upper-case label", after: edit("Signature-Input", "sig=", "Sig="), code: malformed, says: "must be like"},
	{name: "signature in quotes", after: edit("Signature", ":", `"`), code: malformed, says: "base64"},
	{name: "signature in hex", after: set("Signature", "sig=:"+strings.Repeat("ab", 32)+":"), code: malformed, says: "base64"},
	{name: "signature without padding", after: edit("Signature", "=:", ":"), code: malformed, says: "base64"},
	{name: "signature with a parameter", after: func(s *standard) { s.header["Signature"][0] += ";a=1" }, code: malformed, says: "base64"},
	{name: "Signature-Input over 4 KiB", before: func(s *standard) { s.params += `;tag="` + strings.Repeat("x", 4096) + `"` }, code: malformed, says: "4096"},

	// Components.
	{name: "repeated component", before: cover(allComponents + ` "@method"`), code: malformed, says: "only once"},
	{name: "seventeen components", before: cover(allComponents + ` "a" "b" "c" "d" "e" "f" "g" "h" "i" "j" "k" "l"`), code: malformed, says: "16"},
	{name: "component with ;req", after: edit("Signature-Input", `"@method"`, `"@method";req`), code: malformed, says: "parameters"},
	{name: "component with ;bs", after: edit("Signature-Input", `"content-digest"`, `"content-digest";bs`), code: malformed, says: "parameters"},
	{name: "component with ;sf", after: edit("Signature-Input", `"content-digest"`, `"content-digest";sf`), code: malformed, says: "parameters"},
	{name: "component with ;key", after: edit("Signature-Input", `"content-digest"`, `"content-digest";key="sha-256"`), code: malformed, says: "parameters"},
	{name: "component with ;tr", after: edit("Signature-Input", `"content-digest"`, `"content-digest";tr`), code: malformed, says: "parameters"},
	{name: "@query-param", after: edit("Signature-Input", `"@query"`, `"@query-param";name="expand"`), code: malformed, says: "parameters"},
	{name: "@status", before: cover(allComponents + ` "@status"`), code: malformed, says: "@method"},
	{name: "unknown derived component", before: cover(allComponents + ` "@client-ip"`), code: malformed, says: "@method"},
	{name: "upper-case component", before: cover(`"@method" "@authority" "@path" "@query" "Content-Digest"`), code: malformed, says: "lower case"},
	{name: "empty component", before: cover(allComponents + ` ""`), code: malformed, says: "lower case"},
	{name: "host in place of @authority", before: cover(`"@method" "host" "@path" "@query" "content-digest"`), code: malformed, says: "@authority"},
	{name: "component as token", after: edit("Signature-Input", `"@path"`, `path`), code: malformed, says: "must be like"},
	{name: "covered header that was not sent", before: cover(allComponents + ` "x-request-id"`), code: malformed, says: "x-request-id, which was not sent"},
	{name: "covered long header that was not sent", before: cover(allComponents + ` "` + strings.Repeat("x", 65) + `"`), code: malformed, says: "a header, which was not sent"},
	{name: "covered header beyond ASCII", before: func(s *standard) { s.header.Set("X", "é"); s.inner += ` "x"` }, code: malformed, says: "ASCII"},

	// Parameters.
	{name: "no created", before: reparam(";created=1767225600", ""), code: malformed, says: "created is missing"},
	{name: "no keyid", before: reparam(`;keyid="`+testKeyID+`"`, ""), code: malformed, says: "keyid is missing"},
	{name: "no nonce", before: reparam(`;nonce="5f0c1d9e7b3a4c2d8e6f1a2b3c4d5e6f"`, ""), code: malformed, says: "nonce is missing"},
	{name: "keyid that is no key id", before: reparam(testKeyID, "test-shared-secret"), code: malformed, says: "22 letters"},
	{name: "keyid that is the secret", before: reparam(testKeyID, testSecret), code: malformed, says: "rotate"},
	{name: "short nonce", before: reparam("5f0c1d9e7b3a4c2d8e6f1a2b3c4d5e6f", "5f0c1d9e7b3a4c2"), code: malformed, says: "16 to 64"},
	{name: "nonce with a space", before: reparam("5f0c1d9e7b3a4c2d8e6f1a2b3c4d5e6f", "5f0c1d9e7b3a4c2d 8e6f1a"), code: malformed, says: "16 to 64"},
	{name: "nonce with an escape", before: reparam("5f0c1d9e7b3a4c2d8e6f1a2b3c4d5e6f", `5f0c1d9e7b3a4c2d\\`), code: malformed, says: "16 to 64"},
	{name: "nonce as token", before: reparam(`"5f0c1d9e7b3a4c2d8e6f1a2b3c4d5e6f"`, "f0c1d9e7b3a4c2d8e6f1a2b3c4d5e6f"), code: malformed, says: "double quotes"},
	{name: "another alg", before: reparam("hmac-sha256", "rsa-v1_5-sha256"), code: malformed, says: "alg"},
	{name: "alg in upper case", before: reparam("hmac-sha256", "HMAC-SHA256"), code: malformed, says: "alg"},
	{name: "empty alg", before: reparam("hmac-sha256", ""), code: malformed, says: "alg"},
	{name: "created twice", before: func(s *standard) { s.params += ";created=1767225600" }, code: malformed, says: "only once"},
	{name: "nonce twice", before: func(s *standard) { s.params += `;nonce="0123456789abcdef0123"` }, code: malformed, says: "only once"},
	{name: "unknown parameter", before: func(s *standard) { s.params += ";v=1" }, code: malformed, says: "may be"},
	{name: "parameter without a value", before: func(s *standard) { s.params += ";tag" }, code: malformed, says: "must be like"},
	{name: "created in milliseconds", before: reparam("1767225600", "1767225600000"), code: timestamp, says: "milliseconds"},
	{name: "created with a fraction", before: reparam("1767225600", "1767225600.5"), code: timestamp, says: "fraction"},
	{name: "created in quotes", before: reparam("1767225600", `"1767225600"`), code: timestamp, says: "ten digits"},
	{name: "created as ISO date", before: reparam("1767225600", `2026-01-01T00:00:00Z`), code: timestamp, says: "ISO"},
	{name: "created below zero", before: reparam("1767225600", "-1767225600"), code: timestamp, says: "ten digits"},
	{name: "created with a leading zero", before: reparam("1767225600", "0767225600"), code: timestamp, says: "ten digits"},
	{name: "created without a value", before: reparam("=1767225600", "="), code: timestamp, says: "ten digits"},
	{name: "expires in milliseconds", before: func(s *standard) { s.params += ";expires=1767225660000" }, code: timestamp, says: "expires"},

	// Coverage.
	{name: "nothing covered", before: cover(""), code: coverage, misses: []string{"@method", "@authority", "@path", "@query", "content-digest"}},
	{name: "no method", before: cover(`"@authority" "@path" "@query" "content-digest"`), code: coverage, misses: []string{"@method"}},
	{name: "no authority", before: cover(`"@method" "@path" "@query" "content-digest"`), code: coverage, misses: []string{"@authority"}},
	{name: "no path", before: cover(`"@method" "@authority" "@query" "content-digest"`), code: coverage, misses: []string{"@path"}},
	{name: "no query", before: cover(`"@method" "@authority" "@path" "content-digest"`), code: coverage, misses: []string{"@query"}},
	{name: "@target-uri without the method", before: cover(`"@target-uri" "content-digest"`), code: coverage, misses: []string{"@method"}},
	{name: "@request-target in place of path and query", before: cover(`"@method" "@authority" "@request-target" "content-digest"`), code: coverage, misses: []string{"@path", "@query"}},
	{name: "unsigned digest", before: cover(`"@method" "@authority" "@path" "@query"`), code: coverage, misses: []string{"content-digest"}},
	{name: "no digest with a body", before: func(s *standard) { s.inner = `"@method" "@target-uri"`; s.header.Del("Content-Digest") }, code: coverage, misses: []string{"content-digest"}},
	{name: "body added to a request without one", before: (*standard).withoutBody, after: func(s *standard) { s.body = "x" }, code: coverage, misses: []string{"content-digest"}},
	{name: "uncovered idempotency key", before: set("Idempotency-Key", "k"), code: coverage, misses: []string{"idempotency-key"}},
	{name: "idempotency key added", after: set("Idempotency-Key", "k"), code: coverage, misses: []string{"idempotency-key"}},

	// Digests.
	{name: "covered digest not sent", before: func(s *standard) { s.header.Del("Content-Digest") }, code: malformed, says: "content-digest, which was not sent"},
	{name: "only unknown digests", before: set("Content-Digest", "md5=:AAAA:"), code: malformed, says: "sha-256 or sha-512"},
	{name: "digest in hex", before: set("Content-Digest", "sha-256=ea463e55915e3d694f15eacd342528618c100f05c1f0088f74ea15d169164f27"), code: malformed, says: "RFC 9530"},
	{name: "digest of the older Digest header", before: set("Content-Digest", "SHA-256=6kY+VZFePWlPFerNNCUoYYwQDwXB8AiPdOoV0WkWTyc="), code: malformed, says: "RFC 9530"},
	{name: "the same digest twice", before: set("Content-Digest", digestOfBody, digestOfBody), code: malformed, says: "at most once"},
	{name: "another body", after: func(s *standard) { s.body += "\n" }, code: digest, says: "sha-256"},
	{name: "no body any more", after: func(s *standard) { s.body = "" }, code: digest, says: "sha-256"},
	{name: "one of two digests wrong", before: set("Content-Digest", digestOfBody+", "+digest512), code: digest, says: "sha-512"},
	{name: "wrong uncovered digest without a body", before: func(s *standard) { s.withoutBody(); s.header.Set("Content-Digest", digestOfBody) }, code: digest, says: "sha-256"},

	// The MAC.
	{name: "another method", after: func(s *standard) { s.facts.Method = "PUT" }, code: macCode},
	{name: "method in lower case", after: func(s *standard) { s.facts.Method = "post" }, code: macCode},
	{name: "another host", after: func(s *standard) { s.host = "api.example.org" }, code: macCode},
	{name: "another port", after: func(s *standard) { s.host = "api.example.com:8443" }, code: macCode},
	{name: "another scheme under @target-uri", before: cover(`"@method" "@target-uri" "content-digest"`), after: func(s *standard) { s.facts.Scheme = "http" }, code: macCode},
	{name: "path decoded", before: func(s *standard) { s.target = "/v1/a%2Fb" }, after: func(s *standard) { s.target = "/v1/a/b" }, code: macCode},
	{name: "query sorted", before: func(s *standard) { s.target = "/?b=2&a=1" }, after: func(s *standard) { s.target = "/?a=1&b=2" }, code: macCode},
	{name: "query removed", after: func(s *standard) { s.target = "/v1/payments" }, code: macCode},
	{name: "covered header changed", before: cover(allComponents + ` "content-type"`), after: set("Content-Type", "text/plain"), code: macCode},
	{name: "covered header doubled", before: cover(allComponents + ` "content-type"`), after: set("Content-Type", "application/json", "application/json"), code: macCode},
	{name: "digest spelled differently", after: set("Content-Digest", digestOfBody+", md5=:AAAA:"), code: macCode},
	{name: "components in another order", after: edit("Signature-Input", `"@method" "@authority"`, `"@authority" "@method"`), code: macCode},
	{name: "another nonce", after: edit("Signature-Input", "5f0c", "5f0d"), code: macCode},
	{name: "later created", after: edit("Signature-Input", "1767225600", "1767225601"), code: macCode},
	{name: "expires added", after: func(s *standard) { s.header["Signature-Input"][0] += ";expires=1999999999" }, code: macCode},
	{name: "alg removed", after: edit("Signature-Input", `;alg="hmac-sha256"`, ""), code: macCode},
}

func TestProfileRefuses(t *testing.T) {
	for _, c := range negatives {
		t.Run(c.name, func(t *testing.T) {
			s := validStandard()
			if c.before != nil {
				c.before(s)
			}
			s.sign()
			if c.after != nil {
				c.after(s)
			}
			_, err := s.verify(t)
			var e *signature.Error
			if !errors.As(err, &e) || e.Code != c.code || !strings.Contains(e.Message, c.says) || !slices.Equal(e.Missing, c.misses) {
				t.Fatalf("%v, want %s %q %q", err, c.code, c.says, c.misses)
			}
			if strings.Contains(err.Error(), testSecret) {
				t.Error("the message holds the secret")
			}
		})
	}
}

func TestCoverageCanBeCheckedBeforeTheBody(t *testing.T) {
	s := validStandard()
	s.withoutBody()
	s.sign()
	creds, err := s.verify(t)
	if err != nil || creds.BodyHashes() != 0 {
		t.Fatal(err)
	}
	if err := creds.CheckCoverage(true); codeOf(err) != coverage {
		t.Errorf("with a body: %v", err)
	}
	native, err := signature.Parse(loadUNK1(t).Cases[0].header(testKeyID))
	if err != nil {
		t.Fatal(err)
	}
	if err := native.CheckCoverage(true); err != nil || native.BodyHashes() != signature.HashSHA256 {
		t.Errorf("UNK1: %v", err)
	}
}

func TestBodyHashesAreThoseOfTheDigest(t *testing.T) {
	s := validStandard()
	s.header.Set("Content-Digest", digest512+", "+digestOfBody)
	s.sign()
	creds, err := signature.Parse(s.header)
	if err != nil || creds.BodyHashes() != signature.HashSHA256|signature.HashSHA512 {
		t.Errorf("%b, %v", creds.BodyHashes(), err)
	}
}

func TestExpired(t *testing.T) {
	s := validStandard()
	s.params += ";expires=1767225660"
	s.sign()
	creds, err := s.verify(t)
	if err != nil || creds.Expires != 1767225660 {
		t.Fatal(creds.Expires, err)
	}
	if creds.Expired(time.Unix(1767225660, 0)) || !creds.Expired(time.Unix(1767225661, 0)) {
		t.Error("expires is not honoured")
	}
	if (&signature.Credentials{}).Expired(time.Unix(1<<40, 0)) {
		t.Error("credentials without expires have expired")
	}
}

func TestStringToSignNeedsTheCoveredHeaders(t *testing.T) {
	s := validStandard()
	s.inner += ` "x-request-id"`
	s.sign()
	creds, err := signature.Parse(s.header)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := creds.AppendStringToSign(nil, &s.facts); codeOf(err) != malformed {
		t.Error(err)
	}
}

// As for UNK1: any one byte of anything signed, replaced by any other.
func TestAnyOtherByteOfAStandardRequestIsRefused(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := validStandard()
		s.header.Set("Idempotency-Key", "7e0b1b4d")
		s.inner += ` "idempotency-key" "content-type"`
		s.sign()
		r := signature.Request{Method: s.facts.Method, Scheme: s.facts.Scheme, Host: s.host, Target: s.target, Body: bodyOf(s.body)}
		parts := []*string{&r.Method, &r.Host, &r.Target}
		for _, name := range slices.Sorted(maps.Keys(s.header)) {
			parts = append(parts, &s.header[name][0])
		}
		if i := rapid.IntRange(0, len(parts)).Draw(rt, "part"); i < len(parts) {
			*parts[i] = otherByte(rt, *parts[i])
		} else {
			r.Body.SHA256[rapid.IntRange(0, 31).Draw(rt, "at")] ^= rapid.ByteRange(1, 255).Draw(rt, "xor")
		}
		creds, err := signature.Parse(s.header)
		if err == nil {
			err = creds.Verify(mustKey(t, testSecret), &r)
		}
		if err == nil {
			rt.Fatalf("accepted %v %+v", s.header, r)
		}
	})
}

func TestTransportSignsTheStandardScheme(t *testing.T) {
	eachProtocol(t, func(t *testing.T, v *verifier) {
		for _, path := range []string{"", "/", "/v1/a%2Fb?b=2&a=1&q=a%20b+c&e=", "/x?", "/%E0%B8%81"} {
			for _, body := range []string{"", paymentBody} {
				req := newRequest(t, "POST", v.URL+path, strings.NewReader(body))
				req.Host = "API.Example.com:443"
				req.Header.Set("Idempotency-Key", "7e0b1b4d")
				send(t, v.client(t, signature.WithRFC9421()), req)
				if got := v.last(t); got.err != nil || got.creds.Scheme != signature.RFC9421 || got.body != body {
					t.Errorf("%q: %v", path, got.err)
				}
			}
		}
	})
}

func TestSignRFC9421RefusesWhatCannotBeSigned(t *testing.T) {
	s, err := signature.NewSigner(testKeyID, testSecret)
	if err != nil {
		t.Fatal(err)
	}
	req := newRequest(t, "GET", "https://api.example.com/", nil)
	if err := s.SignRFC9421(req, [32]byte{}, time.Time{}, "0123456789abcdef"); err == nil || len(req.Header) != 0 {
		t.Errorf("zero time: %v", err)
	}
	req.Header.Set("Idempotency-Key", "é")
	if err := s.SignRFC9421(req, [32]byte{}, time.Unix(1767225600, 0), "0123456789abcdef"); err == nil || req.Header.Get("Signature") != "" {
		t.Errorf("idempotency key beyond ASCII: %v", err)
	}
}
