package caddymodule

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// eventsSite is a site for events, a token for it and a merchant.
func eventsSite(t testing.TB) (s *site, token, merchantID string) {
	t.Helper()
	s = startSite(t, func(s *site) { s.routes = "merchant_events\nreverse_proxy " + s.upstream.address })
	return s, s.serviceToken(), s.newMerchant()
}

func TestEventsAreTakenInOrExplained(t *testing.T) {
	s, token, m := eventsSite(t)
	one := func(fields string) string {
		return `{"merchant_id":"` + m + `","environment":"live","type":"deposit.success",` + fields + `}`
	}
	good := one(`"data":{"id":"dep_1"}`)
	long := strings.Repeat("x", controlplane.MaxEventData)
	inBatch := func(n int, event string) string {
		return `{"events":[` + strings.TrimSuffix(strings.Repeat(event+",", n), ",") + `]}`
	}
	for _, c := range []struct {
		name, key, body string
		status          int
		want            []string
	}{
		{"one event", "a", good, 202, []string{`{"id":"evt_`}},
		{"the same again", "a", one(`"data": { "id" : "dep_1" }`), 202, []string{`"duplicate":true`}},
		{"the key for something else", "a", one(`"data":{}`), 409, []string{`"code":"CONFLICT"`, "evt_"}},
		{"no key", "", good, 400, []string{`"field":"Idempotency-Key"`, "is required"}},
		{"a key with a space", "a b", good, 400, []string{`"field":"Idempotency-Key"`, "1 to 255 printable ASCII"}},
		{"nothing", "b", "", 400, []string{"the body ends before its JSON does"}},
		{"half of it", "b", good[:30], 400, []string{"the body ends before its JSON does"}},
		{"no JSON", "b", "merchant_id=1", 400, []string{"the body is not JSON at byte"}},
		{"a list", "b", "[" + good + "]", 400, []string{"the body is not an object"}},
		{"two of them", "b", good + good, 400, []string{"something behind the JSON object"}},
		{"an unknown field", "b", one(`"data":{},"amount":1`), 400, []string{`"field":"amount"`, "is not known"}},
		{"a field in other letters", "b", one(`"Data":{}`), 400, []string{`"field":"Data"`, "is not known"}},
		{"a field twice", "b", one(`"data":{},"data":{}`), 400, []string{`"field":"data"`, "is given twice"}},
		{"the key in the body", "b", one(`"data":{},"idempotency_key":"b"`), 400, []string{`"field":"idempotency_key"`, "is not known"}},
		{"a number for a text", "b", `{"merchant_id":1,"environment":null,"type":"deposit.success","data":{}}`, 400,
			[]string{`{"field":"merchant_id","message":"must be a string"},{"field":"environment","message":"must be a string"}`}},
		{"fields missing", "b", "{}", 400, []string{`"field":"merchant_id"`, `"field":"environment"`, `"field":"type"`, `"field":"data"`}},
		{"no object as data", "b", one(`"data":[1]`), 400, []string{`"field":"data"`, "must be a JSON object"}},
		{"an unknown type", "b", strings.Replace(good, "deposit.success", "webhook.test", 1), 400, []string{`"field":"type"`, "deposit.success deposit.expired"}},
		{"an unknown merchant", "b", strings.Replace(good, m, controlplane.FormatID(controlplane.PrefixMerchant, [16]byte{1}), 1), 400, []string{`"field":"merchant_id"`, "no merchant has this id"}},
		{"too much data", "b", one(`"data":{"x":"` + long + `"}`), 413, []string{`"code":"TOO_LARGE"`, `"field":"data"`}},
		{"too long a body", "b", one(`"data":{` + strings.Repeat(" ", maxEventsBody) + `}`), 413, []string{`"code":"TOO_LARGE"`, "send fewer events at once"}},
		{"a batch", "", `{"events":[` + good[:len(good)-1] + `,"idempotency_key":"c"},` + good[:len(good)-1] + `,"idempotency_key":"a"}]}`, 202,
			[]string{`{"events":[{"id":"evt_`, `"duplicate":true`}},
		{"an empty batch", "", `{"events":[]}`, 400, []string{"has 0 events"}},
		{"no batch", "", `{"events":{}}`, 400, []string{`"field":"events"`, "must be a list"}},
		{"mistakes in a batch", "", `{"events":[{"idempotency_key":"d","type":"x","data":7}]}`, 400, []string{`"field":"events[0].type"`, `"field":"events[0].data"`, `"field":"events[0].merchant_id"`}},
		{"an element that is no event", "", `{"events":[7]}`, 400, []string{"events[0] is not an object"}},
		{"no key in a batch", "", `{"events":[` + good + `]}`, 400, []string{`"field":"events[0].idempotency_key"`}},
		{"a batch with the header", "b", inBatch(1, good), 400, []string{`"field":"Idempotency-Key"`, "belongs to a single event"}},
		{"a batch and an event", "", `{"events":[],"data":{}}`, 400, []string{`"field":"events"`, "stands alone"}},
		{"a list twice", "", `{"events":[],"events":[]}`, 400, []string{`[{"field":"events","message":"is given twice"}]`}},
		{"too big a batch", "", inBatch(1001, "{}"), 400, []string{"more than 1000 events"}},
		{"a thousand mistakes", "", inBatch(1000, "{}"), 400, []string{"4900 more mistakes are not shown"}},
		{"too much data in a batch", "", inBatch(2, one(`"idempotency_key":"e","data":{"x":"`+long+`"}`)), 413, []string{`"field":"events[1].data"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.wantAnswer(t, s.do(s.events(token, c.key, c.body)), c.status, c.want...)
		})
	}
	if seen := s.upstream.take(); len(seen) != 0 {
		t.Errorf("the upstream saw %+v", seen)
	}
	if log := s.readLog(); strings.Contains(log, token) || strings.Contains(log, "dep_1") || !strings.Contains(log, `"service_token_id":"svt_`) || !strings.Contains(log, `"event_code":"CONFLICT"`) {
		t.Error("the log holds a token or an event, or says nothing")
	}
	if n := s.counter(t, "caddy_merchants_event_requests_total", `code="ACCEPTED"`); n != 3 {
		t.Errorf("%v requests counted", n)
	}
}

func (s *site) wantAnswer(t *testing.T, a answer, status int, want ...string) {
	t.Helper()
	if status >= 400 {
		want = append(want, `"request_id":"`+a.header.Get("X-Unk-Request-Id")+`"`)
	}
	if a.status != status || a.header.Get("Content-Type") != "application/json" || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("answer %d %v, want %d", a.status, a.header, status)
	}
	for _, text := range want {
		if !strings.Contains(a.body, text) {
			t.Errorf("no %s in %.500s", text, a.body)
		}
	}
}

func TestEventsNeedAServiceToken(t *testing.T) {
	s, token, m := eventsSite(t)
	n := s.node()
	revoked, err := n.service.IssueServiceToken(t.Context(), operator, controlplane.IssueServiceToken{Name: "old"})
	check(t, err)
	_, err = n.service.RevokeServiceToken(t.Context(), operator, revoked.Token.ID)
	check(t, err)
	for _, c := range []struct{ name, header, challenge string }{
		{"none", "", `Bearer realm="events"`},
		{"another scheme", "Basic " + token, `Bearer realm="events"`},
		{"one that never was", "Bearer " + token[:len(token)-1] + "_", `Bearer realm="events", error="invalid_token"`},
		{"a revoked one", "Bearer " + revoked.Secret.Reveal(), `Bearer realm="events", error="invalid_token"`},
		{"the hash of one", "Bearer " + strings.Repeat("0", 64), `Bearer realm="events", error="invalid_token"`},
	} {
		r := s.event("", "a", m, "{}")
		if c.header != "" {
			r.Header.Set("Authorization", c.header)
		}
		a := s.do(r)
		s.wantAnswer(t, a, 401, `"code":"UNAUTHENTICATED"`)
		if got := a.header.Get("WWW-Authenticate"); got != c.challenge {
			t.Errorf("%s: challenge %q", c.name, got)
		}
	}
	twice := s.event(token, "a", m, "{}")
	twice.Header.Add("Authorization", "Bearer "+token)
	s.wantAnswer(t, s.do(twice), 401)

	for range wrongTokenLimit {
		s.do(s.event("", "a", m, "{}"))
	}
	a := s.do(s.event("unks_svc_x", "a", m, "{}"))
	s.wantAnswer(t, a, 429, `"code":"RATE_LIMITED"`)
	if after := a.header.Get("Retry-After"); after == "" || after == "0" {
		t.Errorf("Retry-After %q", after)
	}
	lower := s.event("", "a", m, "{}")
	lower.Header.Set("Authorization", "bearer "+token)
	s.wantAnswer(t, s.do(lower), 202)
}

func TestWrongTokensAreCountedByPlace(t *testing.T) {
	w, now := newWrongTokens(), time.Now()
	v6 := netip.MustParseAddr("2001:db8::1")
	for i := range wrongTokenLimit + 1 {
		if wait := w.count(v6, now); (wait > 0) != (i == wrongTokenLimit) {
			t.Fatalf("the %d. waits %v", i+1, wait)
		}
	}
	for ip, waits := range map[string]bool{"2001:db8::ffff": true, "2001:db8:0:1::1": false, "::ffff:192.0.2.1": false} {
		if wait := w.count(netip.MustParseAddr(ip), now); (wait > 0) != waits {
			t.Errorf("%s waits %v", ip, wait)
		}
	}
	if wait := w.count(netip.Addr{}, now); wait != 0 {
		t.Errorf("nobody waits %v", wait)
	}
	if wait := w.count(v6, now.Add(wrongTokenWindow)); wait != 0 {
		t.Errorf("after the window it waits %v", wait)
	}
	for i := range 2 * wrongTokenPlaces {
		w.count(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), now)
	}
	if len(w.places) > wrongTokenPlaces {
		t.Errorf("%d places are remembered", len(w.places))
	}
	if wait := w.count(netip.MustParseAddr("192.0.2.9"), now); wait != wrongTokenWindow {
		t.Errorf("without room it waits %v", wait)
	}
	if wait := w.count(netip.MustParseAddr("192.0.2.9"), now.Add(2*wrongTokenWindow)); wait != 0 {
		t.Errorf("with room again it waits %v", wait)
	}
}

