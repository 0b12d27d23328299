package lastgood

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/keyring"
	"github.com/unknownpay/merchant-gateway/controlplane/store"
)

// gateway is a follower of a real database and keyring that keeps what it has.
type gateway struct {
	testing.TB
	dir   string
	db    *store.DB
	away  atomic.Bool
	ring  *keyring.Ring
	serve *controlplane.Service

	follower *controlplane.Follower
	writes   atomic.Int64 // of the file
	problems atomic.Int64
	stop     func()
}

type switched struct {
	*store.DB
	away *atomic.Bool
}

func (s switched) View(ctx context.Context, fn func(controlplane.Tx) error) error {
	if s.away.Load() {
		return errors.New("the database is away")
	}
	return s.DB.View(ctx, fn)
}

// counted counts the ids of files.
type counted struct{ n *atomic.Int64 }

func (c counted) Read(p []byte) (int, error) {
	c.n.Add(1)
	return rand.Read(p)
}

type hasher struct{}

func (hasher) Hash(context.Context, controlplane.Secret) (controlplane.Secret, error) {
	return controlplane.NewSecret("$hash$"), nil
}

func (g *gateway) root(id string) (*keyring.Root, error) {
	return keyring.FindRoot(filepath.Join(g.dir, "root.key"), id)
}

func (g *gateway) path() string { return filepath.Join(g.dir, "last-known-good") }

// inTime runs a test in time of its own, with a control plane.
func inTime(t *testing.T, test func(g *gateway)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		g := &gateway{TB: t, dir: t.TempDir()}
		var err error
		g.db, err = store.OpenSQLite(t.Context(), store.SQLiteConfig{Path: filepath.Join(g.dir, "control.db")})
		check(t, err)
		defer func() { check(t, g.db.Close()) }()
		root, err := keyring.CreateRoot(filepath.Join(g.dir, "root.key"), rand.Reader)
		check(t, err)
		g.ring, err = keyring.Open(root, nil)
		check(t, err)
		k, err := g.ring.NewDataKey(controlplane.PurposeAPISecret, time.Now())
		check(t, err)
		check(t, g.db.Update(t.Context(), func(tx controlplane.Tx) error { return tx.PutDataKey(t.Context(), controlplane.DataKey(k)) }))
		check(t, g.ring.Add(k))
		g.serve, err = controlplane.NewService(controlplane.Parts{Store: g.db, Sealer: g.ring, Hasher: hasher{}, Clock: time.Now, Random: rand.Reader})
		check(t, err)
		test(g)
	})
}

const maxStale = 24 * time.Hour

// start is what a server does: what the file holds decides until the database answers.
func (g *gateway) start() {
	g.Helper()
	rec, err := Read(g.path(), source, g.root)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		g.Fatal(err)
	}
	var keeper *Keeper
	store := switched{g.db, &g.away}
	g.follower = controlplane.NewFollower(controlplane.FollowerConfig{
		Store: store, Sealer: g.ring, Clock: time.Now, MaxStale: maxStale, OnChange: func(*controlplane.Snapshot) { keeper.Changed() },
	})
	if rec.Snapshot != nil {
		g.follower.Restore(rec.Snapshot, rec.ContactAt)
	}
	keeper = NewKeeper(Config{
		Path: g.path(), Source: source, Store: store, Follower: g.follower, Ring: g.ring, Clock: time.Now, Random: counted{&g.writes}, MaxStale: maxStale,
		OnError: func(error) { g.problems.Add(1) },
	}, rec)
	following, stopFollowing := context.WithCancel(context.Background())
	keeping, stopKeeping := context.WithCancel(context.Background())
	followed, kept := make(chan error, 1), make(chan struct{})
	go func() { followed <- g.follower.Run(following) }()
	go func() { keeper.Run(keeping); close(kept) }()
	g.stop = func() {
		stopFollowing()
		<-followed
		stopKeeping()
		<-kept
	}
}

func (g *gateway) merchant() string {
	g.Helper()
	m, err := g.serve.CreateMerchant(g.Context(), controlplane.LocalActor("root"), controlplane.CreateMerchant{Name: "Shop"})
	check(g, err)
	return m.ID
}

func (g *gateway) key(merchantID string) string {
	g.Helper()
	k, err := g.serve.IssueKey(g.Context(), controlplane.LocalActor("root"), controlplane.IssueKey{MerchantID: merchantID, Environment: controlplane.Live})
	check(g, err)
	return k.Key.ID
}

