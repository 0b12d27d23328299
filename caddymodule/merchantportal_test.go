package caddymodule

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// visitor is a browser without scripts.
type visitor struct {
	*site
	client *http.Client
}

func (s *site) visitor() *visitor {
	jar, err := cookiejar.New(nil)
	check(s.t, err)
	c := s.client2()
	c.Jar = jar
	return &visitor{site: s, client: c}
}

func (v *visitor) visit(method, path string, form url.Values) (status int, at, body string) {
	v.t.Helper()
	var content io.Reader
	if form != nil {
		content = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequest(method, "https://gateway.test:"+port(v.secure)+path, content)
	check(v.t, err)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	a, err := v.client.Do(r)
	check(v.t, err)
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	check(v.t, err)
	return a.StatusCode, a.Request.URL.Path, string(text)
}

// TestPortalOutlivesReloads signs somebody in and reloads under their session.
func TestPortalOutlivesReloads(t *testing.T) {
	s := startSite(t, func(s *site) { s.routes = "merchant_portal" })
	m := s.merchant(controlplane.Test, "127.0.0.1")
	made, err := s.node().service.CreateUser(context.Background(), operator, controlplane.CreateUser{MerchantID: m.id, Username: "nok", Role: controlplane.RoleOwner})
	check(t, err)

	v := s.visitor()
	defer v.client.CloseIdleConnections()
	if status, at, _ := v.visit("GET", "/", nil); status != 200 || at != "/login" {
		t.Fatalf("%d at %s, want the sign-in page", status, at)
	}
	status, at, body := v.visit("POST", "/login", url.Values{"username": {"Nok"}, "password": {made.InitialPassword.Reveal()}})
	if status != 200 || at != "/password" {
		t.Fatalf("%d at %s, want the forced change: %s", status, at, body)
	}
	check(t, s.load())
	v.client.CloseIdleConnections() // they lead to the configuration before
	fields := url.Values{}
	for _, name := range regexp.MustCompile(`<input[^>]* name="(\w+)"`).FindAllStringSubmatch(body, -1) {
		fields.Set(name[1], "a rather long passphrase 7")
	}
	if fields.Has("current") {
		fields.Set("current", made.InitialPassword.Reveal())
	}
	if status, at, body = v.visit("POST", "/password", fields); status != 200 || at != "/" {
		t.Fatalf("%d at %s with %v, want the overview: %s", status, at, fields, body)
	}
	check(t, s.load())
	v.client.CloseIdleConnections()
	if status, at, _ := v.visit("GET", "/test/keys", nil); status != 200 || at != "/test/keys" {
		t.Errorf("after a reload: %d at %s", status, at)
	}
}

func TestPortalNeedsTheApp(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"https://portal.example.com {\n\ttls internal\n\tmerchant_portal\n}", "merchant_portal needs the merchants app"},
		{"{\n\tmerchants {\n\t\taccounts {\n\t\t\tpassword_life 1h\n\t\t}\n\t}\n}", "password_life is shorter than a day"},
	} {
		config, err := adapt(c.text)
		check(t, err)
		var parsed caddy.Config
		check(t, json.Unmarshal(config, &parsed))
		if err := caddy.Validate(&parsed); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
}
