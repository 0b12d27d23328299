package controlplane_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	. "github.com/unknownpay/merchant-gateway/controlplane"
)

// diffIs fails unless the newest audit row tells of exactly this change.
func (w *world) diffIs(op Operation, target, diff string) {
	w.Helper()
	e := w.lastAudit()
	if e.Operation != op || e.Outcome != OutcomeOK || e.Target != target || string(e.Diff) != diff {
		w.Errorf("the newest audit row is %s %s of %q with %s; want %s of %q with %s",
			e.Outcome, e.Operation, e.Target, e.Diff, op, target, diff)
	}
}

func TestMerchantLife(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	m := w.merchant("Café Bangkok")
	if m.State != MerchantActive || m.Revision == 0 || !m.CreatedAt.Equal(w.clock.Now()) {
		t.Fatalf("unexpected merchant: %+v", m)
	}
	w.diffIs(OpMerchantCreate, m.ID, `{"name":{"to":"Café Bangkok"}}`)
	if e := w.lastAudit(); e.MerchantID != m.ID {
		t.Error("the merchant's own trail does not begin with its creation")
	}

	w.clock.pass(time.Minute)
	renamed := ok(w.RenameMerchant(ctx, local(), RenameMerchant{MerchantID: m.ID, Name: "Café Phuket"}))(t)
	w.diffIs(OpMerchantRename, m.ID, `{"name":{"from":"Café Bangkok","to":"Café Phuket"}}`)
	if renamed.Name != "Café Phuket" || renamed.Revision <= m.Revision || !renamed.UpdatedAt.After(m.UpdatedAt) {
		t.Errorf("unexpected merchant: %+v", renamed)
	}
	suspended := ok(w.SuspendMerchant(ctx, local(), m.ID))(t)
	w.diffIs(OpMerchantSuspend, m.ID, `{"state":{"from":"active","to":"suspended"}}`)
	if suspended.State != MerchantSuspended || suspended.Revision <= renamed.Revision {
		t.Errorf("unexpected merchant: %+v", suspended)
	}
	wants(t, justErr(w.SuspendMerchant(ctx, local(), m.ID)), CodeConflict)
	resumed := ok(w.ResumeMerchant(ctx, local(), m.ID))(t)
	w.diffIs(OpMerchantResume, m.ID, `{"state":{"from":"suspended","to":"active"}}`)
	wants(t, justErr(w.ResumeMerchant(ctx, local(), m.ID)), CodeConflict)
	if got := ok(w.Merchant(ctx, local(), m.ID))(t); got != resumed {
		t.Errorf("a look-up gives %+v, the operation gave %+v", got, resumed)
	}
}

func TestMerchantThatIsNotThere(t *testing.T) {
	w := newWorld(t)
	s := w.site("Elsewhere")
	for _, id := range []string{"mer_00000000000000000000000000", "x", "usr_'; DROP TABLE merchants", strings.Repeat("a", 10_000)} {
		for op, run := range calls() {
			if ofThePlatform(op) || op == OpMerchantResume || op == OpAuditList {
				continue
			}
			e := wants(t, run(w, local(), s, id), CodeNotFound)
			if len(e.Error()) > 200 {
				t.Errorf("%s answers an endless id with %d bytes", op, len(e.Error()))
			}
		}
	}
}

func TestOperationOnNoMerchantIsInvalid(t *testing.T) {
	w := newWorld(t)
	s := w.site("Shop")
	owner := w.user(s.ID, "owner", RoleOwner)
	for op, run := range calls() {
		if ofThePlatform(op) || op == OpMerchantResume || op == OpAuditList {
			continue
		}
		for _, a := range []Actor{local(), owner} {
			err := run(w, a, s, "")
			if c := CodeOf(err); c != CodeInvalid && (a.Kind != ActorUser || c != CodeDenied) {
				t.Errorf("%s by %s without a merchant: %v", op, a.Kind, err)
			}
		}
	}
}

