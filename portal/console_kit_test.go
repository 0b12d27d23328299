package portal

import (
	"context"
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
	w.rebuild(func(c *Config) {
		c.Status = func(context.Context, controlplane.Actor) (SystemStatus, error) {
			told := controlplane.Node{ID: "nod_1", Name: "edge <1>", Version: "v1", Replay: "redis", SeenAt: w.clock.Now(), ConfirmedAt: w.clock.Now()}
			told.Roles = []controlplane.NodeRole{controlplane.NodeGateway, controlplane.NodePortal, controlplane.NodeConsole, controlplane.NodeEvents, controlplane.NodeDelivery}
			nodes := []NodeStatus{{Node: told, Answers: true}, {Node: told}, {Node: controlplane.Node{Name: "new"}, Troubles: []controlplane.NodeTrouble{
				controlplane.NodeIsSilent, controlplane.NodeLags, controlplane.NodeOtherVersion, controlplane.NodeOwnNonces}}}
			return SystemStatus{Nodes: nodes, Version: "v1", Caddy: "v2", NonceCapacity: 10, Nonces: 3, Keyring: &KeyringStatus{DataKeys: []DataKeyStatus{{Purpose: "api_secret", Seals: true}}}}, nil
		}
	})
	return w
}

// member makes a member of staff.
func (w *world) member(username string, role controlplane.Role) person {
	w.Helper()
	a, err := w.service.CreateStaff(w.Context(), controlplane.LocalActor("root"), controlplane.CreateStaff{Username: username, Role: role})
	w.must(err)
	return person{id: a.ID, username: a.Username, initial: a.InitialPassword.Reveal(), staff: true}
}

// root is the first platform admin.
func (w *world) root() person {
	w.Helper()
	a, err := w.service.BootstrapStaff(w.Context(), controlplane.LocalActor("root"), controlplane.BootstrapStaff{Username: "root"})
	w.must(err)
	return person{id: a.ID, username: a.Username, initial: a.InitialPassword.Reveal(), staff: true}
}
