package portal

import (
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/tests/asvs"
)

const (
	firstPassword  = "anchor violin meadow 7"
	secondPassword = "tunnel biscuit orbit 9"
)

// to fails the test unless the answer leads to a page.
func (b *browser) to(rec *httptest.ResponseRecorder, want string) {
	b.Helper()
	if got := rec.Header().Get("Location"); rec.Code != 303 || got != want {
		b.Fatalf("%d to %q; want 303 to %q\n%s", rec.Code, got, want, rec.Body)
	}
}

// shows fails the test unless the answer has a status and a text.
func (b *browser) shows(rec *httptest.ResponseRecorder, status int, text string) {
	b.Helper()
	if rec.Code != status || !strings.Contains(rec.Body.String(), text) {
		b.Fatalf("%d; want %d with %q\n%s", rec.Code, status, text, rec.Body)
	}
}

func (b *browser) login(p person, password string) *httptest.ResponseRecorder {
	b.Helper()
	return b.post("/login", url.Values{"username": {p.username}, "password": {password}})
}

// code is what an authenticator app shows now.
func (w *world) code(seed string) string {
	w.Helper()
	code, err := totp.GenerateCode(strings.ReplaceAll(seed, " ", ""), w.clock.Now())
	w.must(err)
	return code
}

// field finds the value of a hidden input in a page.
func (b *browser) field(page *httptest.ResponseRecorder, name string) string {
	b.Helper()
	m := regexp.MustCompile(`name="` + name + `" value="([^"]*)"`).FindStringSubmatch(page.Body.String())
	if m == nil {
		b.Fatalf("no field %q in %s", name, page.Body)
	}
	return m[1]
}

// changePassword goes through the forced change.
func (b *browser) changePassword(old, next string) *httptest.ResponseRecorder {
	b.Helper()
	return b.post("/password", url.Values{"current": {old}, "new": {next}, "repeat": {next}})
}

// enrol sets up a second factor and returns its seed and the recovery codes.
func (b *browser) enrol(password string) (seed string, codes []string) {
	b.Helper()
	b.to(b.post("/account/2fa/begin", url.Values{"once": {strings.Repeat("a", 32)}}), "/sudo?return_to=account.2fa")
	b.to(b.post("/sudo", url.Values{"password": {password}, "return_to": {"account.2fa"}}), "/account/2fa")
	page := b.get("/account/2fa")
	b.shows(page, 200, "press the button again")
	shown := b.post("/account/2fa/begin", url.Values{"once": {b.field(page, "once")}})
	b.shows(shown, 200, `<svg class="qr"`)
	m := regexp.MustCompile(`<code>([A-Z2-7 ]+)</code>`).FindStringSubmatch(shown.Body.String())
	if m == nil {
		b.Fatalf("no seed in %s", shown.Body)
	}
	wrong := b.post("/account/2fa/finish", url.Values{"once": {b.field(shown, "once")}, "code": {"000000"}})
	b.shows(wrong, 422, "That code does not work")
	done := b.post("/account/2fa/finish", url.Values{"once": {b.field(wrong, "once")}, "code": {b.code(m[1])}})
	b.shows(done, 200, "Keep these codes")
	codes = regexp.MustCompile(`[0-9A-HJKMNP-TV-Z]{6}(?:-[0-9A-HJKMNP-TV-Z]{6}){3}`).FindAllString(done.Body.String(), -1)
	if len(codes) != 10 {
		b.Fatalf("%d recovery codes", len(codes))
	}
	return m[1], codes
}

func TestFirstSignInToRecoveryCode(t *testing.T) {
	asvs.Covers(t, "6.2.2", "6.2.3", "6.4.1")
	w := newWorld(t)
	mali, b := w.owner(), w.browser()

	b.to(b.get("/test/keys"), "/login?return_to=test.keys")
	b.to(b.post("/login", url.Values{"username": {" MALI "}, "password": {mali.initial}, "return_to": {"test.keys"}}), "/password?return_to=test.keys")
	b.to(b.get("/"), "/password")
	b.shows(b.changePassword(mali.initial, "short"), 422, "Use at least 15 characters")
	b.shows(b.post("/password", url.Values{"current": {mali.initial}, "new": {firstPassword}, "repeat": {"x"}}), 422, "The two new passwords differ")
	b.shows(b.changePassword("not it", firstPassword), 422, "not your current password")
	b.to(b.post("/password", url.Values{
		"current": {mali.initial}, "new": {firstPassword}, "repeat": {firstPassword}, "return_to": {"test.keys"},
	}), "/test/keys")
	b.shows(b.get("/"), 200, "Your password is changed")

	seed, codes := b.enrol(firstPassword)
	b.to(b.post("/logout", nil), "/login")
	b.to(b.get("/account"), "/login?return_to=account")

	w.clock.pass(time.Minute)
	b.to(b.login(mali, firstPassword), "/login/code")
	b.to(b.get("/account"), "/login/code")
	b.shows(b.post("/login/code", url.Values{"code": {"123456"}}), 422, "That code does not work")
	b.to(b.post("/login/code", url.Values{"code": {w.code(seed)[:3] + " " + w.code(seed)[3:]}}), "/")
	b.shows(b.get("/account/sign-ins"), 200, "App code")
	b.to(b.post("/logout", nil), "/login")

	b.to(b.login(mali, firstPassword), "/login/code")
	b.shows(b.post("/login/recovery", url.Values{"code": {"000000-000000-000000-000000"}}), 422, "That recovery code does not work")
	b.to(b.post("/login/recovery", url.Values{"code": {strings.ToLower(codes[3])}}), "/")
	b.shows(b.get("/account/2fa"), 200, "9 of 10 not used")
}