func TestOtherRequestsForEvents(t *testing.T) {
	s, token, m := eventsSite(t)
	get := s.event(token, "a", m, "{}")
	get.Method = http.MethodGet
	a := s.do(get)
	s.wantAnswer(t, a, 405, `"code":"METHOD_NOT_ALLOWED"`)
	if a.header.Get("Allow") != "POST" {
		t.Errorf("Allow %q", a.header.Get("Allow"))
	}
	for name, value := range map[string]string{"Content-Type": "text/plain", "Content-Encoding": "gzip"} {
		r := s.event(token, "a", m, "{}")
		r.Header.Set(name, value)
		s.wantAnswer(t, s.do(r), 415, `"code":"UNSUPPORTED_MEDIA_TYPE"`)
	}
	utf8 := s.event(token, "a", m, "{}")
	utf8.Header.Set("Content-Type", "application/json; charset=utf-8")
	s.wantAnswer(t, s.do(utf8), 202)

	chunked := s.events(token, "b", "")
	chunked.Body, chunked.ContentLength = io.NopCloser(strings.NewReader(`{"data":{`+strings.Repeat(" ", maxEventsBody))), -1
	a, err := send(s.client(), chunked)
	check(t, err)
	s.wantAnswer(t, a, 413, `"code":"TOO_LARGE"`)

	other := s.event(token, "a", m, "{}")
	other.URL.Path = "/v1/other"
	if a := s.do(other); a.status != 200 || len(s.upstream.take()) != 1 {
		t.Errorf("another path: %d %s", a.status, a.body)
	}
	budget := &s.app().data.bodies.budget
	limit := budget.limit.Swap(0)
	a = s.do(s.event(token, "c", m, "{}"))
	budget.limit.Store(limit)
	s.wantAnswer(t, a, 503, `"code":"UNAVAILABLE"`)
	if a.header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
	}
	if used := budget.used.Load(); used != 0 {
		t.Errorf("%d bytes are still reserved", used)
	}
}

