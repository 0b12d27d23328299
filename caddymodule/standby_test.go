package caddymodule

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/keyring"
	"github.com/unknownpay/merchant-gateway/controlplane/lastgood"
	"github.com/unknownpay/merchant-gateway/tests/pgtest"
)

// startShared is a site on a PostgreSQL of its own, which the test may halt.
func startShared(t *testing.T) (*site, *receiver, *pgtest.Server) {
	t.Helper()
	server := new(pgtest.Server)
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	t.Setenv("STANDBY_DATABASE", server.Database(t))
	s, r := startEvents(t, func(s *site) {
		s.store = fmt.Sprintf("store postgres {env.STANDBY_DATABASE} {\nlast_known_good %s\n}\nkeyring %s\nreplay memory %s", s.path("kept"), s.path("root.key"), s.dir)
		s.routes = "handle /v1/events {\nmerchant_events\n}\nhandle {\nmerchant_auth\nreverse_proxy " + s.upstream.address + "\n}"
	})
	return s, r, server
}

// kept waits until the file holds all changes made so far.
func (s *site) kept() (rec lastgood.Record) {
	s.t.Helper()
	revision := s.node().follower.Current().Revision()
	source, err := s.app().store.identity()
	check(s.t, err)
	eventually(s.t, "the snapshot is on the disk", func() bool {
		rec, err = lastgood.Read(s.path("kept"), source, func(id string) (*keyring.Root, error) { return keyring.FindRoot(s.path("root.key"), id) })
		return err == nil && rec.Snapshot.Revision() >= revision
	})
	return rec
}

func (s *site) works(t *testing.T, m merchant) bool {
	t.Helper()
	a := s.do(s.request(m, "GET", "/", ""))
	if a.status != http.StatusOK && (a.status != http.StatusServiceUnavailable || !strings.Contains(a.body, "AUTH_UNAVAILABLE")) {
		t.Fatalf("%d %s", a.status, a.body)
	}
	return a.status == http.StatusOK
}

func TestAServerGoesOnWithoutItsDatabase(t *testing.T) {
	s, r, server := startShared(t)
	m := s.merchant(controlplane.Live, "127.0.0.0/8")
	token, e := s.serviceToken(), s.endpoint(m.id, r.server.URL)
	s.kept()
	server.Halt(t)
	if !s.works(t, m) {
		t.Error("requests are refused without the database")
	}
	s.merchants += "\nbody_budget 64MiB"
	check(t, s.load())
	if !s.works(t, m) {
		t.Error("requests are refused after a reload")
	}
	s.stop()
	check(t, s.load())
	if !s.works(t, m) {
		t.Error("requests are refused after a restart")
	}
	status, err := statusCall(t.Context(), callNode{s.node(), s.app().nodeConfig()}, operator, struct{}{})
	check(t, err)
	if g := status.Gateway; status.Problem == "" || g == nil || g.Keys != 1 || g.RefusesAt.Before(time.Now().Add(23*time.Hour)) || g.RefusesAt.After(time.Now().Add(24*time.Hour)) {
		t.Errorf("%+v, %+v", status, g)
	}
	s.wantAnswer(t, s.do(s.event(token, "a", m.id, "{}")), http.StatusServiceUnavailable)
	server.Resume(t)
	eventually(t, "the key that is issued now", func() bool {
		issued, err := s.node().service.IssueKey(t.Context(), operator, controlplane.IssueKey{MerchantID: m.id, Environment: controlplane.Test})
		if err == nil {
			m.keyID, m.secret = issued.Key.ID, issued.Secret.Reveal()
		}
		return err == nil
	})
	s.inForce()
	eventually(t, "an event is taken in and delivered", func() bool { return s.do(s.event(token, "b", m.id, "{}")).status == http.StatusAccepted })
	wantSigned(t, r.wait(t), e.Secret)
	if _, ok := s.kept().Snapshot.Key(m.keyID); !ok {
		t.Error("the new key is not on the disk")
	}
}

func TestAServerRefusesByWhatIsTooOld(t *testing.T) {
	s, _, server := startShared(t)
	m := s.merchant(controlplane.Live, "127.0.0.0/8")
	rec, root := s.kept(), s.node().ring.Root()
	s.stop()
	rec.ContactAt = time.Now().Add(-25 * time.Hour)
	check(t, lastgood.Write(s.path("kept"), root, rec, rand.Reader))
	server.Halt(t)
	check(t, s.load())
	if s.works(t, m) {
		t.Error("a snapshot of 25 hours ago decides")
	}
	server.Resume(t)
	eventually(t, "it catches up", func() bool { return s.works(t, m) })
}

func TestAServerDoesNotStartFromNothing(t *testing.T) {
	s, _, server := startShared(t)
	s.merchant(controlplane.Live, "127.0.0.0/8")
	s.kept()
	s.stop()
	whole, err := os.ReadFile(s.path("kept"))
	check(t, err)
	server.Halt(t)
	defer server.Resume(t)
	for what, file := range map[string][]byte{"damaged": whole[:len(whole)/2], "": nil} {
		check(t, os.Remove(s.path("kept")))
		if file != nil {
			check(t, os.WriteFile(s.path("kept"), file, 0o600))
		}
		if err := s.load(); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%q: %v", what, err)
		}
		check(t, os.WriteFile(s.path("kept"), whole, 0o600))
	}
	s.store = strings.Replace(s.store, s.path("kept"), "off", 1)
	if err := s.load(); err == nil {
		t.Error("it started without a snapshot")
	}
}

func TestStandbyOfAPostgresStore(t *testing.T) {
	url := "postgres://u@db.example/d"
	for name, c := range map[string]struct {
		store PostgresStore
		path  string
		stale time.Duration
	}{
		"preset": {PostgresStore{URL: url}, filepath.Join(caddy.AppDataDir(), "merchants", "last-known-good"), 24 * time.Hour},
		"chosen": {PostgresStore{URL: url, LastKnownGood: "/x/y", MaxStale: caddy.Duration(time.Hour)}, "/x/y", time.Hour},
		"off":    {PostgresStore{URL: url, LastKnownGood: "off"}, "", 24 * time.Hour},
	} {
		check(t, c.store.Validate())
		got, err := c.store.standby()
		if err != nil || got.path != c.path || got.maxStale != c.stale || got.source == "" {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	for _, stale := range []time.Duration{time.Second, -time.Hour, 721 * time.Hour} {
		if err := (&PostgresStore{URL: url, MaxStale: caddy.Duration(stale)}).Validate(); err == nil || !strings.Contains(err.Error(), "max_stale") {
			t.Errorf("%v: %v", stale, err)
		}
	}
}
