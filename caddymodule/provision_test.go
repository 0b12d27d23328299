package caddymodule

import (
	"os"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// unloadable is a site that is configured but not started.
func unloadable(t *testing.T) *site {
	s := &site{t: t, dir: t.TempDir(), plain: freePort(t), secure: freePort(t), upstream: &upstream{address: freePort(t)}}
	s.makeCertificate()
	s.database = s.path("data/merchants.db")
	return s
}

func TestUnsafeConfigurationsAreRefusedWithTheReason(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*site)
		want   string
	}{
		"a proxy that is trusted from the left":       {func(s *site) { s.global = "servers {\ntrusted_proxies static 10.0.0.0/8\n}" }, "add trusted_proxies_strict"},
		"a unix socket that is trusted from the left": {func(s *site) { s.global = "servers {\ntrusted_proxies_unix\n}" }, "add trusted_proxies_strict"},
		"skew too narrow":                             {func(s *site) { s.auth = "{\nclock_skew 59s\n}" }, "1m0s to 15m0s"},
		"skew too wide":                               {func(s *site) { s.auth = "{\nclock_skew 901s\n}" }, "1m0s to 15m0s"},
		"skew in fractions":                           {func(s *site) { s.auth = "{\nclock_skew 60500ms\n}" }, "whole seconds"},
		"no room for bodies":                          {func(s *site) { s.merchants = "body_budget 1KiB" }, "give 1MiB or more"},
		"too many nonces":                             {func(s *site) { s.merchants = "replay memory {\ncapacity 1000000001\n}" }, "want 1 to 1000000000"},
		"a rate of years":                             {func(s *site) { s.auth = "{\nrate_limit 1 24h\n}" }, "at least one request per hour"},
		"a page that is no address":                   {func(s *site) { s.auth = "{\ndocs_url docs.example.com\n}" }, "is not the address of a page"},
		"a page with an anchor":                       {func(s *site) { s.auth = "{\ndocs_url https://docs.example.com/#codes\n}" }, "is not the address of a page"},
		"no app":                                      {func(s *site) { s.whole = ":" + port(s.plain) + " {\nmerchant_auth\n}" }, "add a merchants block to the global options"},
	} {
		t.Run(name, func(t *testing.T) {
			s := unloadable(t)
			c.change(s)
			err := s.load()
			if err == nil {
				s.stop()
				t.Fatal("it was accepted")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q in it", err, c.want)
			}
			if _, err := os.Stat(s.path("data")); !os.IsNotExist(err) {
				t.Errorf("the data directory was made: %v", err)
			}
		})
	}
}

func TestConfigurationsThatCannotStartSayWhy(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*testing.T, *site)
		want   string
	}{
		"database of another program": {func(t *testing.T, s *site) {
			s.database = s.path("cert.pem")
		}, "not a SQLite database"},
		"root key that others can read": {func(t *testing.T, s *site) {
			check(t, os.WriteFile(s.path("root.key"), []byte("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\n"), 0o644))
			s.merchants = "keyring " + s.path("root.key")
		}, "chmod 0400"},
		"directory of nonces that is a file": {func(t *testing.T, s *site) { s.merchants = "replay memory " + s.path("cert.pem") }, "replay"},
	} {
		t.Run(name, func(t *testing.T) {
			s := unloadable(t)
			c.change(t, s)
			err := s.load()
			if err == nil {
				s.stop()
				t.Fatal("it started")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q in it", err, c.want)
			}
			if n, held := pool.References(dataID(s.database)); held {
				t.Errorf("%d references are left", n)
			}
		})
	}
}

func TestAMissingRootKeyIsNotMadeAnew(t *testing.T) {
	s := startSite(t)
	s.stop()
	check(t, os.Rename(s.path("data/root.key"), s.path("kept.key")))
	if err := s.load(); err == nil || !strings.Contains(err.Error(), "put the file with that key back") {
		t.Errorf("started without its root key: %v", err)
	}
	check(t, os.Rename(s.path("kept.key"), s.path("data/root.key")))
	check(t, s.load())
}

func TestTheRootKeyMayMoveByReloadIfItIsThere(t *testing.T) {
	s := startSite(t)
	s.merchants = "keyring " + s.path("moved.key")
	if err := s.load(); err == nil || !strings.Contains(err.Error(), "put the file with that key back") {
		t.Errorf("reloaded without a root key: %v", err)
	}
	text, err := os.ReadFile(s.path("data/root.key"))
	check(t, err)
	check(t, os.WriteFile(s.path("moved.key"), text, 0o400))
	check(t, s.load())
	if got := s.node().ring.rootPath; got != s.path("moved.key") {
		t.Errorf("the root key is taken from %s", got)
	}
}

// TestCaddyStillHasTheFieldThatWeLookAt fails when a new Caddy renames it: then
// every server counts as trusting proxies, and trustsProxies has to follow.
func TestCaddyStillHasTheFieldThatWeLookAt(t *testing.T) {
	if trustsProxies(new(caddyhttp.Server)) {
		t.Error("a server without trusted proxies counts as trusting them")
	}
}
