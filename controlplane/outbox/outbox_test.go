package outbox_test

import (
	"context"
	"crypto/rand"
	"errors"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/keyring"
	"github.com/unknownpay/merchant-gateway/controlplane/outbox"
	"github.com/unknownpay/merchant-gateway/controlplane/store"
)

// world is a control plane whose people have mail addresses.
type world struct {
	*testing.T
	db       *store.DB
	service  *controlplane.Service
	now      time.Time
	merchant controlplane.Merchant
}

var operator = controlplane.LocalActor("test")

func newWorld(t *testing.T) *world {
	w := &world{T: t, now: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)}
	var err error
	w.db, err = stores.Open(t, filepath.Join(t.TempDir(), "m.db"))
	w.check(err)
	t.Cleanup(func() { w.check(w.db.Close()) })
	w.service, err = controlplane.NewService(controlplane.Parts{
		Store: w.db, Sealer: w.ring(), Hasher: plainHasher{}, Clock: w.clock, Random: rand.Reader, NotifyKey: outbox.NotifyKey, NotifyApproval: outbox.NotifyApproval,
	})
	w.check(err)
	w.merchant, err = w.service.CreateMerchant(t.Context(), operator, controlplane.CreateMerchant{Name: "Blue Bottle Books"})
	w.check(err)
	for _, u := range []controlplane.CreateUser{
		{Username: "owner", Role: controlplane.RoleOwner, Email: "owner@example.com"},
		{Username: "admin", Role: controlplane.RoleAdmin, Email: "admin@example.com"},
		{Username: "silent", Role: controlplane.RoleAdmin},
		{Username: "viewer", Role: controlplane.RoleViewer, Email: "viewer@example.com"},
	} {
		u.MerchantID = w.merchant.ID
		_, err := w.service.CreateUser(t.Context(), operator, u)
		w.check(err)
	}
	return w
}

func (w *world) clock() time.Time { return w.now }

func (w *world) check(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) ring() *keyring.Ring {
	root, err := keyring.CreateRoot(filepath.Join(w.TempDir(), "root.key"), rand.Reader)
	w.check(err)
	ring, err := keyring.Open(root, nil)
	w.check(err)
	key, err := ring.NewDataKey(controlplane.PurposeAPISecret, w.now)
	w.check(err)
	w.check(ring.Add(key))
	return ring
}

type plainHasher struct{}

func (plainHasher) Hash(_ context.Context, s controlplane.Secret) (controlplane.Secret, error) {
	return s, nil
}

func (w *world) due() (all []controlplane.Mail) {
	w.Helper()
	w.check(w.db.View(w.Context(), func(tx controlplane.Tx) (err error) {
		all, err = tx.DueMail(w.Context(), w.now, 100)
		return err
	}))
	return all
}

func (w *world) issue() controlplane.APIKey {
	w.Helper()
	issued, err := w.service.IssueKey(w.Context(), operator, controlplane.IssueKey{MerchantID: w.merchant.ID, Environment: controlplane.Test})
	w.check(err)
	return issued.Key
}

func TestOwnersAndAdminsWithAnAddressAreToldOfKeys(t *testing.T) {
	w := newWorld(t)
	key := w.issue()
	var to []string
	for _, m := range w.due() {
		to = append(to, m.To)
		if !strings.Contains(m.Subject, "API key issued") || strings.Count(m.Body, key.ID) != 2 {
			t.Errorf("%s: %s", m.Subject, m.Body)
		}
	}
	slices.Sort(to)
	if got := strings.Join(to, " "); got != "admin@example.com owner@example.com" {
		t.Errorf("told %s", got)
	}
}

