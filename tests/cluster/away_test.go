package cluster

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/tests/pgtest"
)

// TestGatewaysOutliveTheirDatabase cuts a gateway off, and then stops PostgreSQL for
// everybody until what is known is too old.
func TestGatewaysOutliveTheirDatabase(t *testing.T) {
	c := newCluster(t)
	owner := c.node(made{name: "owner", url: c.owner, delivers: true, store: "max_stale 1m"})
	c.grant()
	proxy, through := pgtest.NewProxy(t, c.gateway)
	g := c.node(made{name: "gateway", url: through, store: "max_stale 1m"})
	kept, revoked, later := owner.merchant(), owner.merchant(), owner.merchant()
	for _, m := range []merchant{kept, revoked, later} {
		awaitPass(t, m, owner, g)
	}

	proxy.Cut()
	owner.revoke(revoked)
	awaitRefused(t, revoked, owner)
	if !g.passes(kept) || !g.passes(revoked) {
		t.Error("a gateway that is cut off does not decide by what it knows")
	}
	proxy.Mend()
	awaitRefused(t, revoked, g)
	owner.revoke(later)
	awaitRefused(t, later, g, owner)
	for _, n := range c.nodes {
		n.awaitKept(t)
	}

	c.database.Halt(t)
	halted := time.Now()
	c.servesOnWithout(t, kept, later, owner, g)
	c.failsClosed(t, kept, halted)
	c.database.Resume(t)
	awaitPass(t, kept, owner, g)
	fresh := owner.merchant()
	awaitPass(t, fresh, owner, g)
	owner.revoke(kept)
	awaitRefused(t, kept, owner, g)
}

// awaitKept waits until what the node decides by now is on its disk: it is written
// within a second of a change.
func (n *node) awaitKept(t *testing.T) {
	t.Helper()
	decided := time.Now()
	eventually(t, "the snapshot is on the disk of "+n.name, func() bool {
		info, err := os.Stat(filepath.Join(n.dir, "last-known-good"))
		return err == nil && (info.ModTime().After(decided) || time.Since(info.ModTime()) < 2*time.Second && time.Since(decided) > 2*time.Second)
	})
}

// servesOnWithout kills and starts every node while the database is away.
func (c *cluster) servesOnWithout(t *testing.T, kept, revoked merchant, nodes ...*node) {
	for _, n := range nodes {
		if a := n.ask(kept); a.status != http.StatusOK {
			t.Errorf("%s without the database: %d %s", n.name, a.status, a.body)
		}
		n.kill()
		n.start()
		awaitPass(t, kept, n)
		awaitRefused(t, revoked, n)
	}
}

// failsClosed waits for max_stale to pass. A restart does not begin it anew.
func (c *cluster) failsClosed(t *testing.T, kept merchant, halted time.Time) {
	for _, n := range c.nodes {
		eventually(t, n.name+" refuses by what is too old", func() bool {
			return n.ask(kept).has(http.StatusServiceUnavailable, "AUTH_UNAVAILABLE")
		})
		if since := time.Since(halted); since < 50*time.Second {
			t.Errorf("%s refuses already %v after the database went away", n.name, since)
		}
		n.stop()
		n.start()
		if a := n.ask(kept); !a.has(http.StatusServiceUnavailable, "AUTH_UNAVAILABLE") {
			t.Errorf("%s after a restart: %d %s", n.name, a.status, a.body)
		}
	}
}
