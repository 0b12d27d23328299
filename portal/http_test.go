package portal

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/tests/asvs"
)

func TestErrorPagesSayWhatHappenedWhatToDoAndWhichRequest(t *testing.T) {
	asvs.Covers(t, "16.5.1")
	w := newWorld(t)
	p := w.handler.(*portal)
	session := Session{State: StateActive, Username: "mali", Role: controlplane.RoleOwner, MerchantName: "Chiang Mai Coffee"}
	for _, status := range []int{400, 403, 404, 405, 409, 413, 429, 500, 503} {
		for _, lang := range catalogueOrder() {
			rec := httptest.NewRecorder()
			r := httptest.NewRequest(get, "https://portal.test/", nil)
			x := &exchange{portal: p, w: &answer{ResponseWriter: rec}, r: r, requestID: "req_abc", lang: p.texts.byTag(lang), session: session}
			x.fail(httpError{status: status, retryAfter: 90 * time.Second})
			if rec.Code != status || !strings.Contains(rec.Body.String(), "req_abc") || rec.Header().Get("Retry-After") != "90" {
				t.Errorf("%d in %s: %d %s", status, lang, rec.Code, rec.Body)
			}
			checkPage(t, w, rec)
		}
	}
}

func TestOperationErrorsHaveOneStatusEach(t *testing.T) {
	for code, want := range map[controlplane.Code]int{
		controlplane.CodeInvalid: 400, controlplane.CodeNotFound: 404, controlplane.CodeConflict: 409, controlplane.CodeDenied: 403,
		controlplane.CodeSuspended: 403, controlplane.CodeLimit: 409, controlplane.CodeUnavailable: 503, controlplane.CodeInternal: 500, "NEW": 500,
	} {
		if got := asHTTPError(controlplane.Errorf(code, "x")).status; got != want {
			t.Errorf("%s: %d; want %d", code, got, want)
		}
	}
	if got := asHTTPError(context.Canceled).status; got != 500 {
		t.Errorf("an untyped error: %d", got)
	}
}

func TestUnsafeRequestsFromElsewhereAreRefused(t *testing.T) {
	asvs.Covers(t, "3.5.1")
	b := newWorld(t).browser()
	for name, test := range map[string]struct {
		headers map[string]string
		want    int
	}{
		"same origin":                   {map[string]string{"Sec-Fetch-Site": "same-origin", "Origin": "https://portal.test"}, 303},
		"old browser, same origin":      {map[string]string{"Origin": "https://portal.test"}, 303},
		"neither header":                {nil, 403},
		"another site":                  {map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		"a sister site":                 {map[string]string{"Sec-Fetch-Site": "same-site"}, 403},
		"another origin":                {map[string]string{"Origin": "https://evil.example"}, 403},
		"no origin":                     {map[string]string{"Origin": "null"}, 403},
		"another origin that claims us": {map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://portal.test"}, 403},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(post, "https://portal.test/preferences", strings.NewReader("theme=dark"))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			for k, v := range test.headers {
				r.Header.Set(k, v)
			}
			if rec := b.send(r); rec.Code != test.want {
				t.Errorf("%d; want %d", rec.Code, test.want)
			}
		})
	}
}

func TestBodiesThatAreNoFormsAreRefused(t *testing.T) {
	asvs.Covers(t, "3.5.2")
	b := newWorld(t).browser()
	for name, test := range map[string]struct {
		body, contentType string
		want              int
	}{
		"too large": {"theme=dark&x=" + strings.Repeat("a", maxBody), "application/x-www-form-urlencoded", 413},
		"as large as may be": {"theme=dark&x=" + strings.Repeat("a", maxBody-len("theme=dark&x=")),
			"application/x-www-form-urlencoded", 303},
		"JSON":          {`{"theme":"dark"}`, "application/json", 400},
		"plain text":    {`theme=dark`, "text/plain", 400},
		"multipart":     {"--x", "multipart/form-data; boundary=x", 400},
		"no type":       {`theme=dark`, "", 400},
		"field twice":   {"theme=dark&theme=light", "application/x-www-form-urlencoded", 400},
		"bad escape":    {"theme=%zz", "application/x-www-form-urlencoded", 400},
		"NUL":           {"theme=%00", "application/x-www-form-urlencoded", 400},
		"not UTF-8":     {"theme=%ff", "application/x-www-form-urlencoded", 400},
		"with charset":  {"theme=dark", "application/x-www-form-urlencoded; charset=utf-8", 303},
		"unknown theme": {"theme=neon", "application/x-www-form-urlencoded", 400},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(post, "https://portal.test/preferences", strings.NewReader(test.body))
			r.Header.Set("Sec-Fetch-Site", "same-origin")
			r.Header.Set("Content-Type", test.contentType)
			if rec := b.send(r); rec.Code != test.want {
				t.Errorf("%d; want %d", rec.Code, test.want)
			}
		})
	}
}

