package controlplane_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	. "github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/tests/asvs"
)

// dropAuditTriggers is what someone with the database file would do first.
func dropAuditTriggers() []string {
	var out []string
	for _, name := range []string{
		"audit_events_no_update", "audit_events_no_delete", "audit_events_only_next",
		"audit_head_only_forward", "audit_head_no_delete", "audit_head_no_insert",
	} {
		out = append(out, "DROP TRIGGER "+name)
	}
	return out
}

// trail makes a world with a trail of eight rows.
func trail(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	m := w.merchant("Shop")
	for i := range 6 {
		ok(w.RenameMerchant(t.Context(), local(), RenameMerchant{MerchantID: m.ID, Name: fmt.Sprintf("Shop %d", i)}))(t)
	}
	wants(t, justErr(w.SuspendMerchant(t.Context(), w.staff(RoleAuditor), m.ID)), CodeDenied)
	if n := w.auditRows(); n != 8 {
		t.Fatalf("%d rows", n)
	}
	return w
}

func TestUntouchedTrailVerifies(t *testing.T) {
	w := trail(t)
	w.raw(dropAuditTriggers()...)
	r := ok(w.VerifyAudit(t.Context(), w.staff(RoleAuditor)))(t)
	head := w.lastAudit()
	if r.FirstBad != 0 || r.Problem != "" || r.Rows != 8 || r.Head != fmt.Sprintf("%x", head.Hash) {
		t.Errorf("unexpected report: %+v", r)
	}
}

func TestVerificationNamesTheFirstBadRow(t *testing.T) {
	asvs.Covers(t, "16.4.2")
	const columns = "at, actor_kind, actor_id, actor_name, merchant_id, operation, target, outcome, reason, ip, user_agent, request_id, diff, prev_hash, hash"
	type tampering struct {
		statements []string
		bad        int64
		problem    string
	}
	cases := map[string]tampering{
		"removed in the middle": {[]string{"DELETE FROM audit_events WHERE seq = 4"}, 5, "missing"},
		"removed at the start":  {[]string{"DELETE FROM audit_events WHERE seq = 1"}, 2, "missing"},
		"removed at the end":    {[]string{"DELETE FROM audit_events WHERE seq > 6"}, 7, "missing"},
		"removed wholly":        {[]string{"DELETE FROM audit_events"}, 1, "missing"},
		"inserted after the end": {
			[]string{"INSERT INTO audit_events SELECT 9, " + columns + " FROM audit_events WHERE seq = 8"}, 9, "follow",
		},
		"inserted after the end, well chained": {
			[]string{"UPDATE audit_head SET seq = 7, hash = (SELECT hash FROM audit_events WHERE seq = 7)"}, 8, "after the end",
		},
		"inserted in the middle": {[]string{
			"UPDATE audit_events SET seq = -seq WHERE seq >= 4", "UPDATE audit_events SET seq = 1 - seq WHERE seq < 0",
			"INSERT INTO audit_events SELECT 4, " + columns + " FROM audit_events WHERE seq = 3",
			"UPDATE audit_head SET seq = 9",
		}, 4, "follow"},
		"swapped": {[]string{
			"UPDATE audit_events SET seq = -1 WHERE seq = 4", "UPDATE audit_events SET seq = 4 WHERE seq = 5",
			"UPDATE audit_events SET seq = 5 WHERE seq = -1",
		}, 4, "follow"},
		"end changed":    {[]string{"UPDATE audit_head SET hash = zeroblob(32)"}, 8, "ended"},
		"end moved on":   {[]string{"UPDATE audit_head SET seq = 20"}, 9, "missing"},
		"end moved back": {[]string{"UPDATE audit_head SET seq = 3"}, 4, "after the end"},
	}
	for column, value := range map[string]string{
		"at": "at + 1", "actor_kind": "'system'", "actor_id": "'other'", "actor_name": "'other'", "merchant_id": "'mer_other'",
		"operation": "'merchant.resume'", "target": "'other'", "outcome": "'failed'", "reason": "'other'", "ip": "'192.0.2.1'",
		"user_agent": "'other'", "request_id": "'other'", "diff": "'{}'", "prev_hash": "zeroblob(32)", "hash": "zeroblob(32)",
	} {
		cases["changed "+column] = tampering{[]string{fmt.Sprintf("UPDATE audit_events SET %s = %s WHERE seq = 5", column, value)}, 5, ""}
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := trail(t)
			w.raw(append(append([]string{"PRAGMA ignore_check_constraints = 1"}, dropAuditTriggers()...), c.statements...)...)
			r := ok(w.VerifyAudit(t.Context(), local()))(t)
			if r.FirstBad != c.bad || r.Problem == "" || !strings.Contains(r.Problem, c.problem) {
				t.Errorf("got row %d, %q; want row %d, %q", r.FirstBad, r.Problem, c.bad, c.problem)
			}
		})
	}
}