func TestEveryNoticeHasWordsInBothLanguages(t *testing.T) {
	w := newWorld(t)
	for _, kind := range []controlplane.AccountNoticeKind{
		controlplane.NoticeNewDevice, controlplane.NoticeLockout, controlplane.NoticePasswordChanged, controlplane.NoticeSecondFactorAdded,
		controlplane.NoticeSecondFactorRemoved, controlplane.NoticeRecoveryCodeUsed, controlplane.NoticeRecoveryCodesMade,
	} {
		n := controlplane.AccountNotice{Kind: kind, AccountID: "usr_1", Username: "nok", Email: "nok@example.com", At: w.now, IP: netip.MustParseAddr("203.0.113.9")}
		w.check(w.db.Update(t.Context(), func(tx controlplane.Tx) error { return outbox.Notify(t.Context(), tx, n) }))
	}
	mail := w.due()
	if len(mail) != 7 {
		t.Fatalf("%d messages, want 7", len(mail))
	}
	for _, m := range mail {
		if strings.Contains(m.Body, "{") || strings.Count(m.Body, "203.0.113.9") != 2 || strings.Contains(m.Body, "http") || !strings.ContainsFunc(m.Body, isThai) {
			t.Errorf("%s: %s", m.Subject, m.Body)
		}
	}
	err := w.db.Update(t.Context(), func(tx controlplane.Tx) error {
		return outbox.Notify(t.Context(), tx, controlplane.AccountNotice{Kind: "x"})
	})
	if err == nil {
		t.Error("a notice without words was taken")
	}
}

func TestEndpointsThatChangeAreToldOfOnce(t *testing.T) {
	w := newWorld(t)
	e := controlplane.Endpoint{ID: "ep_1", MerchantID: w.merchant.ID, Environment: controlplane.Live, URL: "https://evil.example.com/"}
	until, since := w.now.Add(90*time.Minute), w.now.Add(-time.Hour)
	for name, c := range map[string]struct {
		n    controlplane.EndpointNotice
		want string
	}{
		"failing":   {controlplane.EndpointNotice{Kind: controlplane.NoticeEndpointFailing, Since: since}, "2026-11-23 08:00 UTC"},
		"recovered": {controlplane.EndpointNotice{Kind: controlplane.NoticeEndpointRecovered, Since: since}, "2026-11-23 08:00 UTC"},
		"paused":    {controlplane.EndpointNotice{Kind: controlplane.NoticeEndpointPaused, PausedUntil: until}, "2026-11-23 10:30 UTC"},
		"by hand":   {controlplane.EndpointNotice{Kind: controlplane.NoticeEndpointDisabled}, "If this was not you"},
		"gone":      {controlplane.EndpointNotice{Kind: controlplane.NoticeEndpointDisabled}, "410"},
		"dead":      {controlplane.EndpointNotice{Kind: controlplane.NoticeEndpointDisabled}, "for five days"},
	} {
		w.now = w.now.Add(time.Second)
		before := len(w.due())
		c.n.At, c.n.Endpoint = w.now, e
		reasons := map[string]controlplane.DisabledReason{"by hand": controlplane.DisabledByHand, "gone": controlplane.DisabledGone, "dead": controlplane.DisabledFailing}
		c.n.Endpoint.DisabledReason = reasons[name]
		for range 2 {
			w.check(w.db.Update(t.Context(), func(tx controlplane.Tx) error { return outbox.NotifyEndpoint(t.Context(), tx, c.n) }))
		}
		mail := w.due()[before:]
		if len(mail) != 2 {
			t.Fatalf("%s: %d messages, want one for the owner and one for the admin", name, len(mail))
		}
		if m := mail[0]; !strings.Contains(m.Body, c.want) || strings.Contains(m.Body, "{") || strings.Count(m.Body, "ep_1 (live)") != 2 || strings.Contains(m.Body, "http") || !strings.ContainsFunc(m.Body, isThai) {
			t.Errorf("%s: %s\n%s", name, m.Subject, m.Body)
		}
	}
	for _, n := range []controlplane.EndpointNotice{{Kind: "x", Endpoint: e}, {Kind: controlplane.NoticeEndpointDisabled, Endpoint: e}} {
		if err := w.db.Update(t.Context(), func(tx controlplane.Tx) error { return outbox.NotifyEndpoint(t.Context(), tx, n) }); err == nil {
			t.Error("a notice without words was taken")
		}
	}
}

func isThai(r rune) bool { return r >= 0x0e00 && r <= 0x0e7f }

