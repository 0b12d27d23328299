package portal

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// as is a browser of one of a site's users, signed in and confirmed.
func (w *world) as(s site, role controlplane.Role) *browser {
	w.Helper()
	return w.inState(s.users[role], StateActive, true)
}

// fill opens a page with a form, puts values into it and sends it to where it leads.
func (b *browser) fill(page string, values url.Values) *httptest.ResponseRecorder {
	b.Helper()
	rec := b.get(page)
	action, filled := "", url.Values{}
	for _, n := range elements(b, rec) {
		switch {
		case n.DataAtom == atom.Form && strings.EqualFold(attr(n, "method"), post) && strings.Contains(attr(n, "action"), "/key"):
			action = attr(n, "action")
		case n.DataAtom == atom.Input && attr(n, "type") == "hidden" && attr(n, "name") != "return_to":
			filled.Set(attr(n, "name"), attr(n, "value"))
		}
	}
	if rec.Code != http.StatusOK || action == "" {
		b.Fatalf("%s: %d, no form\n%s", page, rec.Code, rec.Body)
	}
	for name := range values {
		filled.Set(name, values.Get(name))
	}
	return b.post(action, filled)
}

func elements(b *browser, rec *httptest.ResponseRecorder) (out []*html.Node) {
	b.Helper()
	doc, err := html.Parse(strings.NewReader(rec.Body.String()))
	b.must(err)
	for n := range doc.Descendants() {
		if n.Type == html.ElementNode {
			out = append(out, n)
		}
	}
	return out
}

// wants ends the test unless the answer has the status and the texts.
func (b *browser) wants(rec *httptest.ResponseRecorder, status int, texts ...string) {
	b.Helper()
	for _, text := range texts {
		if !strings.Contains(rec.Body.String(), text) {
			b.Fatalf("%d without %q\n%s", rec.Code, text, rec.Body)
		}
	}
	if rec.Code != status {
		b.Fatalf("%d; want %d\n%s", rec.Code, status, rec.Body)
	}
}

func secretIn(text string) string {
	return regexp.MustCompile(`unks_(live|test)_\w+`).FindString(text)
}

func (w *world) keysOf(s site) []controlplane.APIKey {
	w.Helper()
	keys, err := w.service.ListKeys(w.Context(), controlplane.LocalActor("root"), controlplane.KeyFilter{MerchantID: s.merchant.ID})
	w.must(err)
	return keys
}

func TestSecretIsInTheAnswerToThePostAndNeverAgain(t *testing.T) {
	w := newWorld(t)
	s := w.emptySite("Shop")
	b := w.as(s, controlplane.RoleAdmin)
	var form url.Values
	for _, n := range elements(b, b.get("/live/key/issue")) {
		if attr(n, "name") == "once" {
			form = url.Values{"once": {attr(n, "value")}}
		}
	}
	rec := b.post("/live/key/issue", form)
	secret := secretIn(rec.Body.String())
	b.wants(rec, http.StatusOK, w.keysOf(s)[0].ID)
	if !controlplane.SecretLooksRight(secret) || rec.Header().Get("Cache-Control") != "no-store" || rec.Header().Get("Location") != "" {
		t.Fatalf("the secret is %q, the headers %v", secret, rec.Header())
	}
	for _, cookie := range rec.Result().Cookies() {
		t.Errorf("a cookie beside a secret: %s", cookie.Name)
	}
	checkPage(t, w, rec)

	reload := b.post("/live/key/issue", form)
	b.wants(reload, http.StatusConflict)
	if secretIn(reload.Body.String()) != "" || len(w.keysOf(s)) != 1 {
		t.Errorf("a reload shows %q and leaves %d keys", secretIn(reload.Body.String()), len(w.keysOf(s)))
	}
	for _, page := range []string{"/", "/live/keys", "/live/keys/" + w.keysOf(s)[0].ID, "/live/key/issue", "/live/key/rotate", "/audit", "/docs/quickstart"} {
		if rec := b.get(page); rec.Code != http.StatusOK || secretIn(rec.Body.String()) != "" {
			t.Errorf("%s: %d, secret %q", page, rec.Code, secretIn(rec.Body.String()))
		}
	}
	files, err := filepath.Glob(filepath.Join(w.dir, "*"))
	w.must(err)
	for _, name := range files {
		content, err := os.ReadFile(name)
		w.must(err)
		if strings.Contains(string(content), secret) {
			t.Errorf("%s holds the secret in the clear", name)
		}
	}
}

