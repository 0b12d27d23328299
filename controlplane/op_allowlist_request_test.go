package controlplane_test

import (
	"fmt"
	"testing"
	"time"

	. "github.com/unknownpay/merchant-gateway/controlplane"
)

// wish has the operator of the machine ask for a change.
func (w *world) wish(merchantID string, action AllowlistAction, cidr string) AllowlistRequest {
	w.Helper()
	in := RequestAllowlistChange{MerchantID: merchantID, Action: action, CIDR: cidr, Reason: "Bangkok data centre"}
	return ok(w.RequestAllowlistChange(w.Context(), local(), in))(w)
}

func decide(q AllowlistRequest) DecideAllowlistRequest {
	return DecideAllowlistRequest{MerchantID: q.MerchantID, RequestID: q.ID}
}

func (w *world) wishes(merchantID string) []AllowlistRequest {
	w.Helper()
	return ok(w.ListAllowlistRequests(w.Context(), local(), AllowlistRequestFilter{MerchantID: merchantID}))(w)
}

func TestApprovalCarriesTheRequestOut(t *testing.T) {
	w := newWorld(t)
	m := w.merchant("Shop").ID
	owner, sam := w.user(m, "olga", RoleOwner), w.staff(RolePlatformOperator)
	in := RequestAllowlistChange{MerchantID: m, Action: AllowlistAdd, CIDR: "::ffff:198.51.100.0/120", Reason: "Bangkok data centre"}
	q := ok(w.RequestAllowlistChange(t.Context(), owner, in))(t)
	if q.State != AllowlistPending || q.CreatedBy != "olga" || q.Prefix.String() != "198.51.100.0/24" {
		t.Fatalf("%+v", q)
	}
	before := w.revision()
	w.clock.pass(time.Hour)
	q = ok(w.ApproveAllowlistRequest(t.Context(), sam, decide(q)))(t)
	entries := ok(w.ListAllowlist(t.Context(), owner, m))(t)
	if len(entries) != 1 || entries[0].Prefix != q.Prefix || entries[0].Note != in.Reason || entries[0].CreatedBy != "sam" || w.revision() == before {
		t.Fatalf("%+v", entries)
	}
	if got := w.wishes(m)[0]; got.State != AllowlistApproved || got.DecidedBy != "sam" || !got.DecidedAt.After(got.CreatedAt) {
		t.Fatalf("%+v", got)
	}
	gone := w.wish(m, AllowlistRemove, "198.51.100.0/24")
	ok(w.ApproveAllowlistRequest(t.Context(), sam, decide(gone)))(t)
	if entries := ok(w.ListAllowlist(t.Context(), owner, m))(t); len(entries) != 0 {
		t.Fatalf("%+v", entries)
	}
}

func TestRequestsThatFitNothingAreRefused(t *testing.T) {
	w := newWorld(t)
	s := w.site("Shop") // holds 198.51.100.0/24 and waits for 203.0.113.1
	ask := func(action AllowlistAction, cidr, reason string) error {
		return justErr(w.RequestAllowlistChange(t.Context(), local(), RequestAllowlistChange{MerchantID: s.ID, Action: action, CIDR: cidr, Reason: reason}))
	}
	for name, c := range map[string]struct {
		err  error
		code Code
		rule string
	}{
		"added twice":     {ask(AllowlistAdd, "198.51.100.0/24", "x"), CodeConflict, "present"},
		"never there":     {ask(AllowlistRemove, "198.51.100.0/25", "x"), CodeConflict, "absent"},
		"asked twice":     {ask(AllowlistAdd, "203.0.113.1/32", "x"), CodeConflict, "pending"},
		"host bits":       {ask(AllowlistAdd, "203.0.113.1/24", "x"), CodeInvalid, "host_bits"},
		"too wide":        {ask(AllowlistAdd, "8.0.0.0/7", "x"), CodeInvalid, "wide"},
		"no range":        {ask(AllowlistAdd, "shop.example", "x"), CodeInvalid, "cidr"},
		"no reason":       {ask(AllowlistAdd, "203.0.113.2", ""), CodeInvalid, "required"},
		"a broken reason": {ask(AllowlistAdd, "203.0.113.2", "a\nb"), CodeInvalid, "note"},
		"no such action":  {ask("replace", "203.0.113.2", "x"), CodeInvalid, "oneof"},
	} {
		t.Run(name, func(t *testing.T) {
			if e := wants(t, c.err, c.code); len(e.Fields) != 1 || e.Fields[0].Rule != c.rule {
				t.Errorf("%+v", e.Fields)
			}
		})
	}
	w.rebuild(func(p *Parts) { p.Rules.AllowPrivateRanges = false })
	if e := wants(t, ask(AllowlistAdd, "10.0.0.0/8", "x"), CodeInvalid); e.Fields[0].Rule != "not_public" {
		t.Errorf("%+v", e.Fields)
	}
	// What the operator let in once can be asked out.
	if err := ask(AllowlistRemove, "198.51.100.0/24", "x"); err != nil {
		t.Error(err)
	}
}

