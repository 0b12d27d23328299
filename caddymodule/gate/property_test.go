package gate

import (
	"net/http"
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/unknownpay/merchant-gateway/controlplane/signature"
)

// TestAnyChangedByteIsRefused changes one byte of one signed part, or drops,
// doubles or empties one header, of a request that would pass.
func TestAnyChangedByteIsRefused(t *testing.T) {
	w := newWorld(t)
	headers := []string{signature.HeaderKey, signature.HeaderTimestamp, signature.HeaderNonce, signature.HeaderSignature}
	rapid.Check(t, func(t *rapid.T) {
		c := w.signed(rapid.SampledFrom([]string{liveKey, testKey}).Draw(t, "key"))
		part := rapid.SampledFrom([]string{"method", "host", "target", "body", "header", "drop", "double", "empty"}).Draw(t, "part")
		name := rapid.SampledFrom(headers).Draw(t, "header")
		flip := func(s string) string {
			b := []byte(s)
			i := rapid.IntRange(0, len(b)-1).Draw(t, "at")
			b[i] ^= byte(rapid.IntRange(1, 255).Draw(t, "bits"))
			return string(b)
		}
		switch part {
		case "method":
			c.Method = flip(c.Method)
		case "host":
			host := flip(c.Host)
			if normal, err := signature.Host(host, "https"); err == nil && normal == "api.example.com" {
				t.Skip("another spelling of the same host")
			}
			c.Host = host
		case "target":
			c.Target = flip(c.Target)
		case "body":
			c.body = []byte(flip(string(c.body)))
		case "header":
			c.Header[name] = []string{flip(c.Header[name][0])}
		case "drop":
			delete(c.Header, name)
		case "double":
			c.Header[name] = append(c.Header[name], c.Header[name]...)
		case "empty":
			c.Header[name] = []string{""}
		}
		before := len(w.nonces.used)
		if _, refusal := w.pass(c); refusal == nil {
			t.Fatalf("a request with a changed %s passed", part)
		}
		if len(w.nonces.used) != before {
			t.Fatalf("a request with a changed %s used up a nonce", part)
		}
	})
}

// FuzzAdmit sends whatever headers; none passes and none breaks the gate.
func FuzzAdmit(f *testing.F) {
	f.Add("X-Unk-Key", liveKey, "Connection", "close", "/", "api.example.com", "GET")
	f.Add("X-Unk-Timestamp", "1767225600000", "X_unk-Key", "", "*", "[::1]:443", "OPTIONS")
	f.Add("Signature-Input", `sig=("@method");created=1;keyid="x"`, "Signature", "sig=:AA==:", "//x", ":", "CONNECT")
	f.Add("Host", "other", "Upgrade", "h2c", "http://x/", "", "")
	f.Add("X-Unk-Signature", "v1=", "X-Unk-Nonce", "\xff\n", "?", "a..b", "post")
	f.Fuzz(func(t *testing.T, name1, value1, name2, value2, target, host, method string) {
		w := newWorld(t)
		for _, base := range []http.Header{{}, w.signed(testKey).Header} {
			base[http.CanonicalHeaderKey(name1)] = []string{value1}
			base[http.CanonicalHeaderKey(name2)] = append(slices.Clone(base[http.CanonicalHeaderKey(name2)]), value2)
			c := &call{Request: Request{Method: method, Target: target, Host: host, TLS: true, Header: base, ClientIP: netip.MustParseAddr("203.0.113.9")}}
			_, refusal := w.pass(c)
			if refusal == nil {
				t.Fatal("a request that nobody signed has passed")
			}
			checkPresentation(t, "fuzz", refusal)
			DeleteProtected(base)
			for name := range base {
				if protected(name) {
					t.Errorf("%q is left", name)
				}
			}
		}
	})
}
