package signature_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/unknownpay/merchant-gateway/controlplane/signature"
)

func TestHostIsNormalised(t *testing.T) {
	for _, c := range []struct{ host, scheme, want string }{
		{"api.example.com", "https", "api.example.com"},
		{"API.Example.COM", "https", "api.example.com"},
		{"API.Example.com:443", "https", "api.example.com"},
		{"api.example.com:80", "http", "api.example.com"},
		{"api.example.com:80", "https", "api.example.com:80"},
		{"api.example.com:443", "http", "api.example.com:443"},
		{"api.example.com:8443", "https", "api.example.com:8443"},
		{"api.example.com:65535", "https", "api.example.com:65535"},
		{"api.example.com.", "https", "api.example.com."},
		{"API.example.com.:443", "https", "api.example.com."},
		{"localhost", "http", "localhost"},
		{"my_service:8080", "http", "my_service:8080"},
		{"192.0.2.1:443", "https", "192.0.2.1"},
		{"[2001:DB8::1]", "https", "[2001:db8::1]"},
		{"[2001:db8::1]:443", "https", "[2001:db8::1]"},
		{"[2001:db8:0:0::1]:8443", "https", "[2001:db8:0:0::1]:8443"},
		{"[::ffff:192.0.2.1]", "https", "[::ffff:192.0.2.1]"},
		{"xn--12c1fe0br.example", "https", "xn--12c1fe0br.example"},
		{strings.Repeat("a", 255), "https", strings.Repeat("a", 255)},
	} {
		if got, err := signature.Host(c.host, c.scheme); err != nil || got != c.want {
			t.Errorf("Host(%q, %q) = %q, %v, want %q", c.host, c.scheme, got, err, c.want)
		}
	}
}

var badHosts = []string{
	"", ":443", "api.example.com:", "api.example.com:0", "api.example.com:0443", "api.example.com:65536",
	"api.example.com:99999999999999999999", "api.example.com:https", "api.example.com:-1", "a:1:2",
	"::1", "2001:db8::1", "[::1", "::1]", "[]", "[::1]x", "[::1]x:443", "[fe80::1%eth0]", "[fe80::1%25eth0]", "[192.0.2.1]", "[v1.x]",
	"a b", " a", "a\n", "a\x00", "a\tb", "user@a", "a/b", "a?b", "a#b", "a,b", "a%2eb", `a\b`, "a..b", ".a", ".", "..",
	"ก.example", "café.example", "\xff", strings.Repeat("a", 256), "*", "a;b", "a=b",
}

func TestBadHostsAreRefused(t *testing.T) {
	for _, host := range badHosts {
		if got, err := signature.Host(host, "https"); err == nil || got != "" {
			t.Errorf("Host(%q) = %q", host, got)
		}
	}
}

func FuzzHost(f *testing.F) {
	for _, host := range append([]string{"API.Example.com:443", "[2001:DB8::1]:443", "a.", "a:8443"}, badHosts...) {
		f.Add(host, true)
	}
	f.Fuzz(func(t *testing.T, host string, secure bool) {
		scheme := "http"
		if secure {
			scheme = "https"
		}
		got, err := signature.Host(host, scheme)
		if err != nil {
			return
		}
		if again, err := signature.Host(got, scheme); err != nil || again != got {
			t.Errorf("Host(%q) = %q, and of that %q, %v", host, got, again, err)
		}
		if u, err := url.Parse("https://" + got + "/"); err != nil || u.Host != got {
			t.Errorf("Host(%q) = %q, which net/url reads as %v, %v", host, got, u, err)
		}
		if strings.ToLower(got) != got || strings.ContainsAny(got, "\r\n /@?#%,") {
			t.Errorf("Host(%q) = %q", host, got)
		}
	})
}

func TestTargetIsKeptAsSent(t *testing.T) {
	for raw, want := range map[string]string{
		"":                           "/",
		"?a=1":                       "/?a=1",
		"/":                          "/",
		"/v1/a%2Fb?b=2&a=1&q=a%20+c": "/v1/a%2Fb?b=2&a=1&q=a%20+c",
		"/v1/../a//b;c?":             "/v1/../a//b;c?",
		"//evil.example/x":           "//evil.example/x",
		"/~user?q={}|^`\"<>\\":       "/~user?q={}|^`\"<>\\",
	} {
		if got, err := signature.Target(raw); err != nil || got != want {
			t.Errorf("Target(%q) = %q, %v, want %q", raw, got, err, want)
		}
	}
	for _, raw := range badTargets {
		if got, err := signature.Target(raw); err == nil || got != "" {
			t.Errorf("Target(%q) = %q", raw, got)
		}
	}
}

var badTargets = []string{"*", "http://a/b", "a:443", "v1/a", "/a b", "/a\n", "/a#b", "/\x7f", "/ก", "/\x00", " /"}

func FuzzTarget(f *testing.F) {
	for _, raw := range append([]string{"", "?a", "/v1/a%2Fb?b=2&a=1", "//h/x", "/../"}, badTargets...) {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got, err := signature.Target(raw)
		if err != nil {
			return
		}
		if got != raw && got != "/"+raw {
			t.Errorf("Target(%q) = %q", raw, got)
		}
		for i := range len(got) {
			if got[i] <= ' ' || got[i] > '~' || got[i] == '#' || got[0] != '/' {
				t.Fatalf("Target(%q) = %q", raw, got)
			}
		}
	})
}
