package portal

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/account"
)

// newConsole is a world whose handler is the console.
func newConsole(tb testing.TB) *world {
	tb.Helper()
	w := newWorld(tb)
	w.build = NewConsole
	w.rebuildAccounts(account.Parts{
		Kind: controlplane.ActorStaff, Store: w.db, Sealer: w.ring, Hasher: account.NewHasher(account.HasherConfig{Wait: time.Minute}),
		Clock: w.clock.Now, Random: rand.Reader,
	})
	w.rebuild(func(*Config) {})
	return w
}

// root is the first platform admin.
func (w *world) root() person {
	w.Helper()
	a, err := w.service.BootstrapStaff(w.Context(), controlplane.LocalActor("root"), controlplane.BootstrapStaff{Username: "root"})
	w.must(err)
	return person{id: a.ID, username: a.Username, initial: a.InitialPassword.Reveal(), staff: true}
}
