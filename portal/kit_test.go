package portal

import (
	"crypto/rand"
	"database/sql"
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
// real keyring, and a clock that stands still until it is told to move.
type world struct {
	testing.TB
	service *controlplane.Service
	db      *store.DB
	dir     string
	clock   *clock
	handler http.Handler
	config  Config
	// reader looks into the database file beside the store.
	reader *sql.DB
	// seats are the sessions by token, until the accounts package signs people in.
	seats map[string]Session
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

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func newWorld(tb testing.TB) *world {
	tb.Helper()
	w := &world{TB: tb, dir: tb.TempDir(), clock: &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}, seats: map[string]Session{}}
	db, err := store.OpenSQLite(tb.Context(), store.SQLiteConfig{Path: filepath.Join(w.dir, "control.db")})
	w.must(err)
	w.db = db
	tb.Cleanup(func() { w.must(db.Close()) })
	w.service, err = controlplane.NewService(controlplane.Parts{
		Store: db, Sealer: newRing(w), Hasher: account.NewHasher(account.HasherConfig{}), Clock: w.clock.Now, Random: rand.Reader,
		Rules: controlplane.Rules{AllowPrivateRanges: true},
	})
	w.must(err)
	w.config = Config{Service: w.service, Accounts: seats(w.seats), Clock: w.clock.Now, Logger: zap.NewNop()}
	w.rebuild(func(*Config) {})
	return w
}

// rebuild makes the portal anew with another configuration.
func (w *world) rebuild(edit func(*Config)) {
	w.Helper()
	edit(&w.config)
	h, err := New(w.config)
	w.must(err)
	w.handler = h
}

func newRing(w *world) *keyring.Ring {
	w.Helper()
	root, err := keyring.LoadOrCreateRoot(filepath.Join(w.dir, "root.key"), rand.Reader)
	w.must(err)
	ring, err := keyring.Open(root, nil)
	w.must(err)
	k, err := ring.NewDataKey(controlplane.PurposeAPISecret, w.clock.Now())
	w.must(err)
	w.must(w.db.Update(w.Context(), func(tx controlplane.Tx) error { return tx.PutDataKey(w.Context(), controlplane.DataKey(k)) }))
	w.must(ring.Add(k))
	return ring
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

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