// Text must not slide from one field into the next, or one row could be made to
// say what another says.
func TestHashTellsFieldsApart(t *testing.T) {
	base := AuditEvent{Seq: 1, ActorID: "ab", ActorName: "c"}
	seen := map[[32]byte]string{base.ComputeHash(): "base"}
	for name, e := range map[string]AuditEvent{
		"slid":     {Seq: 1, ActorID: "a", ActorName: "bc"},
		"moved":    {Seq: 1, ActorName: "ab", MerchantID: "c"},
		"other":    {Seq: 2, ActorID: "ab", ActorName: "c"},
		"previous": {Seq: 1, ActorID: "ab", ActorName: "c", PrevHash: [32]byte{1}},
		"diff":     {Seq: 1, ActorID: "ab", ActorName: "c", Diff: []byte("{}")},
	} {
		if was, found := seen[e.ComputeHash()]; found {
			t.Errorf("%s and %s have one hash", name, was)
		}
		seen[e.ComputeHash()] = name
	}
}

func TestTrailThatTheAttackerCutAtBothEndsDiffersFromTheHeadKeptElsewhere(t *testing.T) {
	w := trail(t)
	kept := ok(w.VerifyAudit(t.Context(), local()))(t).Head
	w.raw(append(dropAuditTriggers(), "DELETE FROM audit_events WHERE seq > 6",
		"UPDATE audit_head SET seq = 6, hash = (SELECT hash FROM audit_events WHERE seq = 6)")...)
	if r := ok(w.VerifyAudit(t.Context(), local()))(t); r.FirstBad != 0 || r.Head == kept {
		t.Errorf("unexpected report: %+v", r)
	}
}

func TestLongTrailIsVerifiedInBatches(t *testing.T) {
	w := newWorld(t)
	m := w.merchant("Shop")
	w.must(w.store.Update(t.Context(), func(tx Tx) error { // rows without the price of 2,500 commits
		for range 2500 {
			head, err := tx.AuditHead(t.Context())
			if err != nil {
				return err
			}
			e := AuditEvent{Seq: head.Seq + 1, At: w.clock.Now(), PrevHash: head.Hash, ActorKind: ActorSystem, MerchantID: m.ID, Operation: OpMerchantView, Outcome: OutcomeOK}
			e.Hash = e.ComputeHash()
			if err := tx.AppendAudit(t.Context(), e); err != nil {
				return err
			}
		}
		return nil
	}))
	if r := ok(w.VerifyAudit(t.Context(), local()))(t); r.FirstBad != 0 || r.Rows != 2501 {
		t.Errorf("unexpected report: %+v", r)
	}
}

