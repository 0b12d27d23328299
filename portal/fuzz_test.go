package portal

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// miniflux issue 4362 and its relatives: whatever return_to holds, the browser
// stays here.
func FuzzReturnTo(f *testing.F) {
	for _, seed := range []string{
		"overview", "account.2fa", `/\evil.example`, "//evil.example", "/%5cevil.example", "https://evil.example", "javascript:alert(1)",
		"\x00overview", "overview ", "live.overview", "test.keys.key~unk_1", "test.keys.key~/../evil", "test.webhooks.delivery~a~b", "test.keys.key~", "../login", "sudo", "\t//evil.example", "login",
	} {
		f.Add(seed)
	}
	w := newWorld(f)
	seated := w.active().cookies[sessionCookie]
	p := w.handler.(*portal)
	f.Fuzz(func(t *testing.T, name string) {
		for _, token := range []string{"", seated} {
			b := w.browser()
			b.cookies[sessionCookie] = token
			rec := b.post("/preferences", url.Values{"theme": {"dark"}, "return_to": {name}})
			to := rec.Header().Get("Location")
			if rec.Code == http.StatusSeeOther && (p.routeOf(get, to) == nil || strings.ContainsAny(to, "\\%?#{")) && to != "/login" {
				t.Errorf("return_to %q leads to %q", name, to)
			}
			if rec.Code != http.StatusSeeOther && rec.Code != http.StatusBadRequest {
				t.Errorf("return_to %q: %d", name, rec.Code)
			}
		}
	})
}

func FuzzForm(f *testing.F) {
	for _, seed := range []string{
		"username=mali&password=x", "", "&&&", "a=%zz", "username=a&username=b", "username=%00", "username=%ff", "a;b=c", strings.Repeat("a=b&", 1000),
	} {
		f.Add(seed, "application/x-www-form-urlencoded")
	}
	f.Add("{}", "application/json")
	f.Add("x", "multipart/form-data; boundary=x")
	w := newWorld(f)
	f.Fuzz(func(t *testing.T, body, contentType string) {
		r := httptest.NewRequest(post, "https://portal.test/login", strings.NewReader(body))
		r.Header["Content-Type"] = []string{contentType}
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		rec := httptest.NewRecorder()
		w.handler.ServeHTTP(rec, r)
		switch rec.Code {
		case http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusRequestEntityTooLarge, http.StatusTooManyRequests, http.StatusServiceUnavailable:
		default:
			t.Errorf("%q: %d", body, rec.Code)
		}
	})
}

func FuzzCookies(f *testing.F) {
	f.Add("th.dark", "saved", "token")
	f.Add("..", "../../etc", "a b")
	f.Add("", "title", "\"")
	w := newWorld(f)
	f.Fuzz(func(t *testing.T, prefs, notice, token string) {
		r := httptest.NewRequest(get, "https://portal.test/login", nil)
		for name, value := range map[string]string{preferencesCookie: prefs, noticeCookie: notice, sessionCookie: token} {
			r.Header.Add("Cookie", name+"="+value)
		}
		rec := httptest.NewRecorder()
		w.handler.ServeHTTP(rec, r)
		if rec.Code != http.StatusOK {
			t.Errorf("%q %q %q: %d", prefs, notice, token, rec.Code)
		}
	})
}

func FuzzParseDevice(f *testing.F) {
	f.Add("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0")
	f.Add("curl/8")
	f.Fuzz(func(t *testing.T, userAgent string) {
		d := parseDevice(userAgent)
		if len(d.Browser) > 20 || len(d.System) > 20 {
			t.Errorf("%+v holds text of the client's", d)
		}
	})
}
