package account

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/keyring"
)

// Passwords of these tests.
const (
	first  = "vexed otter quilt mango"
	second = "tractor lamp under ocean"
	third  = "seven loose brass hinges"
	fourth = "marmot delivers old soup"
	fifth  = "gravel kite thursday fox"
)

// world is a real store and keyring, a clock that stands still, and a hash that
// costs nothing but counts its calls. argon2id has its own tests.
type world struct {
	testing.TB
	*Service
	domain *controlplane.Service
	db     controlplane.Store
	dir    string
	ring   *keyring.Ring
	hashes *atomic.Int64
	clock  *clock
	parts  Parts

	mu      sync.Mutex
	notices []controlplane.AccountNoticeKind
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func newWorld(tb testing.TB) *world {
	tb.Helper()
	w := &world{TB: tb, dir: tb.TempDir(), clock: &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}, hashes: new(atomic.Int64)}
	db, err := stores.Open(tb, filepath.Join(w.dir, "control.db"))
	w.must(err)
	tb.Cleanup(func() { w.must(db.Close()) })
	w.db, w.ring = db, newRing(w, db)
	h := NewHasher(HasherConfig{Slots: 64})
	h.derive = func(password, salt []byte, c cost) []byte {
		w.hashes.Add(1)
		sum := sha256.Sum256(fmt.Appendf(nil, "%x %x %v", password, salt, c))
		return sum[:]
	}
	w.parts = Parts{
		Kind: controlplane.ActorUser, Store: db, Sealer: w.ring, Hasher: h, Clock: w.clock.Now, Random: rand.Reader,
		Notify: func(_ context.Context, _ controlplane.Tx, n controlplane.AccountNotice) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.notices = append(w.notices, n.Kind)
			return nil
		},
	}
	w.rebuild(func(*Parts) {})
	w.domain, err = controlplane.NewService(controlplane.Parts{Store: db, Sealer: w.ring, Hasher: h, Clock: w.clock.Now, Random: rand.Reader})
	w.must(err)
	return w
}

func newRing(w *world, db controlplane.Store) *keyring.Ring {
	w.Helper()
	root, err := keyring.LoadOrCreateRoot(filepath.Join(w.dir, "root.key"), rand.Reader)
	w.must(err)
	ring, err := keyring.Open(root, nil)
	w.must(err)
	for _, purpose := range controlplane.Purposes() {
		k, err := ring.NewDataKey(purpose, w.clock.Now())
		w.must(err)
		w.must(db.Update(w.Context(), func(tx controlplane.Tx) error { return tx.PutDataKey(w.Context(), controlplane.DataKey(k)) }))
		w.must(ring.Add(k))
	}
	return ring
}

