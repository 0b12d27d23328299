package caddymodule

import (
	"context"
	"crypto/rand"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/account"
	"github.com/unknownpay/merchant-gateway/controlplane/keyring"
	"github.com/unknownpay/merchant-gateway/controlplane/store"
	"github.com/unknownpay/merchant-gateway/tests/pgtest"
)

// twoServers share a database and a root key.
func twoServers(t *testing.T) (a, b *node) {
	t.Helper()
	server := new(pgtest.Server)
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	url, root := server.Database(t), filepath.Join(t.TempDir(), "root.key")
	open := func() *node {
		db, err := store.OpenPostgres(t.Context(), store.PostgresConfig{URL: url})
		check(t, err)
		n := &node{db: db, sending: new(sync.WaitGroup), hasher: account.NewHasher(account.HasherConfig{})}
		t.Cleanup(func() { check(t, n.close()) })
		n.ring, err = openRing(t.Context(), db, root, time.Now)
		check(t, err)
		check(t, n.assemble(controlplane.Rules{}))
		return n
	}
	return open(), open()
}

// opens reports whether a server can read the secret of every key.
func (n *node) opens(t *testing.T) (keys int) {
	t.Helper()
	check(t, n.db.View(t.Context(), func(tx controlplane.Tx) error {
		return tx.SnapshotKeys(t.Context(), -1, time.Time{}, func(k controlplane.KeyRecord) error {
			keys++
			_, err := n.ring.Unseal(controlplane.PurposeAPISecret, controlplane.APISecretLocation(k.ID, k.MerchantID, k.Environment).AAD(), k.SealedSecret)
			return err
		})
	}))
	return keys
}

func TestServersFollowEachOthersDataKeys(t *testing.T) {
	a, b := twoServers(t)
	ctx := t.Context()
	issue := func(n *node) {
		t.Helper()
		m, err := n.service.CreateMerchant(ctx, operator, controlplane.CreateMerchant{Name: "Shop"})
		check(t, err)
		_, err = n.service.IssueKey(ctx, operator, controlplane.IssueKey{MerchantID: m.ID, Environment: controlplane.Live})
		check(t, err)
	}
	issue(a)
	issue(b)
	_, err := a.service.RotateDataKeys(ctx, operator, a.ring)
	check(t, err)
	issue(b) // before it has read anything that was sealed since
	for name, n := range map[string]*node{"the one that rotated": a, "the other": b} {
		if keys := n.opens(t); keys != 3 {
			t.Errorf("%s opens %d of 3 keys", name, keys)
		}
	}
	// The root key changes too. It reaches the other server as a file.
	_, err = a.service.RotateRoot(ctx, operator, a.ring, "")
	check(t, err)
	_, err = a.service.RotateDataKeys(ctx, operator, a.ring)
	check(t, err)
	issue(b)
	if a.opens(t) != 4 || b.opens(t) != 4 || a.ring.Status().RootID != b.ring.Status().RootID {
		t.Error("a server does not follow the root key")
	}
}

func TestRotationsWhileOtherServersSeal(t *testing.T) {
	a, b := twoServers(t)
	m, err := b.service.CreateMerchant(t.Context(), operator, controlplane.CreateMerchant{Name: "Shop"})
	check(t, err)
	_, err = b.service.IssueKey(t.Context(), operator, controlplane.IssueKey{MerchantID: m.ID, Environment: controlplane.Live})
	check(t, err)
	ctx, stop := context.WithCancel(t.Context())
	issued := make(chan int)
	go func() {
		n := 0
		for ctx.Err() == nil {
			_, err := b.service.RotateKey(ctx, operator, controlplane.RotateKey{MerchantID: m.ID, Environment: controlplane.Live, Overlap: controlplane.OverlapNone})
			if err != nil && ctx.Err() == nil {
				t.Error(err)
				break
			}
			n++
		}
		issued <- n
	}()
	for range 10 {
		time.Sleep(20 * time.Millisecond)
		_, err := a.service.RotateDataKeys(t.Context(), operator, a.ring)
		check(t, err)
	}
	stop()
	n := <-issued
	if keys := a.opens(t); n == 0 || keys < n {
		t.Errorf("%d keys after %d rotations", keys, n)
	}
}

func TestRecordsOfNobodyAreLookedForSeldom(t *testing.T) {
	a, _ := twoServers(t)
	lost, err := keyring.CreateRoot(filepath.Join(t.TempDir(), "other.key"), rand.Reader)
	check(t, err)
	other, err := keyring.Open(lost, nil)
	check(t, err)
	var k keyring.WrappedKey
	for range 20 {
		k, err = other.NewDataKey(controlplane.PurposeAPISecret, time.Now())
		check(t, err)
	}
	check(t, other.Add(k))
	record, err := other.Seal(controlplane.PurposeAPISecret, nil, []byte("x"))
	check(t, err)
	unseal := func() time.Time {
		t.Helper()
		if _, err := a.ring.Unseal(controlplane.PurposeAPISecret, nil, record); !errors.Is(err, keyring.ErrUnknownKey) {
			t.Fatal(err)
		}
		return a.ring.newer.looked
	}
	if unseal().IsZero() {
		t.Error("nobody looked")
	}
	now := time.Now().Add(time.Hour) // just a moment ago, on a slow machine
	if a.ring.newer.looked = now; !unseal().Equal(now) {
		t.Error("somebody looked again at once")
	}
}