func TestRotationShowsTheNewSecretAndWhenTheOldKeyStops(t *testing.T) {
	w := newWorld(t)
	s := w.site("Shop")
	b := w.as(s, controlplane.RoleOwner)
	w.clock.pass(time.Minute)
	rec := b.fill("/test/key/rotate", url.Values{"overlap": {"24"}})
	b.wants(rec, http.StatusOK, "2026-03-02 12:01:00 UTC", s.keyID)
	if !controlplane.SecretLooksRight(secretIn(rec.Body.String())) {
		t.Fatalf("no secret in %s", rec.Body)
	}
	checkPage(t, w, rec)
	b.wants(b.get("/test/keys"), http.StatusOK, "Nobody has used this old key since the new one was issued.")
	w.clock.pass(time.Minute)
	use := controlplane.KeyUse{KeyID: s.keyID, At: w.clock.Now(), IP: netip.MustParseAddr("203.0.113.9")}
	w.must(w.service.RecordUse(t.Context(), controlplane.Use{Keys: []controlplane.KeyUse{use}}))
	for _, page := range []string{"/", "/test/keys", "/test/keys/" + s.keyID} {
		b.wants(b.get(page), http.StatusOK, "Somebody still uses this old key.", "203.0.113.9", "(office)")
	}
}

// Two people look at the same form: the second must not retire the key that the
// first has just brought to the servers.
func TestRotationOfAKeyThatIsReplacedMeanwhileChangesNothing(t *testing.T) {
	w := newWorld(t)
	s := w.site("Shop")
	first, second := w.as(s, controlplane.RoleOwner), w.as(s, controlplane.RoleAdmin)
	first.wants(first.fill("/test/key/rotate", url.Values{"overlap": {"0"}}), http.StatusOK)
	before := len(w.keysOf(s))
	rec := second.fill("/test/key/rotate", url.Values{"overlap": {"0"}, "key": {s.keyID}})
	second.wants(rec, http.StatusConflict)
	if secretIn(rec.Body.String()) != "" || len(w.keysOf(s)) != before {
		t.Errorf("%d keys", len(w.keysOf(s)))
	}
}

func TestStoppingAKey(t *testing.T) {
	w := newWorld(t)
	s := w.site("Shop")
	b := w.as(s, controlplane.RoleOwner)
	b.wants(b.get("/test/key/retire"), http.StatusOK, "all your test requests are refused")
	b.wants(b.fill("/test/key/retire", url.Values{"after": {"3"}}), http.StatusBadRequest)
	b.wants(b.fill("/test/key/retire", url.Values{"after": {"168"}}), http.StatusSeeOther)
	b.wants(b.get("/test/key/retire"), http.StatusOK, "Stop the old key now")
	b.wants(b.fill("/test/key/retire", url.Values{"after": {"0"}}), http.StatusSeeOther)
	b.wants(b.get("/test/keys"), http.StatusOK, "No test key is active", "The key has stopped.")
	b.wants(b.post("/test/keys/"+s.keyID+"/retire", url.Values{"after": {"0"}}), http.StatusConflict)
	b.wants(b.post("/live/keys/"+s.keyID+"/retire", url.Values{"after": {"0"}}), http.StatusNotFound)
}

// Whatever a page offers, the server must not refuse: no button for those who may
// not, none for the users of a suspended merchant.
func TestNoPageOffersWhatItsReaderMayNotDo(t *testing.T) {
	w := newWorld(t)
	for _, st := range w.stages() {
		for _, role := range merchantRoles() {
			b := w.as(st.site, role)
			for _, r := range w.handler.(*portal).table.rows {
				if r.Method != get || r.States != StateActive || !r.allows(role) || !r.addressable() || r.permission.Changes {
					continue
				}
				for _, n := range elements(b, b.get(r.path(controlplane.Test))) {
					b.judgeOffer(st, role, r.Name, n)
				}
			}
		}
	}
}

