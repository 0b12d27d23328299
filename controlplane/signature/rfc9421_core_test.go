package signature

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"
)

// Appendix B.2.5 of the RFC covers too little for the profile, but it shows
// that parsing, signature base and MAC are the RFC's.
func TestCoreVerifiesRFC9421(t *testing.T) {
	var v struct {
		Cases []struct {
			SecretBase64   []byte            `json:"secret_base64"`
			Headers        map[string]string `json:"headers"`
			SignatureInput string            `json:"signature_input"`
			Signature      string            `json:"signature"`
			SignatureBase  string            `json:"signature_base"`
		}
	}
	data, err := os.ReadFile("testdata/rfc9421.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	c := v.Cases[0]
	in := mustInput(t, c.SignatureInput)
	in.header = http.Header{}
	for name, value := range c.Headers {
		in.header.Set(name, value)
	}
	base, err := in.appendBase(nil, &Request{Method: "POST", Scheme: "http", Host: "example.com", Target: "/foo?param=Value&Pet=dog"})
	if err != nil || string(base) != c.SignatureBase {
		t.Fatalf("signature base %q, %v", base, err)
	}
	mac, err := parseSignature(c.Signature, in.label)
	if err != nil {
		t.Fatal(err)
	}
	k, err := NewMACKey(c.SecretBase64)
	if err != nil {
		t.Fatal(err)
	}
	if !k.VerifyBytes(base, mac) {
		t.Error("the signature of the RFC is refused")
	}
}

func mustInput(t *testing.T, text string) *input {
	t.Helper()
	in, err := parseInput(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return in
}

// The components' values of RFC 9421 §2.1 and §2.2, and the pitfalls that other
// implementations fell into.
func TestComponentsHaveTheValuesOfTheRFC(t *testing.T) {
	header := http.Header{
		"X-Ows-Header":      {"  Leading and trailing whitespace.\t "},
		"X-Obs-Fold-Header": {"Obsolete line folding."},
		"Cache-Control":     {"max-age=60", "   must-revalidate"},
		"X-Empty-Header":    {""},
		"X-Tab":             {"a\tb"},
	}
	for _, c := range []struct{ component, target, want string }{
		{"@method", "/", "POST"},
		{"@authority", "/", "www.example.com"},
		{"@scheme", "/", "https"},
		{"@path", "/path?param=value", "/path"},
		{"@path", "/v1/a%2Fb", "/v1/a%2Fb"},
		{"@path", "/v1/%E0%b8%81/../x//y", "/v1/%E0%b8%81/../x//y"},
		{"@path", "/", "/"},
		{"@query", "/path?param=value&foo=bar&baz=bat%2Dman", "?param=value&foo=bar&baz=bat%2Dman"},
		{"@query", "/path?queryString", "?queryString"},
		{"@query", "/path?", "?"},
		{"@query", "/path", "?"},
		{"@query", "/path?a?b=c?", "?a?b=c?"},
		{"@target-uri", "/path?param=value", "https://www.example.com/path?param=value"},
		{"@request-target", "/path?param=value", "/path?param=value"},
		{"x-ows-header", "/", "Leading and trailing whitespace."},
		{"x-obs-fold-header", "/", "Obsolete line folding."},
		{"cache-control", "/", "max-age=60, must-revalidate"},
		{"x-empty-header", "/", ""},
		{"x-tab", "/", "a\tb"},
	} {
		in := mustInput(t, `sig=("`+c.component+`")`)
		in.header = header
		base, err := in.appendBase(nil, &Request{Method: "POST", Scheme: "https", Host: "www.example.com", Target: c.target})
		want := `"` + c.component + `": ` + c.want + "\n" + `"@signature-params": ("` + c.component + `")`
		if err != nil || string(base) != want {
			t.Errorf("%s of %s: %q, %v", c.component, c.target, base, err)
		}
	}
}

func TestLongHeaderNamesAreFound(t *testing.T) {
	for _, name := range []string{strings.Repeat("n", 64), strings.Repeat("n", 65), "x-" + strings.Repeat("n", 80) + "-end"} {
		h := http.Header{}
		h.Set(name, "v")
		if lines := fieldLines(h, name); len(lines) != 1 {
			t.Errorf("a name of %d bytes is not found", len(name))
		}
	}
}

func TestBaseRefusesWhatCouldSpanLines(t *testing.T) {
	in := mustInput(t, `sig=("@method" "x")`)
	for _, value := range []string{"a\nb", "a\r", "\x00", "\x7f", "é"} {
		in.header = http.Header{"X": {value}}
		if _, err := in.appendBase(nil, &Request{Method: "GET"}); err == nil {
			t.Errorf("a header with %q is accepted", value)
		}
		in.header = http.Header{"X": {"ok"}}
		if _, err := in.appendBase(nil, &Request{Method: value}); err == nil {
			t.Errorf("a method with %q is accepted", value)
		}
	}
}
