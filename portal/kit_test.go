package portal

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/account"
	"github.com/unknownpay/merchant-gateway/controlplane/keyring"
	"github.com/unknownpay/merchant-gateway/controlplane/store"
)

// world is a portal of real parts: a SQLite database in a directory of its own, a
// real keyring, the real sign-in, and a clock that stands still until it is told
// to move.
type world struct {
	testing.TB
	service  *controlplane.Service
	accounts *account.Service
	db       *store.DB
	ring     *keyring.Ring
	dir      string
	clock    *clock
	handler  http.Handler
	build    func(Config) (http.Handler, error)
	config   Config
	courier  *courier
	// snapshot is what signatures are checked by; nil: there are no keys.
	snapshot *controlplane.Snapshot
	// reader looks into the database beside the store; shared: it is a PostgreSQL.
	reader *sql.DB
	shared bool
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

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func newWorld(tb testing.TB) *world {
	tb.Helper()
	w := &world{TB: tb, dir: tb.TempDir(), build: New, clock: &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}}
	db, err := stores.Open(tb, filepath.Join(w.dir, "control.db"))
	w.must(err)
	w.db = db
	tb.Cleanup(func() { w.must(db.Close()) })
	w.ring = newRing(w)
	ring, hasher := w.ring, account.NewHasher(account.HasherConfig{Wait: time.Minute})
	w.courier = &courier{world: w}
	w.service, err = controlplane.NewService(controlplane.Parts{
		Store: db, Sealer: ring, Hasher: hasher, Clock: w.clock.Now, Random: rand.Reader,
		Rules: controlplane.Rules{AllowPrivateRanges: true}, Dispatcher: w.courier, CheckURL: checkTestURL, Diagnose: w.diagnose,
	})
	w.must(err)
	w.rebuildAccounts(account.Parts{
		Kind: controlplane.ActorUser, Store: db, Sealer: ring, Hasher: hasher, Clock: w.clock.Now, Random: rand.Reader,
	})
	w.rebuild(func(c *Config) { c.Service, c.Clock, c.Logger = w.service, w.clock.Now, zap.NewNop() })
	return w
}

func (w *world) rebuildAccounts(p account.Parts) {
	w.Helper()
	var err error
	w.accounts, err = account.NewService(p)
	w.must(err)
	w.config.Accounts = w.accounts
}

// rebuild makes the portal anew with another configuration.
func (w *world) rebuild(edit func(*Config)) {
	w.Helper()
	edit(&w.config)
	h, err := w.build(w.config)
	w.must(err)
	w.handler = h
}

func newRing(w *world) *keyring.Ring {
	w.Helper()
	root, err := keyring.LoadOrCreateRoot(filepath.Join(w.dir, "root.key"), rand.Reader)
	w.must(err)
	ring, err := keyring.Open(root, nil)
	w.must(err)
	for _, purpose := range controlplane.Purposes() {
		k, err := ring.NewDataKey(purpose, w.clock.Now())
		w.must(err)
		w.must(w.db.Update(w.Context(), func(tx controlplane.Tx) error { return tx.PutDataKey(w.Context(), controlplane.DataKey(k)) }))
		w.must(ring.Add(k))
	}
	return ring
}

// person is a user with the password that was generated for them.
type person struct {
	id, merchantID, username string
	initial                  string
	staff                    bool
}

func (w *world) person(merchantID, username string, role controlplane.Role) person {
	w.Helper()
	u, err := w.service.CreateUser(w.Context(), controlplane.LocalActor("root"), controlplane.CreateUser{MerchantID: merchantID, Username: username, Role: role})
	w.must(err)
	return person{u.ID, merchantID, u.Username, u.InitialPassword.Reveal(), false}
}

// owner makes a merchant with an owner.
func (w *world) owner() person {
	w.Helper()
	m, err := w.service.CreateMerchant(w.Context(), controlplane.LocalActor("root"), controlplane.CreateMerchant{Name: "Chiang Mai Coffee"})
	w.must(err)
	return w.person(m.ID, "mali", controlplane.RoleOwner)
}

// seat puts a person into a browser, in any state of signing in, without the hash
// that signing in would cost.
func (w *world) seat(p person, state controlplane.SessionState, sudo bool) *browser {
	w.Helper()
	id, err := controlplane.NewID("ses_", w.clock.Now(), rand.Reader)
	w.must(err)
	secret := make([]byte, 32)
	_, err = rand.Read(secret)
	w.must(err)
	now := w.clock.Now()
	s := controlplane.Session{
		ID: id, Kind: controlplane.ActorUser, AccountID: p.id, MerchantID: p.merchantID, State: state, SecretHash: sha256.Sum256(secret),
		CreatedAt: now, ExpiresAt: now.Add(12 * time.Hour), LastSeenAt: now,
	}
	if sudo {
		s.SudoUntil = now.Add(10 * time.Minute)
	}
	if p.staff {
		s.Kind = controlplane.ActorStaff
	}
	w.must(w.db.Update(w.Context(), func(tx controlplane.Tx) (err error) {
		if s.SecurityVersion, err = securityVersion(tx, p); err != nil {
			return err
		}
		return tx.InsertSession(context.Background(), s)
	}))
	b := w.browser()
	b.cookies[w.handler.(*portal).sessionName] = id + "." + base64.RawURLEncoding.EncodeToString(secret)
	return b
}

func securityVersion(tx controlplane.Tx, p person) (int64, error) {
	ctx := context.Background()
	if p.staff {
		s, err := tx.StaffMember(ctx, p.id)
		return s.SecurityVersion, err
	}
	u, err := tx.User(ctx, p.merchantID, p.id)
	return u.SecurityVersion, err
}

// inState is a browser of a person in a state.
func (w *world) inState(p person, state State, sudo bool) *browser {
	w.Helper()
	if state == StateAnonymous {
		return w.browser()
	}
	return w.seat(p, map[State]controlplane.SessionState{
		StateCode: controlplane.SessionPending2FA, StatePassword: controlplane.SessionPendingPassword,
		StateEnrol: controlplane.SessionPendingEnrol, StateActive: controlplane.SessionActive,
	}[state], sudo)
}

// active is seat for an owner who is signed in and has confirmed.
func (w *world) active() *browser {
	w.Helper()
	return w.seat(w.owner(), controlplane.SessionActive, true)
}

// browser keeps cookies and sends what browsers send.
type browser struct {
	*world
	cookies map[string]string
}

func (w *world) browser() *browser { return &browser{w, map[string]string{}} }

func (b *browser) get(target string) *httptest.ResponseRecorder {
	return b.send(httptest.NewRequest(get, "https://portal.test"+target, nil))
}

func (b *browser) post(target string, values url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(post, "https://portal.test"+target, strings.NewReader(values.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Origin", "https://portal.test")
	return b.send(r)
}

func (b *browser) send(r *http.Request) *httptest.ResponseRecorder {
	r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	rec := httptest.NewRecorder()
	b.handler.ServeHTTP(rec, r)
	for _, c := range rec.Result().Cookies() {
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		} else {
			b.cookies[c.Name] = c.Value
		}
	}
	return rec
}
