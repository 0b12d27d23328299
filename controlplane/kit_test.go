package controlplane_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/mattn/go-sqlite3"

	. "github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/keyring"
	"github.com/unknownpay/merchant-gateway/tests/pgtest"
	"github.com/unknownpay/merchant-gateway/tests/teststore"
)

// world is a control plane of real parts: a SQLite database in a directory of its
// own, a real keyring, and a clock that stands still until it is told to move.
type world struct {
	testing.TB
	*Service
	dir   string
	store Store
	ring  *testRing
	clock *clock
	parts Parts
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

// quickHasher stands in for argon2id, which would make a thousand users cost a
// minute. The real one has its tests in package account.
type quickHasher struct{}

func (quickHasher) Hash(context.Context, Secret) (Secret, error) { return NewSecret("$hash$"), nil }

func newWorld(tb testing.TB) *world {
	tb.Helper()
	w := &world{TB: tb, dir: tb.TempDir(), clock: &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}}
	w.open()
	tb.Cleanup(w.close)
	return w
}

func (w *world) dbPath() string { return filepath.Join(w.dir, "control.db") }

// open does what a start of the server does: find the root key that the database
// asks for, unwrap the data keys, and make the first ones.
func (w *world) open() {
	w.Helper()
	db, err := stores.Open(w, w.dbPath())
	w.must(err)
	w.store, w.ring = db, openRing(w, db)
	w.parts = Parts{
		Store: db, Sealer: w.ring, Hasher: quickHasher{}, Clock: w.clock.Now, Random: rand.Reader,
		Rules:    Rules{AllowPrivateRanges: true},
		Diagnose: func(CheckSignature, time.Time) (SignatureVerdict, error) { return SignatureVerdict{}, nil },
	}
	w.rebuild(func(*Parts) {})
}

// rebuild makes the service anew with other parts.
func (w *world) rebuild(edit func(*Parts)) {
	w.Helper()
	edit(&w.parts)
	s, err := NewService(w.parts)
	w.must(err)
	w.Service = s
}

func (w *world) close() {
	w.Helper()
	w.must(w.store.(interface{ Close() error }).Close())
}