// A query must not be able to fill in a form.
func TestFormValuesComeFromTheBodyOnly(t *testing.T) {
	asvs.Covers(t, "14.2.1", "8.2.3")
	b := newWorld(t).browser()
	rec := b.post("/preferences?theme=dark&language=th", url.Values{})
	if _, set := b.cookies[preferencesCookie]; rec.Code != 303 || b.cookies[preferencesCookie] == "th.dark" {
		t.Errorf("%d, cookie %t %q", rec.Code, set, b.cookies[preferencesCookie])
	}
}

func TestAddressesAndMethodsThatAreNobodys(t *testing.T) {
	asvs.Covers(t, "4.1.4", "3.7.2")
	b := newWorld(t).active()
	for _, test := range []struct {
		method, target string
		want           int
		allow          string
	}{
		{get, "/nowhere", 404, ""},
		{get, "//evil.example", 404, ""},
		{get, "/account/../login", 404, ""},
		{get, "/account/", 404, ""},
		{get, "/login/%2e%2e/account", 404, ""},
		{get, "/%5cevil.example", 404, ""},
		{get, "/prod/keys", 404, ""},
		{get, "/static/portal.css", 404, ""},
		{get, "/static/..%2fportal.css", 404, ""},
		{http.MethodDelete, "/account", 405, "GET, HEAD"},
		{http.MethodPut, "/login", 405, "GET, HEAD, POST"},
		{get, "/logout", 405, "POST"},
		{"BREW", "/account", 405, "GET, HEAD"},
		{http.MethodHead, "/account", 200, ""},
	} {
		r := httptest.NewRequest(test.method, "https://portal.test/", nil)
		u, err := url.Parse("https://portal.test" + test.target)
		if err != nil {
			t.Fatal(err)
		}
		r.URL = u
		rec := b.send(r)
		if rec.Code != test.want || rec.Header().Get("Allow") != test.allow || rec.Header().Get("Location") != "" {
			t.Errorf("%s %s: %d %q %q; want %d %q", test.method, test.target, rec.Code, rec.Header().Get("Allow"), rec.Header().Get("Location"), test.want, test.allow)
		}
		if test.method == http.MethodHead && rec.Body.Len() > 0 {
			t.Error("an answer to HEAD has a body")
		}
	}
}

func TestCookiesAreLockedToTheHost(t *testing.T) {
	asvs.Covers(t, "3.3.1", "3.3.2", "3.3.3", "3.3.4")
	w := newWorld(t)
	mali := w.owner()
	rec := w.browser().post("/login", url.Values{"username": {"mali"}, "password": {mali.initial}})
	found := rec.Header().Values("Set-Cookie")
	if len(found) == 0 || rec.Code != http.StatusSeeOther {
		t.Fatalf("%d %v", rec.Code, found)
	}
	for _, c := range found {
		if !strings.HasPrefix(c, "__Host-") || !strings.Contains(c, "; Secure") || !strings.Contains(c, "; HttpOnly") ||
			!strings.Contains(c, "; SameSite=Lax") || !strings.Contains(c, "; Path=/") || strings.Contains(c, "Domain") {
			t.Errorf("a loose cookie: %s", c)
		}
	}
}

// A sister domain cannot set a __Host- cookie, but an old browser may let it; of
// two, neither is believed.
func TestPlantedSecondSessionCookieSignsNobodyIn(t *testing.T) {
	asvs.Covers(t, "7.2.1")
	w := newWorld(t)
	r := httptest.NewRequest(get, "https://portal.test/account", nil)
	r.Header.Set("Cookie", sessionCookie+"=planted; "+sessionCookie+"="+w.active().cookies[sessionCookie])
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	if rec.Code != http.StatusSeeOther || rec.Header().Get("Location") != "/login?return_to=account" {
		t.Errorf("%d %s", rec.Code, rec.Header().Get("Location"))
	}
}

func TestSignOutForgetsTheSession(t *testing.T) {
	asvs.Covers(t, "14.3.1", "7.4.1")
	b := newWorld(t).active()
	b.cookies[deviceCookie] = "device"
	rec := b.post("/logout", nil)
	if rec.Code != 303 || rec.Header().Get("Location") != "/login" || rec.Header().Get("Clear-Site-Data") != `"cache", "storage"` {
		t.Errorf("%d %v", rec.Code, rec.Header())
	}
	if b.cookies[sessionCookie] != "" || b.cookies[deviceCookie] != "device" {
		t.Errorf("cookies after: %v", b.cookies)
	}
	if rec := b.get("/login"); !strings.Contains(rec.Body.String(), "You are signed out.") {
		t.Error("the next page does not say so")
	}
	if rec := b.get("/login"); strings.Contains(rec.Body.String(), "You are signed out.") {
		t.Error("the notice stays")
	}
}

