package controlplane_test

import (
	"crypto/rand"
	"net/netip"
	"testing"
	"time"

	. "github.com/unknownpay/merchant-gateway/controlplane"
)

// logged logs a refused request of a merchant's test key and returns its id.
func (w *world) logged(merchantID string, edit ...func(*LoggedRequest)) string {
	w.Helper()
	id, err := NewID(PrefixRequest, w.clock.Now(), rand.Reader)
	w.must(err)
	q := LoggedRequest{
		ID: id, At: w.clock.Now(), MerchantID: merchantID, Environment: Test, KeyID: "unk_test_1", ClientIP: netip.MustParseAddr("203.0.113.9"),
		Method: "POST", Path: "/v1/payments", Outcome: RequestRefused, Code: "SIGNATURE_MISMATCH", StringToSign: "UNK1-HMAC-SHA256\n1",
	}
	for _, f := range edit {
		f(&q)
	}
	w.must(w.RecordRequests(w.Context(), RequestBatch{Requests: []LoggedRequest{q}}))
	return id
}

// Who only looks on sees neither what was signed nor a hash with which a guess at it
// could be confirmed, on the page or in the list.
func TestStringToSignIsForThoseWhoWorkWithIt(t *testing.T) {
	w := newWorld(t)
	m := w.merchant("Blue Bottle Books")
	ref := RequestRef{MerchantID: m.ID, RequestID: w.logged(m.ID, func(q *LoggedRequest) {
		q.Why = RequestWhy{Cause: "query_left_out", BodyBytes: 9, BodySHA256: "body-hash", StringSHA256: "string-hash", StringCut: true}
	})}
	for _, a := range w.everyone(m.ID) {
		q, err := w.Request(t.Context(), a, ref)
		works := a.Role != RoleViewer && a.Role != RoleAuditor && a.Role != RoleService
		if sees := err == nil && q.StringToSign != ""; sees != works {
			t.Errorf("%s: sees the string: %t (%v)", a.Role, sees, err)
		}
		if looks := a.Role != RoleService; (CodeOf(err) != CodeDenied) != looks {
			t.Errorf("%s: looks: %v", a.Role, err)
		}
		listed, err := w.ListRequests(t.Context(), a, RequestFilter{MerchantID: m.ID, Environment: Test})
		for _, q := range append(listed, q) {
			if hashed := q.Why.BodySHA256 + q.Why.StringSHA256; err == nil && (hashed != "") != works || q.Why.StringCut && !works {
				t.Errorf("%s: sees %+v", a.Role, q.Why)
			}
		}
	}
}

func TestOldRequestsArePurgedInSlices(t *testing.T) {
	w := newWorld(t)
	m := w.merchant("Blue Bottle Books")
	accepted := func(q *LoggedRequest) { q.Outcome, q.Code = RequestAccepted, RequestOK }
	for range 1001 {
		w.logged(m.ID)
	}
	w.logged(m.ID, accepted)
	w.clock.pass(KeepAcceptedRequests + time.Hour)
	w.logged(m.ID)
	left := func() (n int) {
		for _, o := range []RequestOutcome{RequestRefused, RequestAccepted} {
			n = n*10000 + len(ok(w.ListRequests(t.Context(), local(), RequestFilter{MerchantID: m.ID, Environment: Test, Outcome: o, Limit: 1000}))(w))
		}
		return n
	}
	if more := ok(w.PurgeRequests(t.Context()))(w); more || left() != 1000*10000 {
		t.Fatalf("after a week: more %t, left %d", more, left())
	}
	w.clock.pass(KeepRefusedRequests - KeepAcceptedRequests)
	if more := ok(w.PurgeRequests(t.Context()))(w); !more {
		t.Fatal("a slice was full and nothing more was said to be there")
	}
	if more := ok(w.PurgeRequests(t.Context()))(w); more || left() != 1*10000 {
		t.Fatalf("after a month: more %t, left %d", more, left())
	}
}