func TestPendingRequestsAreBounded(t *testing.T) {
	w := newWorld(t)
	m := w.merchant("Shop").ID
	var first AllowlistRequest
	for i := range MaxPendingAllowlistRequests {
		first = w.wish(m, AllowlistAdd, fmt.Sprintf("203.0.113.%d", i))
	}
	more := RequestAllowlistChange{MerchantID: m, Action: AllowlistAdd, CIDR: "203.0.113.200", Reason: "x"}
	wants(t, justErr(w.RequestAllowlistChange(t.Context(), local(), more)), CodeLimit)
	ok(w.WithdrawAllowlistRequest(t.Context(), local(), decide(first)))(t)
	ok(w.RequestAllowlistChange(t.Context(), local(), more))(t)
}

func TestRequestIsDecidedOnce(t *testing.T) {
	w := newWorld(t)
	m := w.merchant("Shop").ID
	for i, end := range []func(q AllowlistRequest) error{
		func(q AllowlistRequest) error {
			return justErr(w.WithdrawAllowlistRequest(t.Context(), local(), decide(q)))
		},
		func(q AllowlistRequest) error {
			return justErr(w.ApproveAllowlistRequest(t.Context(), local(), decide(q)))
		},
		func(q AllowlistRequest) error {
			in := decide(q)
			in.Answer = "not yours"
			return justErr(w.RejectAllowlistRequest(t.Context(), local(), in))
		},
	} {
		w.clock.pass(time.Second) // ids are in order of time
		q := w.wish(m, AllowlistAdd, fmt.Sprintf("203.0.113.%d", i))
		if err := end(q); err != nil {
			t.Fatal(err)
		}
		wants(t, end(q), CodeConflict)
		wants(t, justErr(w.ApproveAllowlistRequest(t.Context(), local(), decide(q))), CodeConflict)
	}
	if got := w.wishes(m)[0]; got.State != AllowlistRejected || got.Answer != "not yours" {
		t.Errorf("%+v", got)
	}
}

func TestApprovalThatNoLongerFitsLeavesTheRequestWaiting(t *testing.T) {
	w := newWorld(t)
	s := w.site("Shop")
	add := w.wish(s.ID, AllowlistAdd, "203.0.113.7")
	remove := w.wish(s.ID, AllowlistRemove, s.entry.Prefix.String())
	ok(w.AddAllowlistEntry(t.Context(), local(), AddAllowlistEntry{MerchantID: s.ID, CIDR: "203.0.113.7", Note: "by hand"}))(t)
	ok(w.RemoveAllowlistEntry(t.Context(), local(), RemoveAllowlistEntry{MerchantID: s.ID, EntryID: s.entry.ID}))(t)
	for _, q := range []AllowlistRequest{add, remove} {
		wants(t, justErr(w.ApproveAllowlistRequest(t.Context(), local(), decide(q))), CodeConflict)
	}
	wants(t, justErr(w.RejectAllowlistRequest(t.Context(), local(), decide(add))), CodeInvalid)
	for _, q := range w.wishes(s.ID) {
		if q.State != AllowlistPending {
			t.Errorf("%+v", q)
		}
	}
}
