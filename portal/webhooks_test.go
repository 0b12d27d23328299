package portal

import (
	"crypto/rand"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html/atom"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// shop is a merchant with an owner in a browser, without any endpoint.
func (w *world) shop() (site, *browser) {
	w.Helper()
	s := w.emptySite("Shop")
	return s, w.as(s, controlplane.RoleOwner)
}

// press sends the form of a page that leads to an address, with its hidden inputs.
func (b *browser) press(page, action string, values url.Values) *httptest.ResponseRecorder {
	b.Helper()
	rec := b.get(page)
	sent := url.Values{}
	found := false
	for _, n := range elements(b, rec) {
		if n.DataAtom != atom.Form || attr(n, "method") != "post" || attr(n, "action") != action {
			continue
		}
		if kind := values.Get("kind"); kind != "" && !strings.Contains(inputs(n).Encode(), "kind="+kind) {
			continue
		}
		sent, found = inputs(n), true
	}
	if !found {
		b.Fatalf("%s: %d, no form for %s\n%s", page, rec.Code, action, rec.Body)
	}
	for name := range values {
		sent.Set(name, values.Get(name))
	}
	return b.post(action, sent)
}

func (w *world) endpointsOf(s site) []controlplane.EndpointView {
	w.Helper()
	all, err := w.service.ListEndpoints(w.Context(), controlplane.LocalActor("root"), controlplane.EndpointFilter{MerchantID: s.merchant.ID})
	w.must(err)
	return all
}

func signingSecretIn(rec *httptest.ResponseRecorder) string {
	return regexp.MustCompile(`whsec_[A-Za-z0-9+/]{43}=`).FindString(html.UnescapeString(rec.Body.String()))
}

func TestSigningSecretIsInTheAnswerToThePostAndNeverAgain(t *testing.T) {
	w := newWorld(t)
	s, b := w.shop()
	once := url.Values{"once": {b.field(b.get("/test/webhooks/new"), "once")}, "url": {"https://shop.example.com/webhooks"}, "scope": {"every"}}
	created := b.post("/test/webhooks/new", once)
	e := w.endpointsOf(s)[0]
	base := "/test/webhooks/" + e.ID
	rotation := url.Values{"once": {b.field(b.get(base+"/secret"), "once")}, "overlap": {"24"}}
	rotated := b.post(base+"/secret", rotation)
	b.wants(rotated, http.StatusOK, "signed with the old secret too until", "2026-03-02 12:00:00 UTC")

	first, second := signingSecretIn(created), signingSecretIn(rotated)
	if first == "" || second == "" || first == second {
		t.Fatalf("the secrets are %q and %q\n%s", first, second, created.Body)
	}
	for _, rec := range []*httptest.ResponseRecorder{created, rotated} {
		if rec.Header().Get("Cache-Control") != "no-store" || rec.Header().Get("Location") != "" || len(rec.Result().Cookies()) > 0 {
			t.Errorf("beside a secret: %v", rec.Header())
		}
		checkPage(t, w, rec)
	}
	for target, form := range map[string]url.Values{"/test/webhooks/new": once, base + "/secret": rotation} {
		if again := b.post(target, form); again.Code != http.StatusConflict || strings.Contains(again.Body.String(), "whsec_") {
			t.Errorf("%s, sent again: %d\n%s", target, again.Code, again.Body)
		}
	}
	if n := len(w.endpointsOf(s)); n != 1 {
		t.Errorf("sent twice, the form made %d endpoints", n)
	}
	for _, page := range []string{"/", "/test/webhooks", base, base + "/secret", base + "/edit", "/audit", "/test/webhooks/deliveries"} {
		if rec := b.get(page); rec.Code != http.StatusOK || strings.Contains(rec.Body.String(), "whsec_") {
			t.Errorf("%s: %d with a secret", page, rec.Code)
		}
	}
	w.notOnDisk(strings.TrimPrefix(first, "whsec_"), strings.TrimPrefix(second, "whsec_"))
}

// notOnDisk fails the test if a file of the world holds one of the texts.
func (w *world) notOnDisk(texts ...string) {
	w.Helper()
	files, err := filepath.Glob(filepath.Join(w.dir, "*"))
	w.must(err)
	for _, name := range files {
		content, err := os.ReadFile(name)
		w.must(err)
		for _, text := range texts {
			if strings.Contains(string(content), text) {
				w.Errorf("%s holds a secret in the clear", name)
			}
		}
	}
}

// Two secrets sign at most: while an overlap lasts, only ending both is on offer.
func TestSecondRotationDuringAnOverlapEndsBoth(t *testing.T) {
	w := newWorld(t)
	s, b := w.shop()
	e := w.webhook(s.merchant.ID, "https://shop.example.com/webhooks")
	page := "/test/webhooks/" + e.ID + "/secret"
	b.wants(b.press(page, page, url.Values{"overlap": {"168"}}), http.StatusOK, "whsec_")
	rec := b.get(page)
	b.wants(rec, http.StatusOK, "ends both secrets at once", "2026-03-08 12:00:00 UTC")
	if strings.Contains(rec.Body.String(), `value="24"`) {
		t.Error("an overlap is offered that would be refused")
	}
	b.wants(b.press(page, page, url.Values{"overlap": {"0"}}), http.StatusOK, "The old secret has stopped")
	b.wants(b.press(page, page, url.Values{"overlap": {"5"}}), http.StatusBadRequest)
}

func TestFormOfAnEndpointSaysWhatIsWrong(t *testing.T) {
	w := newWorld(t)
	s, b := w.shop()
	w.webhook(s.merchant.ID, "https://taken.example.com/")
	every := func(u string) url.Values { return url.Values{"url": {u}, "scope": {"every"}} }
	for name, test := range map[string]struct {
		form     url.Values
		status   int
		en, thai string
	}{
		"no URL":      {every(""), 422, "This is missing.", "โปรดกรอกข้อมูลนี้"},
		"http":        {every("http://shop.example.com"), 422, "It must begin with https://.", "ต้องขึ้นต้นด้วย https://"},
		"password":    {every("https://me:secret@shop.example.com"), 422, "Leave out the user name", "โปรดตัดชื่อผู้ใช้"},
		"fragment":    {every("https://shop.example.com/#top"), 422, "Leave out #", "โปรดตัดเครื่องหมาย #"},
		"no address":  {every("https://"), 422, "Write a URL such as", "โปรดเขียน URL"},
		"metadata":    {every("https://169.254.169.254/"), 422, "must not lead to an address", "must not lead to an address"},
		"taken":       {every("https://taken.example.com/"), 409, "Another endpoint has this URL", "มีปลายทางอื่นใช้ URL นี้"},
		"no event":    {url.Values{"url": {"https://shop.example.com"}, "scope": {"some"}}, 422, "Choose at least one event", "โปรดเลือกอย่างน้อยหนึ่งเหตุการณ์"},
		"description": {url.Values{"url": {"https://shop.example.com"}, "scope": {"every"}, "description": {"a\nb"}}, 422, "on one line", "ในบรรทัดเดียว"},
	} {
		for lang, text := range map[string]string{"en": test.en, "th": test.thai} {
			b.cookies[preferencesCookie] = lang + ".auto"
			rec := b.press("/test/webhooks/new", "/test/webhooks/new", test.form)
			if rec.Code != test.status || !strings.Contains(rec.Body.String(), text) {
				t.Errorf("%s, %s: %d without %q\n%s", name, lang, rec.Code, text, rec.Body)
			}
			checkPage(t, w, rec)
		}
	}
	if n := len(w.endpointsOf(s)); n != 1 {
		t.Errorf("a refused form made %d endpoints", n-1)
	}
}

func TestEndpointIsEdited(t *testing.T) {
	w := newWorld(t)
	s, b := w.shop()
	e := w.webhook(s.merchant.ID, "https://old.example.com/")
	page := "/test/webhooks/" + e.ID + "/edit"
	b.wants(b.get(page), http.StatusOK, `value="https://old.example.com/"`, `id="f-every" name="scope" value="every" checked`)
	b.to(b.press(page, page, url.Values{
		"url": {"https://new.example.com/"}, "scope": {"some"}, "event.deposit.success": {"yes"}, "description": {"<b>orders</b>"},
	}), "/test/webhooks/"+e.ID)
	b.wants(b.get("/test/webhooks/"+e.ID), http.StatusOK, "The endpoint is saved.", "https://new.example.com/", "deposit.success", "&lt;b&gt;orders")
	b.wants(b.get(page), http.StatusOK, `id="f-deposit.success" name="event.deposit.success" value="yes" checked`)
	if got := w.endpointsOf(s)[0]; len(got.Events) != 1 || got.URL != "https://new.example.com/" {
		t.Errorf("saved: %+v", got.Endpoint)
	}
}

func TestSeventeenthEndpointIsRefusedAndNotOffered(t *testing.T) {
	w := newWorld(t)
	s, b := w.shop()
	for i := range controlplane.MaxEndpoints {
		w.webhook(s.merchant.ID, "https://shop.example.com/"+strings.Repeat("x", i+1))
	}
	b.wants(b.get("/test/webhooks"), http.StatusOK, "There are 16 endpoints, the maximum.")
	if strings.Contains(b.get("/test/webhooks").Body.String(), "Add an endpoint") {
		t.Error("one more is offered")
	}
	b.wants(b.press("/test/webhooks/new", "/test/webhooks/new", url.Values{"url": {"https://shop.example.com/"}, "scope": {"every"}}),
		http.StatusConflict, "There are 16 endpoints, the maximum. Delete one first.")
	b.wants(b.get("/live/webhooks"), http.StatusOK, "No live endpoint yet", "Add an endpoint")
}

// A node without an engine has no check of URLs: what it cannot judge it does not
// save.
func TestServerThatDeliversNothingSavesNoEndpoint(t *testing.T) {
	w := newWorld(t)
	s, b := w.shop()
	e := w.webhook(s.merchant.ID, "https://shop.example.com/")
	bare, err := controlplane.NewService(controlplane.Parts{
		Store: w.db, Sealer: w.ring, Hasher: noHasher{}, Clock: w.clock.Now, Random: rand.Reader,
	})
	w.must(err)
	w.rebuild(func(c *Config) { c.Service = bare })
	form := url.Values{"url": {"https://other.example.com/"}, "scope": {"every"}}
	for _, page := range []string{"/test/webhooks/new", "/test/webhooks/" + e.ID + "/edit"} {
		rec := b.press(page, page, form)
		b.wants(rec, http.StatusServiceUnavailable, "does not deliver webhooks at the moment", `value="https://other.example.com/"`)
		checkPage(t, w, rec)
	}
	if got := w.endpointsOf(s); len(got) != 1 || got[0].URL != e.URL {
		t.Errorf("saved: %+v", got)
	}
}

func TestDeletingNeedsTheURLThatWasShown(t *testing.T) {
	w := newWorld(t)
	s, b := w.shop()
	e := w.webhook(s.merchant.ID, "https://shop.example.com/")
	d := w.event(e, "one", `{}`)
	page, action := "/test/webhooks/"+e.ID+"/stop", "/test/webhooks/"+e.ID+"/delete"
	b.wants(b.post(action, nil), http.StatusBadRequest)
	b.wants(b.post(action, url.Values{"url": {"https://other.example.com/"}}), http.StatusConflict)
	b.wants(b.get(page), http.StatusOK, "This cannot be undone.")
	b.to(b.press(page, action, nil), "/test/webhooks")
	b.wants(b.get("/test/webhooks"), http.StatusOK, "The endpoint is deleted.", "No test endpoint yet")
	b.wants(b.get("/test/webhooks/"+e.ID), http.StatusNotFound)
	b.wants(b.get("/test/webhooks/"+e.ID+"/deliveries/"+d.ID), http.StatusOK, "the endpoint was deleted")
}

// An endpoint is where its environment is, and nowhere else.
func TestEndpointOfTestIsNotFoundInLive(t *testing.T) {
	w := newWorld(t)
	s := w.site("Shop")
	b := w.as(s, controlplane.RoleOwner)
	for _, r := range webhookRoutes() {
		c := cell{route: r}
		target := w.address(c, s, s)
		if r.addressable() {
			continue
		}
		live := strings.Replace(target, "/test/", "/live/", 1)
		rec := b.get(live)
		if r.Method == post {
			rec = b.post(live, url.Values{"url": {"https://shop.example.com/webhooks"}, "scope": {"every"}, "overlap": {"0"}, "kind": {"never_attempted"}, "once": {strings.Repeat("0", 32)}})
		}
		if rec.Code != http.StatusNotFound {
			t.Errorf("%s %s: %d", r.Method, live, rec.Code)
		}
	}
}

func TestStandingOfAnEndpoint(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		state     controlplane.EndpointState
		condition controlplane.EndpointCondition
		want      string
	}{
		"new":                         {controlplane.EndpointEnabled, controlplane.EndpointCondition{}, standingEnabled},
		"four failures":               {controlplane.EndpointEnabled, controlplane.EndpointCondition{Failures: 4}, standingEnabled},
		"only probed":                 {controlplane.EndpointEnabled, controlplane.EndpointCondition{Failures: 1, Breaker: controlplane.BreakerHalf}, standingFailing},
		"asked to wait":               {controlplane.EndpointEnabled, controlplane.EndpointCondition{Breaker: controlplane.BreakerInARow, PausedUntil: now.Add(1)}, standingPaused},
		"asked to wait until now":     {controlplane.EndpointEnabled, controlplane.EndpointCondition{PausedUntil: now}, standingEnabled},
		"disabled, whatever else was": {controlplane.EndpointDisabled, controlplane.EndpointCondition{Failures: 5, PausedUntil: now.Add(1)}, standingDisabled},
	} {
		v := controlplane.EndpointView{Endpoint: controlplane.Endpoint{State: test.state}, Condition: test.condition}
		if got := standingOf(v, now); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}