func TestSimulationSaysWhatAChangeBreaks(t *testing.T) {
	w := newWorld(t)
	m := w.merchant("Blue Bottle Books")
	add := func(cidr string) AllowlistEntry {
		return ok(w.AddAllowlistEntry(t.Context(), local(), AddAllowlistEntry{MerchantID: m.ID, CIDR: cidr, Note: "n"}))(w)
	}
	wide, narrow, idle := add("198.51.100.0/24"), add("198.51.100.7"), add("203.0.113.0/24")
	seen := func(hoursAgo int, env Environment, ip string, n int64) RequestAddress {
		return RequestAddress{MerchantID: m.ID, Environment: env, Hour: SpanHour.Of(w.clock.Now()).Add(-time.Duration(hoursAgo) * time.Hour), IP: netip.MustParseAddr(ip), Count: n}
	}
	w.must(w.RecordRequests(t.Context(), RequestBatch{Addresses: []RequestAddress{
		seen(1, Live, "198.51.100.7", 10), seen(2, Test, "198.51.100.7", 1), seen(3, Live, "198.51.100.8", 5),
		seen(40, Live, "203.0.113.4", 99), // longer ago than a day
		seen(2, Live, "192.0.2.77", 3),    // its entry is gone already
	}}))
	turnedAway := func(q *LoggedRequest) { q.Code, q.ClientIP = "IP_NOT_ALLOWED", netip.MustParseAddr("192.0.2.5") }
	w.logged(m.ID, turnedAway)
	w.logged(m.ID, turnedAway)
	simulate := func(in SimulateAllowlist) AllowlistSimulation {
		in.MerchantID = m.ID
		return ok(w.SimulateAllowlist(t.Context(), local(), in))(w)
	}
	if got := simulate(SimulateAllowlist{Remove: []string{narrow.ID, idle.ID}}); got.Breaks() != 0 || got.Entries != 1 || got.Live != 18 || got.Test != 1 {
		t.Errorf("what the wide entry covers breaks: %+v", got)
	}
	got := simulate(SimulateAllowlist{Remove: []string{wide.ID}, Add: []string{"192.0.2.0/24"}})
	if len(got.Refused) != 1 || got.Refused[0].IP.String() != "198.51.100.8" || got.Breaks() != 5 || got.Refused[0].Entry.ID != wide.ID {
		t.Errorf("without the wide entry: %+v", got)
	}
	if len(got.Admitted) != 1 || got.Admitted[0].Test != 2 {
		t.Errorf("with a new range: %+v", got.Admitted)
	}
	if got := simulate(SimulateAllowlist{Remove: []string{wide.ID, narrow.ID}}); got.Breaks() != 16 || got.Refused[0].IP.String() != "198.51.100.7" || got.Refused[0].Test != 1 {
		t.Errorf("without both: %+v", got)
	}
	if _, err := w.SimulateAllowlist(t.Context(), local(), SimulateAllowlist{MerchantID: m.ID, Remove: []string{"ipa_none"}}); CodeOf(err) != CodeNotFound {
		t.Errorf("an unknown entry: %v", err)
	}
}

// requestCalls are those of the operations on what gateways saw.
func requestCalls() map[Operation]call {
	return map[Operation]call{
		OpAllowlistSimulate: func(w *world, a Actor, s site, id string) error {
			return justErr(w.SimulateAllowlist(w.Context(), a, SimulateAllowlist{MerchantID: id, Remove: []string{s.entry.ID}}))
		},
		OpRequestCount: func(w *world, a Actor, _ site, id string) error {
			return justErr(w.CountRequests(w.Context(), a, RequestCountFilter{MerchantID: id, Environment: Test, Span: SpanHour, Since: w.clock.Now()}))
		},
		OpRequestList: func(w *world, a Actor, _ site, id string) error {
			return justErr(w.ListRequests(w.Context(), a, RequestFilter{MerchantID: id, Environment: Test}))
		},
		OpRequestView: func(w *world, a Actor, _ site, id string) error {
			return justErr(w.Request(w.Context(), a, RequestRef{MerchantID: id, RequestID: w.logged(id)}))
		},
		OpRequestUnknown: func(w *world, a Actor, _ site, _ string) error {
			return justErr(w.ListUnknownRequests(w.Context(), a, UnknownRequests{}))
		},
	}
}