func TestMerchantsSeeTheirOwnTrailWithTheActsOfStaff(t *testing.T) {
	asvs.Covers(t, "16.2.1")
	w := newWorld(t)
	own, other := w.merchant("Own"), w.merchant("Other")
	owner := w.user(own.ID, "ann", RoleOwner)
	ok(w.RenameMerchant(t.Context(), w.staff(RolePlatformAdmin), RenameMerchant{own.ID, "Renamed"}))(t)
	ok(w.RenameMerchant(t.Context(), w.staff(RolePlatformAdmin), RenameMerchant{other.ID, "Hidden"}))(t)
	ok(w.IssueKey(t.Context(), owner, IssueKey{own.ID, Live}))(t)

	for _, f := range []AuditFilter{{}, {MerchantID: own.ID}} {
		got := ""
		for _, e := range ok(w.ListAudit(t.Context(), owner, f))(t) {
			got += string(e.Operation) + " by " + e.ActorName + " " + e.IP + " " + e.UserAgent + "; "
		}
		want := "key.issue by ann 198.51.100.7 test browser; merchant.rename by sam  ; user.create by root  ; merchant.create by root  ; "
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	wants(t, justErr(w.ListAudit(t.Context(), owner, AuditFilter{MerchantID: other.ID})), CodeNotFound)

	renames := ok(w.ListAudit(t.Context(), local(), AuditFilter{Operation: OpMerchantRename}))(t)
	if len(renames) != 2 || renames[0].MerchantID != other.ID || renames[0].IP != "192.0.2.9" {
		t.Errorf("the operator sees %+v", renames)
	}
}

func TestAuditListFiltersAndPages(t *testing.T) {
	w := trail(t)
	seqs := func(f AuditFilter) (out string) {
		for _, e := range ok(w.ListAudit(t.Context(), local(), f))(t) {
			out += fmt.Sprint(e.Seq)
		}
		return out
	}
	for name, c := range map[string]struct {
		f    AuditFilter
		want string
	}{
		"all":     {AuditFilter{}, "87654321"},
		"page":    {AuditFilter{Limit: 3}, "876"},
		"next":    {AuditFilter{Limit: 3, Before: 6}, "543"},
		"denied":  {AuditFilter{Outcome: OutcomeDenied}, "8"},
		"created": {AuditFilter{Operation: OpMerchantCreate}, "1"},
		"since":   {AuditFilter{Since: w.clock.Now().Add(time.Second)}, ""},
	} {
		if got := seqs(c.f); got != c.want {
			t.Errorf("%s: got %s; want %s", name, got, c.want)
		}
	}
}

// A caller must not be able to act unrecorded by sending what a database refuses,
// nor fill the trail with endless text.
func TestTextFromOutsideIsMadeFitForTheTrail(t *testing.T) {
	asvs.Covers(t, "16.4.1")
	w := newWorld(t)
	m := w.merchant("Shop")
	a := w.user(m.ID, "ann", RoleOwner)
	a.UserAgent = "bad\x00\xff\x1b[31m" + strings.Repeat("ก", 1000)
	a.RequestID, a.IP = strings.Repeat("x", 5000), "::1\n"
	ok(w.IssueKey(t.Context(), a, IssueKey{m.ID, Live}))(t)
	e := w.lastAudit()
	if e.Operation != OpKeyIssue || len(e.UserAgent) > 256 || len(e.RequestID) > 256 || strings.ContainsAny(e.UserAgent+e.IP, "\x00\x1b\n") || !utf8.ValidString(e.UserAgent) {
		t.Errorf("unexpected row: %+v", e)
	}
	if !strings.HasPrefix(e.UserAgent, "bad") {
		t.Error("nothing is left of the text")
	}
	invented := "mer_" + strings.Repeat("\x00y", 5000)
	wants(t, justErr(w.SuspendMerchant(t.Context(), a, invented)), CodeNotFound)
	if e := w.lastAudit(); len(e.Target) > 256 || strings.Contains(e.Target, "\x00") {
		t.Errorf("unexpected row: %+v", e)
	}
	if r := ok(w.VerifyAudit(t.Context(), local()))(t); r.FirstBad != 0 {
		t.Errorf("unexpected report: %+v", r)
	}
}