func (w *world) rebuild(edit func(*Parts)) {
	w.Helper()
	edit(&w.parts)
	s, err := NewService(w.parts)
	w.must(err)
	w.Service = s
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func wants(tb testing.TB, err error, code controlplane.Code) *controlplane.Error {
	tb.Helper()
	var e *controlplane.Error
	if !errors.As(err, &e) || e.Code != code {
		tb.Fatalf("got %v; want %s", err, code)
	}
	return e
}

func local() controlplane.Actor { return controlplane.LocalActor("root") }

// fresh returns the owner of a new merchant, with the password that was made for
// them.
func (w *world) fresh(username string) (id, merchantID string, initial controlplane.Secret) {
	w.Helper()
	m, err := w.domain.CreateMerchant(w.Context(), local(), controlplane.CreateMerchant{Name: "Blue Lotus"})
	w.must(err)
	a, err := w.domain.CreateUser(w.Context(), local(), controlplane.CreateUser{MerchantID: m.ID, Username: username, Role: controlplane.RoleOwner})
	w.must(err)
	return a.ID, m.ID, a.InitialPassword
}

// person is somebody at a browser: what cookies it holds and what the app shows.
type person struct {
	w              *world
	username       string
	id, merchantID string
	password       string
	token, device  controlplane.Secret
	seed           controlplane.Secret
	codes          []controlplane.Secret
	from           Origin
}

func stranger(w *world, username string) *person {
	return &person{w: w, username: username, from: from("203.0.113.66")}
}

func from(ip string) Origin {
	return Origin{IP: netip.MustParseAddr(ip), UserAgent: "Firefox", RequestID: "req_1"}
}

// settled returns somebody who has signed in, chosen a password, and nothing else.
func (w *world) settled(username string) *person {
	w.Helper()
	p := &person{w: w, username: username, from: from("198.51.100.7")}
	var initial controlplane.Secret
	p.id, p.merchantID, initial = w.fresh(username)
	p.password = initial.Reveal()
	p.step(controlplane.SessionPendingPassword)(p.signIn(p.password))
	t, err := w.ChangePassword(w.Context(), p.token, initial, secret(first), p.from)
	w.must(err)
	p.password = first
	p.step(controlplane.SessionActive)(p.keep(t, nil))
	return p
}

// enrolled is settled with a second factor.
func (w *world) enrolled(username string) *person {
	w.Helper()
	p := w.settled(username)
	w.must(p.confirm(p.password, ""))
	p.enrol()
	return p
}

// enrol adds a second factor; the session has sudo, or waits for it.
func (p *person) enrol() {
	p.w.Helper()
	e, err := p.w.BeginEnrolment(p.w.Context(), p.token, p.from)
	p.w.must(err)
	p.seed = e.Seed
	t, codes, err := p.w.FinishEnrolment(p.w.Context(), p.token, p.code(), p.from)
	p.w.must(err)
	p.codes = codes
	p.step(controlplane.SessionActive)(p.keep(t, nil))
	p.w.clock.pass(totpPeriod) // the code is spent
}

// code is what the app shows now.
func (p *person) code() controlplane.Secret {
	p.w.Helper()
	code, err := totp.GenerateCode(p.seed.Reveal(), p.w.clock.Now())
	p.w.must(err)
	return secret(code)
}

// keep stores the cookies of a ticket, as a browser does.
func (p *person) keep(t Ticket, err error) (Ticket, error) {
	if err == nil && !t.Token.IsZero() {
		p.token = t.Token
	}
	if err == nil && !t.Device.IsZero() {
		p.device = t.Device
	}
	return t, err
}

func (p *person) signIn(password string) (Ticket, error) {
	return p.keep(p.w.SignIn(p.w.Context(), Credentials{p.username, secret(password), p.device}, p.from))
}

func (p *person) showCode() (Ticket, error) {
	return p.keep(p.w.Code(p.w.Context(), p.token, p.code(), p.from))
}

func (p *person) confirm(password, code string) error {
	_, err := p.keep(p.w.Confirm(p.w.Context(), p.token, secret(password), secret(code), p.from))
	return err
}

func (p *person) standing() Standing {
	p.w.Helper()
	st, err := p.w.Session(p.w.Context(), p.token)
	p.w.must(err)
	return st
}

// in fails the test unless the session is in the state; "" is nobody's.
func (p *person) in(want controlplane.SessionState) {
	p.w.Helper()
	if got := p.standing().Session.State; got != want {
		p.w.Fatalf("the session is %q; want %q", got, want)
	}
}

// step fails the test unless the step led to the state.
func (p *person) step(want controlplane.SessionState) func(Ticket, error) {
	return func(t Ticket, err error) {
		p.w.Helper()
		p.w.must(err)
		if t.State != want {
			p.w.Fatalf("the step led to %q; want %q", t.State, want)
		}
		p.in(want)
	}
}

// told returns what was put into the outbox since the last call.
func (w *world) told() []controlplane.AccountNoticeKind {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := w.notices
	w.notices = nil
	return out
}

func (w *world) view(fn func(tx controlplane.Tx) error) {
	w.Helper()
	w.must(w.db.View(w.Context(), fn))
}

func (w *world) lastAudit() controlplane.AuditEvent {
	w.Helper()
	events, err := w.domain.ListAudit(w.Context(), local(), controlplane.AuditFilter{Limit: 1})
	w.must(err)
	return events[0]
}
