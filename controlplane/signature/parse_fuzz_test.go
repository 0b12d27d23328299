package signature_test

import (
	"net/http"
	"regexp"
	"testing"

	"github.com/unknownpay/merchant-gateway/controlplane/signature"
)

// FuzzParse holds Parse to the grammar, written down a second time.
func FuzzParse(f *testing.F) {
	for _, c := range loadUNK1(f).Cases {
		f.Add(testKeyID, "1767225600", c.Nonce, c.Signature)
	}
	f.Add("", "", "", "")
	f.Add(testSecret, "2026-01-01T00:00:00Z", "short", "v1=ZZ")
	f.Add("unk_live_4f9K2mQ7xR1cT8bW3nLzVa", "1767225600000", "0123456789abcde\n", "v1=5JMWOBxzyA6op+LjVzUB30N8/dc/3JowYTnKg37GTqY=")
	grammar := map[string]*regexp.Regexp{
		signature.HeaderKey:       regexp.MustCompile(`\Aunk_(live|test)_[0-9A-Za-z]{22}\z`),
		signature.HeaderTimestamp: regexp.MustCompile(`\A[0-9]{10}\z`),
		signature.HeaderNonce:     regexp.MustCompile(`\A[A-Za-z0-9_-]{16,64}\z`),
		signature.HeaderSignature: regexp.MustCompile(`\Av1=[0-9a-f]{64}\z`),
	}
	f.Fuzz(func(t *testing.T, key, timestamp, nonce, sig string) {
		h := http.Header{
			signature.HeaderKey: {key}, signature.HeaderTimestamp: {timestamp},
			signature.HeaderNonce: {nonce}, signature.HeaderSignature: {sig},
		}
		want := true
		for name, re := range grammar {
			want = want && re.MatchString(h[name][0])
		}
		c, err := signature.Parse(h)
		if (err == nil) != want {
			t.Fatalf("Parse(%q): %v, the grammar says %v", h, err, want)
		}
		if err == nil && (c.KeyID != key || c.Timestamp != timestamp || c.Nonce != nonce || signature.FormatMAC(c.MAC) != sig) {
			t.Fatalf("Parse(%q) = %+v", h, c)
		}
	})
}