func TestStaticFilesAreKeptForEverUnderAHashedName(t *testing.T) {
	w := newWorld(t)
	body := w.browser().get("/login").Body.String()
	links := regexp.MustCompile(`/static/[a-z]+\.[0-9a-f]{12}\.[a-z]+`).FindAllString(body, -1)
	if len(links) != 3 {
		t.Fatalf("links %v", links)
	}
	for _, link := range links {
		rec := w.browser().get(link)
		if rec.Code != 200 || rec.Header().Get("Cache-Control") != "public, max-age=31536000, immutable" || rec.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d %v", link, rec.Code, rec.Header())
		}
		if rec.Header().Get("Content-Type") == "application/octet-stream" || len(rec.Result().Cookies()) > 0 {
			t.Errorf("%s: %v", link, rec.Header())
		}
	}
}

func TestPanicBecomesTheErrorPageAndSaysNothing(t *testing.T) {
	asvs.Covers(t, "16.5.1", "16.5.4")
	w := newWorld(t)
	core, logs := observer.New(zap.InfoLevel)
	w.rebuild(func(c *Config) { c.Logger = zap.New(core) })
	w.handler.(*portal).table.byName["login"].handle = func(*exchange) error { panic("canary-secret") }
	rec := w.browser().get("/login")
	if rec.Code != 500 || strings.Contains(rec.Body.String(), "canary") {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	entry := logs.All()[0]
	if entry.Level != zap.ErrorLevel || strings.Contains(entry.ContextMap()["error"].(string), "canary-secret") || !strings.Contains(entry.ContextMap()["error"].(string), "http_test.go") {
		t.Errorf("logged: %v", entry.ContextMap())
	}
}

func TestOneEventPerRequestWithoutWhatPeopleTyped(t *testing.T) {
	asvs.Covers(t, "16.2.1", "16.4.1")
	w := newWorld(t)
	core, logs := observer.New(zap.DebugLevel)
	w.rebuild(func(c *Config) {
		c.Logger = zap.New(core)
		c.ClientIP = func(*http.Request) netip.Addr { return netip.MustParseAddr("203.0.113.9") }
		c.RequestID = func(*http.Request) string { return "req_given" }
	})
	b := w.active()
	b.get("/account?canary-query=canary-value")
	b.get("/canary-path")
	b.post("/login", url.Values{"username": {"canary-name"}, "password": {"canary-password"}})
	w.browser().post("/login", url.Values{"username": {"canary-name"}, "password": {"canary-password"}})
	if logs.Len() != 4 {
		t.Fatalf("%d events", logs.Len())
	}
	for _, e := range logs.All() {
		m := e.ContextMap()
		for k, v := range m {
			if s, ok := v.(string); ok && strings.Contains(s, "canary") {
				t.Errorf("%s = %q", k, s)
			}
		}
		if m["request_id"] != "req_given" || m["client_ip"] != "203.0.113.9" {
			t.Errorf("event %v", m)
		}
	}
	if m := logs.All()[0].ContextMap(); m["route"] != "account" || !strings.HasPrefix(m["user_id"].(string), "usr_") || m["status"] != int64(200) {
		t.Errorf("event %v", m)
	}
}

func TestSecretIsRevealedOncePerForm(t *testing.T) {
	b := newWorld(t).active()
	page := b.get("/account/2fa").Body.String()
	id := regexp.MustCompile(`name="once" value="([0-9a-f]{32})"`).FindStringSubmatch(page)
	if id == nil {
		t.Fatalf("no form id in %s", page)
	}
	form := url.Values{"once": {id[1]}}
	first := b.post("/account/2fa/begin", form)
	if first.Code != 200 || !strings.Contains(first.Body.String(), "<svg class=\"qr\"") || first.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d %s", first.Code, first.Body)
	}
	if again := b.post("/account/2fa/begin", form); again.Code != 409 || strings.Contains(again.Body.String(), "class=\"qr\"") {
		t.Errorf("a reload: %d %s", again.Code, again.Body)
	}
	if none := b.post("/account/2fa/begin", nil); none.Code != 400 {
		t.Errorf("without a form id: %d", none.Code)
	}
}

func TestConfirmationLeadsBackToTheFormByName(t *testing.T) {
	w := newWorld(t)
	b := w.seat(w.owner(), controlplane.SessionActive, false)
	if rec := b.post("/account/2fa/begin", nil); rec.Header().Get("Location") != "/sudo?return_to=account.2fa" {
		t.Errorf("led to %s", rec.Header().Get("Location"))
	}
	if page := b.get("/sudo?return_to=account.2fa").Body.String(); !strings.Contains(page, `name="return_to" value="account.2fa"`) {
		t.Errorf("the name is lost: %s", page)
	}
	if page := b.get("/sudo?return_to=https://evil.example").Body.String(); strings.Contains(page, "evil") {
		t.Error("a URL was taken for a name")
	}
}