func TestRacingCopiesOfAnEventAreOne(t *testing.T) {
	s, token, m := eventsSite(t)
	var mu sync.Mutex
	answers := map[string]int{}
	var callers sync.WaitGroup
	for range 64 {
		callers.Go(func() {
			a, err := patiently(s.client(), func() *http.Request { return s.event(token, "once", m, `{"id":"dep_1"}`) })
			if err != nil || a.status != 202 {
				t.Errorf("%d %s %v", a.status, a.body, err)
			}
			mu.Lock()
			defer mu.Unlock()
			answers[strings.Replace(a.body, `,"duplicate":true`, "", 1)]++
		})
	}
	callers.Wait()
	if len(answers) != 1 {
		t.Errorf("answers %v", answers)
	}
}

func TestASuspendedMerchantIsTold(t *testing.T) {
	s, r := startEvents(t)
	token, m := s.serviceToken(), s.newMerchant()
	e := s.endpoint(m, r.server.URL)
	_, err := s.node().service.SuspendMerchant(t.Context(), operator, m)
	check(t, err)
	s.wantAnswer(t, s.do(s.event(token, "a", m, `{"id":"dep_1"}`)), 202)
	wantSigned(t, r.wait(t), e.Secret)
}

func TestFailuresOfOursSayWhenToTryAgain(t *testing.T) {
	s, token, m := eventsSite(t)
	check(t, s.node().db.Close())
	a := s.do(s.event(token, "a", m, "{}"))
	s.wantAnswer(t, a, 503, `"code":"UNAVAILABLE"`)
	if a.header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
	}
	for err, want := range map[error]int{
		controlplane.Errorf(controlplane.CodeLimit, "x"):                   429,
		controlplane.Errorf(controlplane.CodeDenied, "x"):                  403,
		fmt.Errorf("disk on fire: %w", context.Canceled):                   500,
		&controlplane.Error{Code: controlplane.CodeInternal, Message: "x"}: 500,
	} {
		e := asIntakeError(err)
		if e.status != want || strings.Contains(e.message, "fire") || (want == 429) != (e.retryAfter > 0) {
			t.Errorf("%v: %d %q %v", err, e.status, e.message, e.retryAfter)
		}
	}
}

// TestTheAnswerToALongBodyArrives writes all of a body before it reads, as many
// clients do: a server that closes early resets the connection under them.
func TestTheAnswerToALongBodyArrives(t *testing.T) {
	s, token, m := eventsSite(t)
	body := `{"merchant_id":"` + m + `","data":{` + strings.Repeat(" ", 3*maxEventsBody) + `}}`
	for framing, r := range map[string]string{
		"a length": fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body),
		"chunks":   fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(body), body),
	} {
		c, err := net.Dial("tcp", s.plain)
		check(t, err)
		defer c.Close()
		_, err = io.WriteString(c, "POST /v1/events HTTP/1.1\r\nHost: gateway.test\r\nAuthorization: Bearer "+token+"\r\nContent-Type: application/json\r\nIdempotency-Key: a\r\n"+r)
		if err != nil {
			t.Errorf("%s: %v", framing, err)
			continue
		}
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		check(t, err)
		answer, err := io.ReadAll(res.Body)
		check(t, err)
		if res.StatusCode != 413 || !strings.Contains(string(answer), "TOO_LARGE") {
			t.Errorf("%s: %d %s", framing, res.StatusCode, answer)
		}
	}
}
