package caddymodule

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/store"
)

// A gateway moves to PostgreSQL while it serves: copy, stop changing, copy again,
// reload. The merchants notice nothing.
func TestMovesToPostgresWhileItServes(t *testing.T) {
	stores.Host(t)
	s := startSite(t, func(s *site) { s.store = s.storeLines(false) })
	m := s.merchant(controlplane.Test, "127.0.0.0/8")
	target, err := url.Parse(stores.URL(t, s.database))
	check(t, err)
	t.Setenv("PGPASSWORD", password(target))
	to := &PostgresStore{URL: bare(target)}
	first, err := copyStore(t.Context(), s.database, to, func(store.Copied) {})
	check(t, err)
	if !first.Served || len(first.Tables) < 20 {
		t.Errorf("%+v", first)
	}
	late := s.merchant(controlplane.Test, "127.0.0.0/8")
	second, err := copyStore(t.Context(), s.database, to, func(store.Copied) {})
	check(t, err)
	if second.AuditSeq <= first.AuditSeq {
		t.Errorf("the trail ends at %d and %d", first.AuditSeq, second.AuditSeq)
	}
	s.store = s.storeLines(true)
	check(t, s.load())
	if !s.node().db.Shared() {
		t.Fatal("it is still on SQLite")
	}
	s.inForce()
	for _, m := range []merchant{m, late} {
		answer := s.do(s.request(m, http.MethodPost, "/v1/payouts", `{"amount":"1.00"}`))
		if answer.status != http.StatusOK {
			t.Errorf("%s: %d", m.keyID, answer.status)
		}
	}
	report, err := s.node().service.VerifyAudit(t.Context(), operator)
	check(t, err)
	if report.FirstBad != 0 || report.Rows < second.AuditSeq {
		t.Errorf("the trail after the move: %+v", report)
	}
}

func password(u *url.URL) string {
	text, _ := u.User.Password()
	return text
}

func bare(u *url.URL) string {
	b := *u
	b.User = url.User(u.User.Username())
	return b.String()
}

func TestMigrateStoreSaysWhatIsWrong(t *testing.T) {
	for from, want := range map[string]string{"merchants.db": "give sqlite:", "sqlite:": "give sqlite:"} {
		if err := new(session).migrateStore(from, &PostgresStore{URL: "postgres://u@h/d"}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", from, err)
		}
	}
	if err := new(session).migrateStore("sqlite:x", &PostgresStore{URL: "postgres://u:secret@h/d"}); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v", err)
	}
}