func TestAKeyInUseIsRemindedOfOnceBeforeItStops(t *testing.T) {
	w := newWorld(t)
	key := w.issue()
	_, err := w.service.RotateKey(t.Context(), operator, controlplane.RotateKey{MerchantID: w.merchant.ID, Environment: controlplane.Test, Overlap: controlplane.OverlapDay})
	w.check(err)
	before := len(w.due())
	remind := func(after time.Duration, want int) {
		t.Helper()
		w.now = w.now.Add(after)
		w.check(outbox.RemindOfStoppingKeys(t.Context(), w.db, w.now))
		if got := len(w.due()) - before; got != want {
			t.Errorf("%d reminders, want %d", got, want)
		}
	}
	remind(20*time.Hour, 0)
	remind(90*time.Minute, 0) // in time, but nobody uses it
	use := controlplane.Use{Keys: []controlplane.KeyUse{{KeyID: key.ID, At: w.now, IP: netip.MustParseAddr("203.0.113.9")}}}
	w.check(w.service.RecordUse(t.Context(), use))
	remind(0, 2)
	remind(time.Minute, 2)
}

// fakeTransport fails as told.
type fakeTransport struct {
	mu   sync.Mutex
	fail error
	sent []string
}

func (f *fakeTransport) Send(_ context.Context, m controlplane.Mail) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail == nil {
		f.sent = append(f.sent, m.To)
	}
	return f.fail
}

func (w *world) round(f *fakeTransport) (reported int) {
	ctx, cancel := context.WithCancel(w.Context())
	s := outbox.Sender{Store: w.db, Transport: func() outbox.Transport { return f }, Clock: w.clock, OnError: func(error) { reported++ }}
	w.check(s.Round(ctx))
	cancel()
	return reported
}

func TestMailIsTriedUntilItIsTaken(t *testing.T) {
	w := newWorld(t)
	w.issue()
	f := &fakeTransport{fail: errors.New("451 later")}
	if n := w.round(f); n != 2 {
		t.Errorf("%d failures reported, want 2", n)
	}
	if len(w.due()) != 0 {
		t.Error("mail that just failed is due at once")
	}
	w.now = w.now.Add(time.Minute)
	f.fail = nil
	w.round(f)
	w.now = w.now.Add(time.Hour)
	w.round(f)
	if len(f.sent) != 2 {
		t.Errorf("sent %v, want each once", f.sent)
	}
}

func TestMailWaitsForAMailServer(t *testing.T) {
	w := newWorld(t)
	w.issue()
	s := outbox.Sender{Store: w.db, Transport: func() outbox.Transport { return nil }, Clock: w.clock, OnError: func(err error) { t.Error(err) }}
	w.check(s.Round(t.Context()))
	if n := len(w.due()); n != 2 {
		t.Errorf("%d messages wait, want 2", n)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	f := &fakeTransport{}
	done := make(chan struct{})
	s := outbox.Sender{Store: w.db, Clock: w.clock, OnError: func(err error) { t.Error(err) }, Transport: func() outbox.Transport {
		cancel()
		return f
	}}
	go func() { s.Run(ctx); close(done) }()
	<-done
}

func TestMailIsGivenUpWhenRefusedForGoodOrOld(t *testing.T) {
	w := newWorld(t)
	w.issue()
	w.round(&fakeTransport{fail: outbox.ErrRejected})
	w.now = w.now.Add(24 * time.Hour)
	if n := len(w.due()); n != 0 {
		t.Errorf("%d messages are still due after a final refusal", n)
	}
	_, err := w.service.RotateKey(t.Context(), operator, controlplane.RotateKey{MerchantID: w.merchant.ID, Environment: controlplane.Test, Overlap: controlplane.OverlapWeek})
	w.check(err)
	for range 60 {
		w.round(&fakeTransport{fail: errors.New("away")})
		w.now = w.now.Add(4 * time.Hour)
	}
	if n := len(w.due()); n != 0 {
		t.Errorf("%d messages are still due after ten days", n)
	}
}