// restart closes and opens everything, so that only what is on disk remains.
func (w *world) restart() {
	w.Helper()
	w.close()
	w.open()
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// ok returns v, or ends the test.
func ok[T any](v T, err error) func(testing.TB) T {
	return func(tb testing.TB) T {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		return v
	}
}

// wants fails the test unless err carries the code.
func wants(tb testing.TB, err error, code Code) *Error {
	tb.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Code != code {
		tb.Fatalf("got %v; want %s", err, code)
	}
	return e
}

func local() Actor { return LocalActor("root") }

func (w *world) merchant(name string) Merchant {
	w.Helper()
	return ok(w.CreateMerchant(w.Context(), local(), CreateMerchant{Name: name}))(w)
}

// user makes a user and returns them as the actor that a session would make of
// them, with sudo.
func (w *world) user(merchantID, username string, role Role) Actor {
	w.Helper()
	account := ok(w.CreateUser(w.Context(), local(), CreateUser{MerchantID: merchantID, Username: username, Role: role}))(w)
	return Actor{
		Kind: ActorUser, ID: account.ID, Name: username, Role: role, MerchantID: merchantID, Sudo: true,
		IP: "198.51.100.7", UserAgent: "test browser", RequestID: "req_1",
	}
}

// staff is a member of the platform team who has confirmed who they are and, where
// nobody else could approve, breaks the glass.
func (w *world) staff(role Role) Actor {
	w.Helper()
	a := someStaff(role)
	w.ensureMember(a)
	return a
}

func someStaff(role Role) Actor {
	a := Actor{Kind: ActorStaff, ID: "stf_" + string(role), Name: "sam", Role: role, Sudo: true, IP: "192.0.2.9", UserAgent: "office browser"}
	if role == RolePlatformAdmin {
		a.BreakGlass = "nobody else is here"
	}
	return a
}

func (w *world) key(merchantID string, env Environment) IssuedKey {
	w.Helper()
	return ok(w.IssueKey(w.Context(), local(), IssueKey{MerchantID: merchantID, Environment: env}))(w)
}

// lastAudit is the newest row of the trail.
func (w *world) lastAudit() AuditEvent {
	w.Helper()
	return ok(w.ListAudit(w.Context(), local(), AuditFilter{Limit: 1}))(w)[0]
}

func (w *world) auditRows() int64 {
	w.Helper()
	for _, e := range ok(w.ListAudit(w.Context(), local(), AuditFilter{Limit: 1}))(w) {
		return e.Seq
	}
	return 0
}

func (w *world) revision() (n int64) {
	w.Helper()
	w.must(w.store.View(w.Context(), func(tx Tx) (err error) {
		n, err = tx.Revision(w.Context())
		return err
	}))
	return n
}

// raw runs statements on the closed database, as someone with the file could, or the
// owner of a PostgreSQL.
func (w *world) raw(statements ...string) {
	w.Helper()
	w.close()
	defer w.open()
	if teststore.Postgres(w) {
		w.must(pgtest.Exec(stores.URL(w, w.dbPath()), asOwner(statements)))
		return
	}
	db, err := sql.Open("sqlite3", w.dbPath())
	w.must(err)
	for _, statement := range statements {
		if _, err := db.Exec(statement); err != nil {
			w.Fatalf("%s: %v", statement, err)
		}
	}
	w.must(db.Close())
}

// asOwner words statements for PostgreSQL, where a setting and dropping a check stand in for
// dropping triggers and ignoring checks.
func asOwner(statements []string) string {
	text := "SET session_replication_role = replica;\nALTER TABLE audit_events DROP CONSTRAINT audit_events_seq_check;\n"
	for _, s := range statements {
		if !strings.HasPrefix(s, "DROP TRIGGER") && !strings.HasPrefix(s, "PRAGMA") {
			text += strings.ReplaceAll(s, "zeroblob(32)", "decode(repeat('00', 32), 'hex')") + ";\n"
		}
	}
	return text
}

// onDisk is every byte under the world's directory.
func (w *world) onDisk() string {
	w.Helper()
	var all strings.Builder
	files, err := filepath.Glob(filepath.Join(w.dir, "*"))
	w.must(err)
	for _, f := range files {
		b, err := os.ReadFile(f)
		w.must(err)
		all.Write(b)
	}
	return all.String()
}

// testRing lends a keyring to the domain, as the server does.
type testRing struct {
	*keyring.Ring
	path string
}

var _ Keyring = (*testRing)(nil)

func openRing(w *world, s Store) *testRing {
	w.Helper()
	ctx, path := w.Context(), filepath.Join(w.dir, "root.key")
	var stored []keyring.WrappedKey
	w.must(s.View(ctx, func(tx Tx) error {
		keys, err := tx.DataKeys(ctx)
		for _, k := range keys {
			stored = append(stored, keyring.WrappedKey(k))
		}
		return err
	}))
	var root *keyring.Root
	var err error
	if len(stored) == 0 {
		root, err = keyring.LoadOrCreateRoot(path, rand.Reader)
	} else {
		root, err = keyring.LoadRootFor(path, stored[0].RootID)
	}
	w.must(err)
	r := &testRing{ok(keyring.Open(root, stored))(w), path}
	if len(stored) == 0 {
		k := ok(r.NewDataKey(PurposeAPISecret, w.clock.Now()))(w)
		w.must(s.Update(ctx, func(tx Tx) error { return tx.PutDataKey(ctx, k) }))
		w.must(r.Add(k))
	}
	return r
}

func (r *testRing) NewDataKey(purpose string, now time.Time) (DataKey, error) {
	k, err := r.Ring.NewDataKey(purpose, now)
	return DataKey(k), err
}

func (r *testRing) Add(k DataKey) error { return r.Ring.Add(keyring.WrappedKey(k)) }

func (r *testRing) Drop(id uint32) error {
	if err := r.Ring.Drop(id); !errors.Is(err, keyring.ErrUnknownKey) {
		return err
	}
	return nil
}

func (r *testRing) NextRoot(string) (NextRoot, error) {
	old, err := keyring.FindRoot(r.path, r.Status().RootID)
	if err != nil {
		return nil, err
	}
	next, err := keyring.NextRoot(r.path, rand.Reader)
	return &testNextRoot{r, old, next}, err
}

type testNextRoot struct {
	ring      *testRing
	old, root *keyring.Root
}

func (n *testNextRoot) ID() string { return n.root.ID() }

func (n *testNextRoot) Rewrap(keys []DataKey) ([]DataKey, error) {
	in := make([]keyring.WrappedKey, len(keys))
	for i, k := range keys {
		in[i] = keyring.WrappedKey(k)
	}
	wrapped, err := keyring.Rewrap(n.old, n.root, in)
	out := make([]DataKey, len(wrapped))
	for i, k := range wrapped {
		out[i] = DataKey(k)
	}
	return out, err
}

func (n *testNextRoot) Commit() error {
	if err := n.ring.SetRoot(n.root); err != nil {
		return err
	}
	return keyring.FinishRotation(n.ring.path, n.root.ID())
}