func TestSudoIsAskedForAndRunsOut(t *testing.T) {
	asvs.Covers(t, "7.5.3")
	w := newWorld(t)
	mali := w.owner()
	b := w.seat(mali, controlplane.SessionActive, false)
	b.to(b.get("/live/key/issue"), "/sudo?return_to=live.keys.issue")
	b.shows(b.post("/sudo", url.Values{"password": {"wrong"}, "return_to": {"live.keys.issue"}}), 422, "That is not your password")
	b.to(b.post("/sudo", url.Values{"password": {mali.initial}, "return_to": {"live.keys.issue"}}), "/live/key/issue")
	page := b.get("/live/key/issue")
	b.shows(page, 200, "")
	w.clock.pass(10 * time.Minute)
	b.to(b.post("/live/key/issue", url.Values{"once": {b.field(page, "once")}}), "/sudo?return_to=live.keys.issue")
}

func TestRemovingTheSecondFactorAsksForAPasswordThatStandsAlone(t *testing.T) {
	w := newWorld(t)
	mali := w.owner()
	w.enrolled(mali)
	b := w.seat(mali, controlplane.SessionActive, true)
	b.to(b.post("/account/2fa/remove", nil), "/password")
	b.shows(b.get("/password"), 200, "long enough to stand alone")
}

func TestSessionEndsWhenIdleAndSaysSo(t *testing.T) {
	asvs.Covers(t, "7.3.1")
	w := newWorld(t)
	b := w.seat(w.owner(), controlplane.SessionActive, false)
	for range 4 {
		w.clock.pass(14 * time.Minute)
		b.shows(b.get("/account"), 200, "Your account")
	}
	w.clock.pass(15 * time.Minute)
	b.to(b.get("/account"), "/login?return_to=account")
	b.shows(b.get("/login"), 200, "Your session has ended")
}

func TestSessionsAreListedAndEnded(t *testing.T) {
	asvs.Covers(t, "7.5.2")
	w := newWorld(t)
	mali := w.owner()
	here, there, third := w.seat(mali, controlplane.SessionActive, false), w.seat(mali, controlplane.SessionActive, false), w.seat(mali, controlplane.SessionActive, false)
	id, _, _ := strings.Cut(there.cookies[sessionCookie], ".")
	here.shows(here.get("/account/sessions"), 200, "/account/sessions/"+id+"/end")
	here.to(here.post("/account/sessions/"+id+"/end", nil), "/account/sessions")
	there.to(there.get("/account"), "/login?return_to=account")
	here.shows(here.post("/account/sessions/"+id+"/end", nil), 404, "There is nothing here")
	here.to(here.post("/account/sessions/end-others", nil), "/account/sessions")
	third.to(third.get("/account"), "/login?return_to=account")
	here.shows(here.get("/account"), 200, "Your account")
}

func TestSessionOfAnotherUserCannotBeEnded(t *testing.T) {
	w := newWorld(t)
	own, other := w.site("Own"), w.site("Other")
	victim := w.seat(other.users[controlplane.RoleOwner], controlplane.SessionActive, false)
	b := w.seat(own.users[controlplane.RoleOwner], controlplane.SessionActive, false)
	id, _, _ := strings.Cut(victim.cookies[sessionCookie], ".")
	b.shows(b.post("/account/sessions/"+id+"/end", nil), 404, "There is nothing here")
	victim.shows(victim.get("/account"), 200, "Your account")
}

func TestTooManyAttemptsSayWhenToComeBack(t *testing.T) {
	w := newWorld(t)
	mali, b := w.owner(), w.browser()
	for range 10 {
		b.shows(b.login(mali, "wrong"), 422, "Username or password is not right")
	}
	rec := b.login(mali, mali.initial)
	b.shows(rec, 429, "Try again in 15 min")
	if rec.Header().Get("Retry-After") != "900" {
		t.Errorf("Retry-After %q", rec.Header().Get("Retry-After"))
	}
	w.clock.pass(15 * time.Minute)
	b.to(b.login(mali, mali.initial), "/password")
}