func TestListMerchantsPagesAndFilters(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	var made []Merchant
	for i := range 5 {
		w.clock.pass(time.Second)
		made = append(made, w.merchant(fmt.Sprintf("Shop %d", i)))
	}
	ok(w.SuspendMerchant(ctx, local(), made[3].ID))(t)
	ids := func(f MerchantFilter) (out string) {
		for _, m := range ok(w.ListMerchants(ctx, w.staff(RoleAuditor), f))(t) {
			out += m.Name[len("Shop "):]
		}
		return out
	}
	for name, c := range map[string]struct {
		f    MerchantFilter
		want string
	}{
		"all, oldest first":  {MerchantFilter{}, "01234"},
		"a page":             {MerchantFilter{Page: Page{Limit: 2}}, "01"},
		"the next page":      {MerchantFilter{Page: Page{After: made[1].ID, Limit: 2}}, "23"},
		"suspended":          {MerchantFilter{State: MerchantSuspended}, "3"},
		"by name":            {MerchantFilter{Search: "SHOP 4"}, "4"},
		"by id":              {MerchantFilter{Search: made[2].ID}, "2"},
		"wildcards are text": {MerchantFilter{Search: "%"}, ""},
	} {
		if got := ids(c.f); got != c.want {
			t.Errorf("%s: got %q; want %q", name, got, c.want)
		}
	}
	for name, f := range map[string]MerchantFilter{
		"too many rows": {Page: Page{Limit: 1001}}, "fewer than none": {Page: Page{Limit: -1}},
		"unknown state": {State: "gone"}, "endless search": {Search: strings.Repeat("x", 101)},
	} {
		if err := justErr(w.ListMerchants(ctx, local(), f)); CodeOf(err) != CodeInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestServiceNeedsAllItsParts(t *testing.T) {
	w := newWorld(t)
	for name, drop := range map[string]func(*Parts){
		"store": func(p *Parts) { p.Store = nil }, "sealer": func(p *Parts) { p.Sealer = nil },
		"hasher": func(p *Parts) { p.Hasher = nil }, "clock": func(p *Parts) { p.Clock = nil },
		"random": func(p *Parts) { p.Random = nil },
	} {
		p := w.parts
		drop(&p)
		if _, err := NewService(p); err == nil {
			t.Errorf("a service without a %s", name)
		}
	}
}

// An answer about our own faults tells nothing about them; the cause is for the log.
func TestFaultsOfOursAreInternal(t *testing.T) {
	w := newWorld(t)
	m, ctx := w.merchant("Shop"), t.Context()
	cause := errors.New("generator on fire")
	w.rebuild(func(p *Parts) { p.Random = errReader{cause} })
	for name, try := range map[string]func() error{
		"merchant": func() error { return justErr(w.CreateMerchant(ctx, local(), CreateMerchant{Name: "Shop"})) },
		"user": func() error {
			return justErr(w.CreateUser(ctx, local(), CreateUser{MerchantID: m.ID, Username: "user", Role: RoleOwner}))
		},
		"key": func() error { return justErr(w.IssueKey(ctx, local(), IssueKey{MerchantID: m.ID, Environment: Live})) },
		"entry": func() error {
			return justErr(w.AddAllowlistEntry(ctx, local(), AddAllowlistEntry{MerchantID: m.ID, CIDR: "1.2.3.4", Note: "n"}))
		},
		"staff": func() error { return justErr(w.BootstrapStaff(ctx, local(), BootstrapStaff{Username: "first"})) },
	} {
		e := wants(t, try(), CodeInternal)
		if e.Message != "internal error" || !errors.Is(e, cause) {
			t.Errorf("%s: message %q, cause %v", name, e.Message, e.Err)
		}
		if b := ok(json.Marshal(e))(t); strings.Contains(string(b), "fire") {
			t.Errorf("%s: the answer tells the cause: %s", name, b)
		}
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

var _ io.Reader = errReader{}