func (b *browser) judgeOffer(st stage, role controlplane.Role, page string, n *html.Node) {
	b.Helper()
	method, target := get, attr(n, "href")
	if n.DataAtom == atom.Form {
		method, target = strings.ToUpper(attr(n, "method")), attr(n, "action")
	}
	if target == "" || strings.HasPrefix(target, "#") || n.DataAtom == atom.Link {
		return
	}
	r := b.handler.(*portal).routeOf(method, target)
	switch {
	case r == nil:
		b.Errorf("%s as %s of %s: %s %s leads nowhere", page, role, st.name, method, target)
	case !r.allows(role) || st.name == "suspended" && r.permission.Changes:
		b.Errorf("%s as %s of %s offers %s %s", page, role, st.name, method, target)
	}
}

// routeOf finds the row that an address belongs to, as the mux would.
func (p *portal) routeOf(method, target string) *Route {
	path, _, _ := strings.Cut(target, "?")
	path, _, _ = strings.Cut(path, "#")
	for i := range p.table.rows {
		r := &p.table.rows[i]
		for _, env := range r.environments() {
			pattern := regexp.QuoteMeta(strings.TrimSuffix(r.pattern(env), "{$}"))
			pattern = regexp.MustCompile(`\\\{\w+\\\}`).ReplaceAllString(pattern, `[^/]+`)
			if r.Method == method && regexp.MustCompile("^"+pattern+"$").MatchString(path) {
				return r
			}
		}
	}
	return nil
}

func TestChecklistFlipsOnFactsOnly(t *testing.T) {
	w := newWorld(t)
	s, local, ctx := w.emptySite("Shop"), controlplane.LocalActor("root"), t.Context()
	b := w.as(s, controlplane.RoleOwner)
	done := func(n int) {
		t.Helper()
		b.wants(b.get("/"), http.StatusOK, fmt.Sprintf("%d of 7 done", n))
	}
	issue := func(env controlplane.Environment) string {
		k, err := w.service.IssueKey(ctx, local, controlplane.IssueKey{MerchantID: s.merchant.ID, Environment: env})
		w.must(err)
		return k.Key.ID
	}
	call := func(keyID string) {
		use := controlplane.KeyUse{KeyID: keyID, At: w.clock.Now(), IP: netip.MustParseAddr("203.0.113.9")}
		w.must(w.service.RecordUse(ctx, controlplane.Use{Keys: []controlplane.KeyUse{use}}))
	}
	done(0)
	w.enrolled(s.users[controlplane.RoleOwner])
	done(1)
	test := issue(controlplane.Test)
	done(2)
	b.wants(b.get("/"), http.StatusOK, "the allowlist is empty")
	_, err := w.service.AddAllowlistEntry(ctx, local, controlplane.AddAllowlistEntry{MerchantID: s.merchant.ID, CIDR: "203.0.113.9", Note: "office"})
	w.must(err)
	done(3)
	call(test)
	done(4)
	e := w.webhook(s.merchant.ID, "https://shop.example.com/webhooks")
	w.courier.says(controlplane.Attempt{Fault: controlplane.FaultStatus, Status: 500})
	b.post("/test/webhooks/"+e.ID+"/test", nil)
	done(4)
	w.courier.says(controlplane.Attempt{})
	b.post("/test/webhooks/"+e.ID+"/test", nil)
	done(5)
	live := issue(controlplane.Live)
	done(6)
	call(live)
	b.wants(b.get("/"), http.StatusOK, "Your integration is complete")
}

func TestQuickstartNeedsAnAddressItCanSignFor(t *testing.T) {
	for text, right := range map[string]bool{
		"": true, "https://api.example.com": true, "http://127.0.0.1:8080": true, "https://api.example.com/v1": false,
		"api.example.com": false, "ftp://api.example.com": false, "https://user@api.example.com": false, "https://api.example.com?x=1": false, "%": false,
	} {
		if _, err := gatewayURL(text); (err == nil) != right {
			t.Errorf("%q: %v", text, err)
		}
	}
}
