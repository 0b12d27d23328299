package api

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

func TestPathQueryAndBodyBecomeOneInput(t *testing.T) {
	b := newBench(t)
	for _, tc := range []struct{ method, target, body, want string }{
		{"GET", "/merchants", "", `{}`},
		{"GET", "/merchants?limit=7&all=true&name=a%26b&since=2026-01-31T15:04:05Z&before=9007199254740993", "",
			`{"all":true,"before":9007199254740993,"limit":7,"name":"a\u0026b","since":"2026-01-31T15:04:05Z"}`},
		{"HEAD", "/merchants/mer_1", "", `{"merchant_id":"mer_1"}`},
		{"GET", "/merchants/mer%2F1", "", `{"merchant_id":"mer/1"}`},
		{"PATCH", "/merchants/mer_1", `{"name":"x"}`, `{"merchant_id":"mer_1","name":"x"}`},
		{"POST", "/merchants/mer_1/suspend", "", `{"merchant_id":"mer_1"}`},
		{"POST", "/merchants/mer_1/users/usr_1/disable", `{}`, `{"merchant_id":"mer_1","user_id":"usr_1"}`},
		{"DELETE", "/merchants/mer_1/allowlist?cidr=8.8.8.0%2F24", "", `{"cidr":"8.8.8.0/24","merchant_id":"mer_1"}`},
	} {
		if rec := b.ask(tc.method, Prefix+tc.target, tc.body); rec.Code != http.StatusOK || b.last != tc.want {
			t.Errorf("%s %s %s: HTTP %d, %s; want %s", tc.method, tc.target, tc.body, rec.Code, b.last, tc.want)
		}
	}
}

