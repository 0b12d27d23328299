package browser

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// covers says which requirements of OWASP ASVS 5.0.0 a test proves, as package
// tests/asvs of the product does, which this module does not import.
func covers(t *testing.T, ids ...string) {
	t.Helper()
	file := os.Getenv("ASVS_PROOFS")
	if file == "" {
		return
	}
	t.Cleanup(func() {
		if t.Failed() {
			return
		}
		f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		check(t, err)
		_, err = f.WriteString(strings.Join(ids, "\ttests/browser "+t.Name()+"\n") + "\ttests/browser " + t.Name() + "\n")
		check(t, err)
		check(t, f.Close())
	})
}

func TestTheBrowserKeepsTheSessionAndNothingElse(t *testing.T) {
	covers(t, "3.3.1", "3.3.2", "3.3.3", "3.3.4", "3.3.5", "14.3.3")
	t.Parallel()
	c := newSite(t).chromium()
	p, _ := c.newcomer(t, true, c.site.merchant("Blue Bottle Books"), "bea", "owner")
	p.open("/account/preferences")
	p.choose("theme", "dark")
	p.press("Save")
	known := []string{"__Host-unk_session", "__Host-unk_device", "__Host-unk_prefs"}
	for _, k := range p.cookies() {
		if !slices.Contains(known, k.Name) || !k.Secure || !k.HTTPOnly || k.SameSite != network.CookieSameSiteLax || k.Path != "/" || len(k.Name)+len(k.Value) > 4096 {
			t.Errorf("a loose cookie: %+v", k)
		}
	}
	if n := eval[int](p, `localStorage.length + sessionStorage.length`); n != 0 {
		t.Errorf("%d things are stored", n)
	}
}

func (p *person) cookies() []*network.Cookie {
	p.t.Helper()
	r, err := chromedp.Run(p.ctx, func(ctx context.Context, t *chromedp.Target) (network.GetCookiesResult, error) {
		return cdp.Call(ctx, t, network.GetCookies, network.GetCookiesParams{})
	})
	check(p.t, err)
	if len(r.Cookies) == 0 {
		p.t.Fatal("no cookies")
	}
	return r.Cookies
}

// TestGatewayAndPortalAreApart: neither answers for the other, and the gateway
// sends nobody who forgot the encryption on to where it is.
func TestGatewayAndPortalAreApart(t *testing.T) {
	covers(t, "3.5.4", "4.1.2")
	t.Parallel()
	s := newSite(t)
	client := &http.Client{
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}, // the browser tests look at certificates
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	defer client.CloseIdleConnections()
	for _, c := range []struct {
		method, url string
		status      int
		text        string
	}{
		{"POST", s.url("/v1/payments"), 404, "There is nothing here"},
		{"GET", "http://127.0.0.1:" + s.gateway + "/login", 401, "AUTH_REQUIRED"},
		{"POST", "http://127.0.0.1:" + s.gateway + "/v1/payments", 401, "AUTH_REQUIRED"},
	} {
		r, err := http.NewRequestWithContext(t.Context(), c.method, c.url, nil)
		check(t, err)
		a, err := client.Do(r)
		check(t, err)
		text, err := io.ReadAll(a.Body)
		check(t, err)
		a.Body.Close()
		if a.StatusCode != c.status || !strings.Contains(string(text), c.text) || a.Header.Get("Location") != "" {
			t.Errorf("%s %s: %d to %q, want %d with %q\n%s", c.method, c.url, a.StatusCode, a.Header.Get("Location"), c.status, c.text, text)
		}
	}
}

// TestTimesAreInUTC on a server whose clock shows another zone.
func TestTimesAreInUTC(t *testing.T) {
	covers(t, "16.2.2")
	t.Setenv("TZ", "Asia/Bangkok")
	s := newSite(t)
	s.merchant("Blue Bottle Books")
	events := run[struct {
		Events []struct{ At string }
	}](s, "audit", "list").Events
	if len(events) == 0 {
		t.Fatal("no events")
	}
	for _, e := range events {
		if !strings.HasSuffix(e.At, "Z") {
			t.Errorf("an event of %s", e.At)
		}
	}
}
