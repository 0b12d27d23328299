package portal

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestEveryAnswerHasTheSecurityHeaders(t *testing.T) {
	w := newWorld(t)
	b := w.active()
	for target, status := range map[string]int{"/": 200, "/nowhere": 404, "//evil.example": 404, "/preferences": 405} {
		rec := b.get(target)
		if rec.Code != status {
			t.Errorf("GET %s: %d, want %d\n%s", target, rec.Code, status, rec.Body)
		}
		h := rec.Header()
		if h.Get("Content-Security-Policy") != contentSecurityPolicy || h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("GET %s: headers %v", target, h)
		}
		if !strings.Contains(rec.Body.String(), `<html lang="en" data-theme="auto">`) {
			t.Errorf("GET %s: %s", target, rec.Body)
		}
	}
}

func TestPreferencesChangeLanguageAndTheme(t *testing.T) {
	b := newWorld(t).browser()
	if rec := b.post("/preferences", url.Values{"language": {"th"}, "theme": {"dark"}}); rec.Code != http.StatusSeeOther {
		t.Fatalf("%d %s", rec.Code, rec.Body)
	}
	if rec := b.get("/nowhere"); !strings.Contains(rec.Body.String(), `<html lang="th" data-theme="dark">`) {
		t.Errorf("the preferences were not kept: %s", rec.Body)
	}
	if rec := b.post("/preferences", url.Values{"language": {"xx"}}); rec.Code != http.StatusBadRequest {
		t.Errorf("an unknown language: %d", rec.Code)
	}
}
