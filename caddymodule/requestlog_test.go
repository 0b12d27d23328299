package caddymodule

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/unknownpay/merchant-gateway/caddymodule/gate"
	"github.com/unknownpay/merchant-gateway/controlplane"
)

// keptRequests is a store that keeps what it gets, once it is let.
type keptRequests struct {
	mu    sync.Mutex
	gate  chan struct{} // nil: open
	fails bool
	controlplane.RequestBatch
}

func (k *keptRequests) RecordRequests(_ context.Context, b controlplane.RequestBatch) error {
	if k.gate != nil {
		<-k.gate
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fails {
		return errors.New("the store is away")
	}
	k.Requests, k.Counts, k.Addresses = append(k.Requests, b.Requests...), append(k.Counts, b.Counts...), append(k.Addresses, b.Addresses...)
	return nil
}

func (k *keptRequests) PurgeRequests(context.Context) (bool, error) { return false, nil }

// minutes sums up what was counted by minute.
func (k *keptRequests) minutes() (count, unlisted int64) {
	for _, c := range k.Counts {
		if c.Span == controlplane.SpanMinute {
			count, unlisted = count+c.Count, unlisted+c.Unlisted
		}
	}
	return count, unlisted
}

func newTestLog(t *testing.T, store *keptRequests, set *requestLogSettings) *requestLog {
	l := newRequestLog(store, func(error) {})
	l.set.Store(set)
	return l
}

// decided is a request that a merchant's key was refused for, or not.
func decided(merchant byte, env controlplane.Environment) (*decision, *http.Request, *gate.Refusal) {
	f := gate.Facts{
		Merchant: [16]byte{15: merchant}, KeyID: "unk_" + string(env) + "_" + strings.Repeat("1", 22), Environment: env,
		ClientIP: netip.MustParseAddr("203.0.113.9"), AllowlistRow: 7, SignedAt: time.Now().Unix(),
	}
	d := &decision{begun: time.Now(), requestID: newRequestID(time.Now()), facts: f}
	r := httptest.NewRequest("POST", "/v1/pay?card=4111", nil)
	return d, r, &gate.Refusal{Code: gate.SignatureMismatch, Facts: f, Hint: "query_left_out"}
}

// A log that nobody writes down makes no request wait, and says what it lost.
func TestFullQueueDropsAndCounts(t *testing.T) {
	store := &keptRequests{gate: make(chan struct{})}
	l := newTestLog(t, store, &requestLogSettings{queue: 16})
	for i := range 100 {
		d, r, refusal := decided(byte(i%5), controlplane.Live)
		l.refused(d, r, refusal, nil, true)
	}
	s := l.status()
	// The loop may hold one batch that it took before the store hung.
	if s.Dropped < 100-2*16 || s.Dropped > 100-16 || s.Queued > 16 {
		t.Errorf("%+v", s)
	}
	close(store.gate)
	l.close()
	count, unlisted := store.minutes()
	if int64(len(store.Requests))+l.dropped.Load() != 100 || count != 100 || unlisted != l.dropped.Load() || l.written.Load() != int64(len(store.Requests)) {
		t.Errorf("%d rows, %d dropped, %d counted, %d said to be unlisted", len(store.Requests), l.dropped.Load(), count, unlisted)
	}
}

func TestStoreThatFailsLosesRowsAndSaysSo(t *testing.T) {
	store := &keptRequests{fails: true}
	l := newTestLog(t, store, &requestLogSettings{queue: 16})
	d, r, refusal := decided(1, controlplane.Live)
	l.refused(d, r, refusal, nil, true)
	l.close()
	if l.dropped.Load() != 1 || l.written.Load() != 0 {
		t.Errorf("%+v", l.status())
	}
}

// One merchant's flood takes no rows from the others, and all of it is counted.
func TestFloodOfAMerchantIsLimited(t *testing.T) {
	store := &keptRequests{}
	l := newTestLog(t, store, &requestLogSettings{queue: maxLogQueue})
	at := time.Now()
	for range logBurst + 500 {
		d, r, refusal := decided(1, controlplane.Live)
		d.begun = at
		l.refused(d, r, refusal, nil, true)
	}
	d, r, refusal := decided(2, controlplane.Live)
	l.refused(d, r, refusal, nil, true)
	d, r, refusal = decided(1, controlplane.Live)
	d.begun = at.Add(2 * logInterval)
	l.refused(d, r, refusal, nil, true)
	l.close()
	if count, unlisted := store.minutes(); len(store.Requests) != logBurst+2 || count != logBurst+502 || unlisted != 500 || l.limited.Load() != 500 {
		t.Errorf("%d rows, %d counted, %d unlisted, %d limited", len(store.Requests), count, unlisted, l.limited.Load())
	}
}

func TestAcceptedRequestsThatAreNotListedDoNotAllocate(t *testing.T) {
	l := newTestLog(t, &keptRequests{}, &requestLogSettings{queue: 16})
	defer l.close()
	d, r, _ := decided(1, controlplane.Live)
	l.accepted(d, r)
	if n := testing.AllocsPerRun(1000, func() { l.accepted(d, r) }); n > 0.01 { // a flush in between makes the counts anew
		t.Errorf("%v allocations", n)
	}
}

func TestAcceptedRequestsAreSampled(t *testing.T) {
	for _, c := range []struct {
		env    controlplane.Environment
		sample float64
		least  int
		most   int
	}{{controlplane.Live, 0, 0, 0}, {controlplane.Live, 1, 200, 200}, {controlplane.Live, 0.5, 50, 150}, {controlplane.Test, 0, 200, 200}} {
		store := &keptRequests{}
		l := newTestLog(t, store, &requestLogSettings{sample: c.sample, queue: maxLogQueue})
		for range 200 {
			d, r, _ := decided(1, c.env)
			l.accepted(d, r)
		}
		l.close()
		count, unlisted := store.minutes()
		if n := len(store.Requests); n < c.least || n > c.most || count != 200 || unlisted != 0 || len(store.Addresses) == 0 || store.Addresses[0].Count > 200 {
			t.Errorf("%+v: %d rows, %d counted, addresses %+v", c, n, count, store.Addresses)
		}
	}
}

func TestLogThatIsOffKeepsNothing(t *testing.T) {
	store := &keptRequests{}
	l := newTestLog(t, store, nil)
	d, r, refusal := decided(1, controlplane.Test)
	l.accepted(d, r)
	l.refused(d, r, refusal, nil, true)
	l.close()
	if store.Len() != 0 || l.status() != nil {
		t.Errorf("kept %+v", store.RequestBatch)
	}
}

// listed returns the rows that a running gateway has logged of a merchant.
func (s *site) listed(m merchant, env controlplane.Environment) []controlplane.LoggedRequest {
	s.t.Helper()
	s.node().requests.flushRows(maxLogQueue)
	all, err := s.node().service.ListRequests(s.t.Context(), operator, controlplane.RequestFilter{MerchantID: m.id, Environment: env})
	check(s.t, err)
	return all
}

func TestLogHoldsNothingPrivate(t *testing.T) {
	s := startSite(t, func(s *site) { s.merchants = "request_log {\nsample 100%\n}" })
	m := s.merchant(controlplane.Live, "127.0.0.1")
	s.wantPassed(s.do(s.request(m, "POST", "/v1/pay?card=4111111111111111", "body-of-the-request")))
	r := s.request(m, "POST", "/v1/pay?card=4111111111111111", "body-of-the-request")
	mac := r.Header.Get("X-Unk-Signature")
	r.Header.Set("X-Unk-Nonce", "another-nonce-than-signed")
	s.wantRefused(s.do(r), 401, "SIGNATURE_MISMATCH")
	rows := s.listed(m, controlplane.Live)
	if len(rows) != 2 || rows[0].Code != "SIGNATURE_MISMATCH" || rows[1].Outcome != controlplane.RequestAccepted {
		t.Fatalf("%+v", rows)
	}
	for _, q := range rows {
		whole, err := s.node().service.Request(t.Context(), operator, controlplane.RequestRef{MerchantID: m.id, RequestID: q.ID})
		check(t, err)
		text, err := json.Marshal(whole)
		check(t, err)
		for _, private := range []string{"4111", "body-of", mac[3:], m.secret, "another-nonce"} {
			if strings.Contains(string(text), private) {
				t.Errorf("the log holds %q: %s", private, text)
			}
		}
		if q.Path != "/v1/pay" || q.Method != "POST" || q.ClientIP.String() != "127.0.0.1" || q.Why.EntryRow == 0 || !q.Why.Signed {
			t.Errorf("%+v", q)
		}
	}
}

func TestUnknownKeysAreThePlatforms(t *testing.T) {
	s := startSite(t)
	m := s.merchant(controlplane.Test, "127.0.0.1")
	r := s.request(m, "GET", "/", "")
	r.Header.Set("X-Unk-Key", "unk_test_"+strings.Repeat("x", 22))
	s.wantRefused(s.do(r), 401, "KEY_INVALID")
	r = s.request(m, "GET", "/", "")
	r.Header = http.Header{}
	s.wantRefused(s.do(r), 401, "AUTH_REQUIRED")
	if rows := s.listed(m, controlplane.Test); len(rows) != 0 {
		t.Errorf("the merchant has %+v", rows)
	}
	rows, err := s.node().service.ListUnknownRequests(t.Context(), operator, controlplane.UnknownRequests{})
	check(t, err)
	if len(rows) != 2 || rows[0].Code != "AUTH_REQUIRED" || rows[1].Code != "KEY_INVALID" || rows[1].KeyID != "" {
		t.Errorf("%+v", rows)
	}
}

func TestReportedRequestsSaySo(t *testing.T) {
	s := startSite(t, func(s *site) { s.auth = "{\nreport_only\n}" })
	m := s.merchant(controlplane.Live, "198.51.100.7")
	s.wantPassed(s.do(s.request(m, "GET", "/", "")))
	if rows := s.listed(m, controlplane.Live); len(rows) != 1 || rows[0].Outcome != controlplane.RequestReported || rows[0].Code != "IP_NOT_ALLOWED" {
		t.Errorf("%+v", rows)
	}
}

func TestStopWritesTheLogDown(t *testing.T) {
	s := startSite(t)
	m := s.merchant(controlplane.Test, "127.0.0.1")
	s.wantPassed(s.do(s.request(m, "GET", "/", "")))
	s.stop()
	check(t, s.load())
	if rows := s.listed(m, controlplane.Test); len(rows) != 1 {
		t.Errorf("%d rows after a stop", len(rows))
	}
	counts, err := s.node().service.CountRequests(t.Context(), operator, controlplane.RequestCountFilter{
		MerchantID: m.id, Environment: controlplane.Test, Span: controlplane.SpanHour, Since: time.Now().Add(-2 * time.Hour),
	})
	check(t, err)
	if len(counts) != 1 || counts[0].Count != 1 {
		t.Errorf("counts %+v", counts)
	}
}

// Whatever is sent, with whichever key: no page shows what would have been the right
// signature, or eight characters of it.
func TestExplorerIsNoSigningOracle(t *testing.T) {
	w := newWrongWorld(t)
	reader := w.main.people[controlplane.RoleOperator]
	rapid.Check(t, func(rt *rapid.T) {
		whose := rapid.SampledFrom([]*tenant{w.main, w.live}).Draw(rt, "key")
		n := w.native(whose.merchant)
		n.target = "/v1/" + rapid.StringMatching(`[a-z%0-9]{0,20}(\?[a-z=&]{0,20})?`).Draw(rt, "target")
		n.body = rapid.StringN(0, 200, -1).Draw(rt, "body")
		n.compose()
		right := strings.Join(n.lines, "\n")
		i := rapid.IntRange(1, 6).Draw(rt, "line")
		n.lines[i] += rapid.SampledFrom([]string{"", "x", "\n", "123"}).Draw(rt, "mistake")
		signed := n.signed()
		if rapid.Bool().Draw(rt, "zero") {
			signed.fields[3][1] = "v1=" + strings.Repeat("0", 64)
		}
		if _, err := signed.http1(w.plain); err != nil {
			rt.Fatal(err)
		}
		w.node().requests.flushRows(maxLogQueue)
		mac := hmac.New(sha256.New, n.secret)
		mac.Write([]byte(right))
		expected := mac.Sum(nil)
		list := fmt.Sprintf("/%s/requests", whose.env)
		_, _, page := reader.visit("GET", list, nil)
		pages := []string{html.UnescapeString(page)}
		for _, path := range []string{list + ".csv", newestIn(page, list)} {
			_, _, body := reader.visit("GET", path, nil)
			pages = append(pages, html.UnescapeString(body))
		}
		if strings.Contains(page, "/req_") && !strings.Contains(pages[2], "What the gateway saw") {
			rt.Fatalf("the page of a request shows none: %s", pages[2])
		}
		for _, form := range []string{hex.EncodeToString(expected), base64.StdEncoding.EncodeToString(expected), base64.RawURLEncoding.EncodeToString(expected)} {
			for _, shown := range pages {
				if at := holdsPartOf(shown, form); at != "" {
					rt.Fatalf("a page shows %s of the expected MAC", at)
				}
			}
		}
	})
}

// newestIn is the address of the first request in a list.
func newestIn(page, list string) string {
	_, rest, _ := strings.Cut(page, `href="`+list+`/req_`)
	id, _, _ := strings.Cut(rest, `"`)
	return list + "/req_" + id
}

// holdsPartOf finds eight characters in a row of a secret text, in any case.
func holdsPartOf(page, secret string) string {
	page, secret = strings.ToLower(page), strings.ToLower(secret)
	starts := make([]int, len(secret)-7)
	for i := range starts {
		starts[i] = i
	}
	if i := slices.IndexFunc(starts, func(i int) bool { return strings.Contains(page, secret[i:i+8]) }); i >= 0 {
		return secret[i : i+8]
	}
	return ""
}