// knows reports whether the file has a key.
func (g *gateway) knows(id string) bool {
	g.Helper()
	rec, err := Read(g.path(), source, g.root)
	check(g, err)
	_, ok := rec.Snapshot.Key(id)
	return ok
}

func TestChangesAreOnTheDiskSoon(t *testing.T) {
	inTime(t, func(g *gateway) {
		g.start()
		defer func() { g.stop() }()
		id := g.key(g.merchant())
		time.Sleep(2 * time.Second)
		if !g.knows(id) {
			t.Error("a key of two seconds ago is not in the file")
		}
		before := g.writes.Load()
		for range 100 {
			g.key(g.merchant())
			time.Sleep(100 * time.Millisecond)
		}
		if n := g.writes.Load() - before; n < 5 || n > 12 {
			t.Errorf("written %d times in ten seconds of changes", n)
		}
	})
}

func TestTheFileSaysWhenTheDatabaseLastConfirmedIt(t *testing.T) {
	inTime(t, func(g *gateway) {
		g.start()
		defer func() { g.stop() }()
		g.key(g.merchant())
		time.Sleep(6 * time.Hour) // nothing changes
		rec, err := Read(g.path(), source, g.root)
		check(t, err)
		if age := time.Since(rec.ContactAt); age > confirmEvery+time.Minute {
			t.Errorf("the file was last confirmed %v ago", age)
		}
		if n := g.writes.Load(); n > 40 {
			t.Errorf("written %d times though nothing changed", n)
		}
		g.away.Store(true)
		time.Sleep(time.Hour)
		again, err := Read(g.path(), source, g.root)
		check(t, err)
		if time.Since(again.ContactAt) < time.Hour {
			t.Error("the file says that a database that is away confirms it")
		}
		if n := g.problems.Load(); n != 0 {
			t.Errorf("%d problems", n)
		}
	})
}

func TestAStartFromTheFileDecidesUntilItIsTooOld(t *testing.T) {
	inTime(t, func(g *gateway) {
		g.start()
		id := g.key(g.merchant())
		time.Sleep(2 * time.Second)
		g.away.Store(true)
		away := time.Now()
		time.Sleep(time.Hour)
		for range 3 { // restarts lend it no time
			g.stop()
			g.start()
			if _, ok := g.follower.Current().Key(id); !ok {
				t.Fatal("the key is not known after a start without the database")
			}
			time.Sleep(6 * time.Hour)
		}
		time.Sleep(time.Until(away.Add(maxStale - time.Minute)))
		if g.follower.Current() == nil {
			t.Error("it is withdrawn before its time")
		}
		time.Sleep(2 * time.Minute)
		if g.follower.Current() != nil {
			t.Error("it is not withdrawn")
		}
		g.stop()
		g.start()
		if g.follower.Current() != nil {
			t.Error("a start brings back what is too old")
		}
		g.away.Store(false)
		later := g.key(g.merchant())
		time.Sleep(10 * time.Second)
		if _, ok := g.follower.Current().Key(later); !ok {
			t.Error("it has not caught up")
		}
		g.stop()
		if !g.knows(later) {
			t.Error("the file has not caught up")
		}
	})
}

// The last change before a stop is written, though it rests; one before the database
// goes away is, too.
func TestTheLastChangeIsWritten(t *testing.T) {
	inTime(t, func(g *gateway) {
		g.start()
		g.key(g.merchant())
		time.Sleep(1100 * time.Millisecond)
		id := g.key(g.merchant())
		time.Sleep(50 * time.Millisecond)
		g.away.Store(true)
		g.stop()
		if !g.knows(id) {
			t.Error("a key of the last moment is not in the file")
		}
	})
}

func TestADiskThatTakesNothingIsReportedAndTriedAgain(t *testing.T) {
	inTime(t, func(g *gateway) {
		g.start()
		defer func() { g.stop() }()
		time.Sleep(2 * time.Second)
		check(t, os.Remove(g.path()))
		check(t, os.Mkdir(g.path(), 0o700))
		id := g.key(g.merchant())
		time.Sleep(5 * time.Second)
		if n := g.problems.Load(); n < 2 {
			t.Errorf("%d problems reported", n)
		}
		check(t, os.Remove(g.path()))
		time.Sleep(5 * time.Second)
		if !g.knows(id) {
			t.Error("the file was not written")
		}
	})
}