func TestRequestsThatSayTooMuchAreRefused(t *testing.T) {
	b := newBench(t)
	long := `{"name":"` + strings.Repeat("x", maxBody) + `"}`
	for _, tc := range []struct {
		method, target, body string
		status               int
		detail               string
	}{
		{"GET", "/merchants?nope=1", "", 400, "it takes: "},
		{"GET", "/merchants?limit=1&limit=2", "", 400, ""},
		{"GET", "/merchants?limit=x", "", 400, ""},
		{"GET", "/merchants?all=1", "", 400, ""},
		{"GET", "/merchants?since=yesterday", "", 400, ""},
		{"GET", "/merchants?%zz", "", 400, "not well-formed"},
		{"GET", "/merchants/mer_1?merchant_id=mer_2", "", 400, ""},
		{"PATCH", "/merchants/mer_1", `{"merchant_id":"mer_2","name":"x"}`, 400, ""},
		{"PATCH", "/merchants/mer_1", `{"Merchant_ID":"mer_2"}`, 400, ""},
		{"PATCH", "/merchants/mer_1?name=x", `{}`, 400, "no query"},
		{"PATCH", "/merchants/mer_1", `[]`, 400, "not one JSON object"},
		{"PATCH", "/merchants/mer_1", `null`, 400, "not one JSON object"},
		{"PATCH", "/merchants/mer_1", `{} {}`, 400, "not one JSON object"},
		{"PATCH", "/merchants/mer_1", long, 413, "larger than"},
		{"PUT", "/merchants/mer_1", `{}`, 405, "GET, HEAD, PATCH"},
		{"POST", "/openapi.json", `{}`, 405, "GET, HEAD"},
		{"GET", "/nothing", "", 404, "openapi.json"},
		{"GET", "/merchants//users", "", 404, ""},
		{"GET", "/merchants/../audit", "", 404, ""},
	} {
		rec := b.ask(tc.method, Prefix+tc.target, tc.body)
		p := b.problem(rec)
		if rec.Code != tc.status || b.last != "" || !strings.Contains(p.Detail, tc.detail) || tc.detail == "" && tc.status == 400 && len(p.Fields) == 0 {
			t.Errorf("%s %s: HTTP %d %s", tc.method, tc.target, rec.Code, rec.Body)
		}
		if allow := rec.Header().Get("Allow"); (tc.status == 405) != (allow != "") {
			t.Errorf("%s %s: Allow %q", tc.method, tc.target, allow)
		}
	}
	rec := b.ask("PATCH", Prefix+"/merchants/mer_1", "name=x", func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") })
	if p := b.problem(rec); rec.Code != 415 || p.Code != controlplane.CodeInvalid {
		t.Errorf("a form: HTTP %d", rec.Code)
	}
}

func TestEveryCodeHasItsStatus(t *testing.T) {
	b := newBench(t)
	for code, status := range map[controlplane.Code]int{
		controlplane.CodeInvalid: 400, controlplane.CodeUnauthenticated: 401, controlplane.CodeDenied: 403, controlplane.CodeSudoRequired: 403,
		controlplane.CodeSuspended: 403, controlplane.CodeNotFound: 404, controlplane.CodeConflict: 409, controlplane.CodeLimit: 409,
		controlplane.CodeUnavailable: 503, controlplane.CodeInternal: 500,
	} {
		b.fail = &controlplane.Error{Code: code, Message: "why"}
		rec := b.ask("GET", Prefix+"/status", "")
		if p := b.problem(rec); rec.Code != status || p.Code != code {
			t.Errorf("%s: HTTP %d %s", code, rec.Code, rec.Body)
		}
		if wait := rec.Header().Get("Retry-After"); (status == 503) != (wait != "") {
			t.Errorf("%s: Retry-After %q", code, wait)
		}
	}
	b.fail = &controlplane.Error{Code: controlplane.CodeLimit, RetryAfter: 1500 * time.Millisecond}
	if rec := b.ask("GET", Prefix+"/status", ""); rec.Code != 429 || rec.Header().Get("Retry-After") != "2" {
		t.Errorf("a limit of attempts: HTTP %d %v", rec.Code, rec.Header())
	}
}

func TestCausesOfFaultsGoToTheLogOnly(t *testing.T) {
	b := newBench(t)
	b.fail = fmt.Errorf("write: %w", errBroken)
	rec := b.ask("POST", Prefix+"/merchants/mer_1/suspend", "")
	if p := b.problem(rec); p.Code != controlplane.CodeInternal || strings.Contains(rec.Body.String(), "canary") {
		t.Errorf("%s", rec.Body)
	}
	line := b.logs.All()[0]
	fields := fmt.Sprint(line.ContextMap())
	if !strings.Contains(fields, "canary") || !strings.Contains(fields, "stt_1") || strings.Contains(fields, "mer_1") || strings.Contains(fields, goodToken) {
		t.Errorf("%s", fields)
	}
}

func TestPanicsAreProblems(t *testing.T) {
	b := newBench(t)
	a := b.handler.(*api)
	broken := a.calls[controlplane.OpSystemStatus]
	broken.Do = nil
	a.calls[controlplane.OpSystemStatus] = broken
	if p := b.problem(b.ask("GET", Prefix+"/status", "")); p.Code != controlplane.CodeInternal {
		t.Errorf("%+v", p)
	}
}

func TestTokensComeInOneHeader(t *testing.T) {
	b := newBench(t)
	for name, tc := range map[string]struct {
		values []string
		status int
	}{
		"good":         {[]string{"Bearer " + goodToken}, 200},
		"other case":   {[]string{"bearer  " + goodToken}, 200},
		"wrong":        {[]string{"Bearer x"}, 401},
		"none":         {nil, 401},
		"twice":        {[]string{"Bearer " + goodToken, "Bearer " + goodToken}, 401},
		"basic":        {[]string{"Basic " + goodToken}, 401},
		"token alone":  {[]string{goodToken}, 401},
		"empty header": {[]string{""}, 401},
	} {
		rec := b.ask("GET", Prefix+"/status", "", func(r *http.Request) { r.Header["Authorization"] = tc.values })
		if rec.Code != tc.status || (tc.status == 401) != (rec.Header().Get("WWW-Authenticate") == `Bearer realm="admin"`) {
			t.Errorf("%s: HTTP %d %v", name, rec.Code, rec.Header())
		}
	}
	// Strangers learn not even which addresses there are.
	for _, target := range []string{"/nothing", "/status", "/merchants/mer_1"} {
		rec := b.ask("DELETE", Prefix+target, "", func(r *http.Request) { r.Header.Del("Authorization") })
		if p := b.problem(rec); p.Code != controlplane.CodeUnauthenticated {
			t.Errorf("%s: %+v", target, p)
		}
	}
}

func TestWrongTokensAreThrottledByNetwork(t *testing.T) {
	b := newBench(t)
	from := func(address, token string) int {
		return b.ask("GET", Prefix+"/status", "", func(r *http.Request) {
			r.RemoteAddr = address
			r.Header.Set("Authorization", "Bearer "+token)
		}).Code
	}
	for range wrongTokens {
		if code := from("[2001:db8::1]:5", "wrong"); code != 401 {
			t.Fatalf("HTTP %d", code)
		}
	}
	for address, want := range map[string]int{"[2001:db8::2]:5": 429, "[2001:db8:0:1::2]:5": 200, "192.0.2.1:5": 200} {
		if code := from(address, goodToken); code != want {
			t.Errorf("%s: HTTP %d, want %d", address, code, want)
		}
	}
	b.now = b.now.Add(wrongWindow)
	if code := from("[2001:db8::2]:5", goodToken); code != 200 {
		t.Errorf("after the window: HTTP %d", code)
	}
}

func TestThrottleRemembersABoundedNumberOfNetworks(t *testing.T) {
	now := time.Unix(1_790_000_000, 0)
	th := newThrottle(func() time.Time { return now })
	for i := range maxThrottled + 10 {
		th.count(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}))
	}
	if n := len(th.seen); n > maxThrottled {
		t.Errorf("%d networks", n)
	}
	for i := range maxThrottled {
		if now = now.Add(wrongWindow / maxThrottled); i%7 == 0 {
			th.count(netip.Addr{})
		}
	}
	if th.wait(netip.Addr{}) == 0 {
		t.Error("addresses that cannot be told are not throttled together")
	}
}
