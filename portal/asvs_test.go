package portal

import (
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/tests/asvs"
)

// What the standard asks for and no other test is about.

// answers is one answer of each kind: pages, an error, a redirect, a form that is
// shown again, files.
func (w *world) answers() map[string]*httptest.ResponseRecorder {
	w.Helper()
	b := w.active()
	all := map[string]*httptest.ResponseRecorder{
		"page": b.get("/"), "sign-in": w.browser().get("/login"), "not found": b.get("/nowhere"), "method": b.get("/logout"),
		"redirect": w.browser().get("/"), "wrong": w.browser().post("/login", url.Values{"username": {"x"}, "password": {"y"}}),
		"forged": b.send(httptest.NewRequest(post, "https://portal.test/logout", nil)), "signed out": b.post("/logout", nil),
	}
	for _, link := range w.handler.(*portal).assets.urls {
		all[link] = w.browser().get(link)
	}
	return all
}

func TestEveryKindOfAnswerIsLockedDown(t *testing.T) {
	asvs.Covers(t, "3.2.1", "3.4.1", "3.4.2", "3.4.3", "3.4.4", "3.4.5", "3.4.6", "3.4.8", "4.1.1", "14.3.2")
	w := newWorld(t)
	for kind, rec := range w.answers() {
		h := rec.Header()
		for name, want := range map[string]string{
			"Strict-Transport-Security": "max-age=63072000; includeSubDomains", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin", "Access-Control-Allow-Origin": "",
		} {
			if got := h.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", kind, name, got, want)
			}
		}
		for _, directive := range []string{"default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"} {
			if csp := h.Get("Content-Security-Policy"); !strings.Contains(csp, directive) || strings.Contains(csp, "unsafe") {
				t.Errorf("%s: the policy is %q, want %s", kind, csp, directive)
			}
		}
		file := strings.HasPrefix(kind, "/static/")
		if stored := h.Get("Cache-Control") != "no-store"; stored != file {
			t.Errorf("%s: Cache-Control %q", kind, h.Get("Cache-Control"))
		}
		if rec.Body.Len() > 0 && !regexp.MustCompile(`^(text/(html|css|javascript)|image/svg\+xml); charset=utf-8$`).MatchString(h.Get("Content-Type")) {
			t.Errorf("%s: Content-Type %q", kind, h.Get("Content-Type"))
		}
	}
}

// TestScriptTrustsNoNamesOfThePage: an element called "Intl" becomes a property of
// document, and of window where there is no other. So the script asks neither for
// names, makes no markup, and keeps nothing in the browser.
func TestScriptTrustsNoNamesOfThePage(t *testing.T) {
	asvs.Covers(t, "3.2.2", "3.2.3", "14.3.3")
	text, err := uiFiles.ReadFile("ui/static/portal.js")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), `"use strict";`) {
		t.Error("the script is not strict")
	}
	forbidden := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|\bwindow\b|document\[|document\.(forms|images|all)\b|[lL]ocalStorage|sessionStorage|indexedDB|document\.cookie|fetch\(|import\(`)
	if found := forbidden.FindAllString(string(text), -1); found != nil {
		t.Errorf("the script uses %q", found)
	}
}

// TestFormsAskForNothingElse: passwords are masked and left to password managers,
// no form asks for an answer that others could know, and every page that needs a
// session ends one.
func TestFormsAskForNothingElse(t *testing.T) {
	asvs.Covers(t, "6.2.6", "6.2.7", "6.3.6", "6.4.2", "7.4.4")
	w := newWorld(t)
	s := w.site("Shop")
	known := regexp.MustCompile(`^(username|password|code|current|new|repeat|return_to|once|language|theme)$`)
	input := regexp.MustCompile(`<input[^>]*>`)
	for _, state := range States() {
		b := w.inState(s.users[controlplane.RoleOwner], state, true)
		for _, r := range w.handler.(*portal).table.rows {
			if r.Method != get || r.States&state == 0 || !r.addressable() || r.Name == "static" || r.Name == "requests.csv" {
				continue
			}
			page := b.get(r.path(controlplane.Test)).Body.String()
			if state != StateAnonymous && !strings.Contains(page, `action="/logout"`) {
				t.Errorf("%s does not let one sign out", r.Name)
			}
			for _, in := range input.FindAllString(page, -1) {
				name := regexp.MustCompile(` name="([^"]*)"`).FindStringSubmatch(in)[1]
				if r.Operation == "" && !known.MatchString(name) {
					t.Errorf("%s asks for %q", r.Name, name)
				}
				secret := name == "password" || name == "current" || name == "new" || name == "repeat"
				if secret && (!strings.Contains(in, `type="password"`) || !regexp.MustCompile(`autocomplete="(current|new)-password"`).MatchString(in)) {
					t.Errorf("%s: %s", r.Name, in)
				}
			}
		}
	}
}

// TestRolesPageIsThePermissionTable: the rules are documented where their readers are.
func TestRolesPageIsThePermissionTable(t *testing.T) {
	asvs.Covers(t, "8.1.1")
	w := newWorld(t)
	p := w.handler.(*portal)
	page := w.active().get("/roles").Body.String()
	for _, row := range controlplane.Permissions() {
		if !p.table.serves(row.Operation) {
			continue
		}
		if text := p.texts.byTag("en").texts["operation."+string(row.Operation)]; text == "" || !strings.Contains(page, text) {
			t.Errorf("the page does not tell of %s (%q)", row.Operation, text)
		}
	}
}
