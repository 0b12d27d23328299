package portal

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/account"
	"github.com/unknownpay/merchant-gateway/tests/asvs"
)

// These are faults that were found in other programs, as far as they show over
// HTTP; package account has its own.

// same strips what differs between any two answers: the ids of requests.
func same(rec *httptest.ResponseRecorder) string {
	return regexp.MustCompile(`req_[0-9a-z]{26}`).ReplaceAllString(rec.Body.String(), "req")
}

func TestArtifactKeeper1818NothingButTheForcedChangeWorks(t *testing.T) {
	w := newWorld(t)
	mali, b := w.owner(), w.browser()
	b.to(b.login(mali, mali.initial), "/password")
	for _, r := range Routes() {
		if r.States&StatePassword != 0 {
			continue
		}
		target := strings.Replace(r.path(controlplane.Test), "{id}", "x", 1)
		if r.Method == get {
			b.to(b.get(target), "/password")
		} else {
			b.to(b.post(target, nil), "/password")
		}
	}
}

func TestKeycloak13867UsedCodeAnswersLikeAWrongOne(t *testing.T) {
	w := newWorld(t)
	mali, b := w.owner(), w.browser()
	w.enrolled(mali)
	b.to(b.login(mali, mali.initial), "/login/code")
	code := w.code(testSeed)
	b.to(b.post("/login/code", url.Values{"code": {code}}), "/password")
	again := w.browser()
	again.to(again.login(mali, mali.initial), "/login/code")
	used := again.post("/login/code", url.Values{"code": {code}})
	wrong := again.post("/login/code", url.Values{"code": {"000000"}})
	if used.Code != wrong.Code || same(used) != same(wrong) {
		t.Errorf("a used code answers %d, a wrong one %d, or in other words", used.Code, wrong.Code)
	}
}

func TestUnknownDisabledAndExpiredAnswerLikeAWrongPassword(t *testing.T) {
	asvs.Covers(t, "6.3.8")
	w := newWorld(t)
	s := w.site("Shop")
	local := controlplane.LocalActor("root")
	disabled := s.users[controlplane.RoleViewer]
	_, err := w.service.DisableUser(w.Context(), local, s.merchant.ID, disabled.id)
	w.must(err)
	expired := s.users[controlplane.RoleAdmin]
	w.clock.pass(73 * time.Hour)
	fresh := w.person(s.merchant.ID, "fresh", controlplane.RoleOwner)
	want := w.browser().login(fresh, "wrong")
	for name, p := range map[string]person{"unknown": {username: "nobody", initial: "x"}, "disabled": disabled, "expired": expired} {
		rec := w.browser().login(p, p.initial)
		got := strings.ReplaceAll(same(rec), p.username, fresh.username)
		if rec.Code != want.Code || got != same(want) || len(rec.Header()) != len(want.Header()) {
			t.Errorf("%s: told apart from a wrong password (%d)", name, rec.Code)
		}
	}
}

func TestGogs6415OtherBrowsersAreOutAfterThePasswordChanged(t *testing.T) {
	asvs.Covers(t, "7.4.3")
	w := newWorld(t)
	mali := w.owner()
	thief, b := w.seat(mali, controlplane.SessionActive, true), w.seat(mali, controlplane.SessionActive, false)
	before := b.cookies[sessionCookie]
	b.to(b.changePassword(mali.initial, firstPassword), "/")
	thief.to(thief.get("/account"), "/login?return_to=account")
	if b.cookies[sessionCookie] == before {
		t.Error("the session kept its id")
	}
	b.shows(b.get("/account"), 200, "Your account")
}

func TestMiniflux4362ReturnToIsAName(t *testing.T) {
	asvs.Covers(t, "3.7.2", "3.7.3")
	w := newWorld(t)
	mali := w.owner()
	b := w.seat(mali, controlplane.SessionActive, false)
	b.to(b.changePassword(mali.initial, firstPassword), "/")
	b.to(b.post("/logout", nil), "/login")
	for _, evil := range []string{`/\evil.example`, "//evil.example", "/%5cevil.example", "https://evil.example", "evil.example", "/account", "%2f%2fevil.example"} {
		page := b.get("/login?return_to=" + url.QueryEscape(evil))
		if strings.Contains(page.Body.String(), "evil") {
			t.Errorf("%s is in the page", evil)
		}
		b.to(b.post("/login", url.Values{"username": {"mali"}, "password": {firstPassword}, "return_to": {evil}}), "/")
		b.to(b.post("/logout", nil), "/login")
	}
}

// temps issue 329: a session and the ids of one merchant replayed at another.
func TestTemps329KeyOfAnotherMerchant(t *testing.T) {
	asvs.Covers(t, "8.2.2", "8.4.1")
	w := newWorld(t)
	own, other := w.site("Own"), w.site("Other")
	b := w.seat(own.users[controlplane.RoleOwner], controlplane.SessionActive, true)
	before := w.version()
	b.shows(b.get("/test/keys/"+other.keyID), 404, "There is nothing here")
	if w.version() != before {
		t.Error("looking changed the database")
	}
	b.shows(b.post("/test/keys/"+other.keyID+"/retire", url.Values{"after": {"0"}}), 404, "There is nothing here")
	keys, err := w.service.ListKeys(w.Context(), controlplane.LocalActor("root"), controlplane.KeyFilter{MerchantID: other.merchant.ID, Environment: controlplane.Test})
	w.must(err)
	if keys[0].State != controlplane.KeyActive {
		t.Error("another merchant's key was stopped")
	}
}

// Session fixation: a session cookie that somebody planted before the sign-in is
// worth nothing after it.
func TestSignInNeverKeepsASessionID(t *testing.T) {
	asvs.Covers(t, "7.2.4")
	w := newWorld(t)
	mali := w.owner()
	b := w.browser()
	b.cookies[sessionCookie] = w.seat(mali, controlplane.SessionPending2FA, false).cookies[sessionCookie]
	planted := b.cookies[sessionCookie]
	delete(b.cookies, sessionCookie)
	r := b.login(mali, mali.initial)
	b.to(r, "/password")
	if b.cookies[sessionCookie] == planted || b.cookies[sessionCookie] == "" {
		t.Error("the session was not made anew")
	}
}

// argon2id issue 35: what has no slot is turned away with a time to come back.
func TestArgon2id35SurplusOfSignInsGets503(t *testing.T) {
	w := newWorld(t)
	mali := w.owner()
	w.rebuildAccounts(account.Parts{
		Kind: controlplane.ActorUser, Store: w.db, Sealer: w.ring, Clock: w.clock.Now, Random: w.handler.(*portal).random,
		Hasher: account.NewHasher(account.HasherConfig{Slots: 1, Wait: time.Millisecond}),
	})
	w.rebuild(func(*Config) {})
	var mu sync.Mutex
	answers := map[int]int{}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			rec := w.browser().login(mali, "wrong")
			mu.Lock()
			defer mu.Unlock()
			answers[rec.Code]++
			if rec.Code == http.StatusServiceUnavailable && rec.Header().Get("Retry-After") == "" {
				t.Error("503 without a time to come back")
			}
		})
	}
	all.Wait()
	if answers[503] == 0 || answers[422] == 0 || answers[503]+answers[422]+answers[429] != 20 {
		t.Errorf("answers %v", answers)
	}
}
