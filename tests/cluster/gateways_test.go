package cluster

import (
	"database/sql"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/tests/pgtest"
)

// topology is that of docs/scaling.md: delivery nodes with the owner's role, gateways
// with one that can do little.
type topology struct {
	*cluster
	delivery, gateways []*node
}

func startTopology(t *testing.T, deliveries, gateways int) *topology {
	t.Helper()
	c := &topology{cluster: newCluster(t)}
	for i := range deliveries {
		c.delivery = append(c.delivery, c.node(made{name: "d" + string(rune('1'+i)), url: c.owner, delivers: true}))
	}
	c.grant()
	for i := range gateways {
		c.gateways = append(c.gateways, c.node(made{name: "g" + string(rune('1'+i)), url: c.cluster.gateway}))
	}
	return c
}

func TestGatewaysDecideAsOne(t *testing.T) {
	c := startTopology(t, 2, 3)
	m := c.delivery[0].merchant()
	awaitPass(t, m, c.gateways...)
	t.Run("one of many copies passes", func(t *testing.T) { c.oneCopyPasses(t, m) })
	t.Run("a revoked key is refused everywhere", func(t *testing.T) { c.revokedEverywhere(t, m) })
	t.Run("a command at one node holds at all", func(t *testing.T) { c.commandHoldsEverywhere(t) })
	t.Run("Redis away", func(t *testing.T) { c.withoutRedis(t, m) })
	t.Run("the gateway's role", func(t *testing.T) { c.leastPrivilege(t) })
}

// oneCopyPasses sends copies of one request to all gateways at once.
func (c *topology) oneCopyPasses(t *testing.T, m merchant) {
	const copies, atOnce = 1000, 60
	w := newMoment(t)
	var mu sync.Mutex
	var passed, replayed int
	var senders sync.WaitGroup
	for sender := range atOnce {
		senders.Go(func() {
			for i := sender; i < copies; i += atOnce {
				n := c.gateways[i%len(c.gateways)]
				a, err := send(n.client, n.signed(m, w))
				mu.Lock()
				switch {
				case err == nil && a.status == http.StatusOK:
					passed++
				case err == nil && a.has(http.StatusConflict, "REQUEST_REPLAYED"):
					replayed++
				default:
					t.Errorf("%s: %d %s %v", n.name, a.status, a.body, err)
				}
				mu.Unlock()
			}
		})
	}
	senders.Wait()
	if passed != 1 || replayed != copies-1 {
		t.Errorf("%d passed and %d were refused as replays, of %d copies", passed, replayed, copies)
	}
}

// revokedEverywhere revokes keys one after the other while all gateways are busy, and
// measures from asking for the change to the last gateway's first refusal.
func (c *topology) revokedEverywhere(t *testing.T, busy merchant) {
	changes := 5
	if whole() {
		changes = 200
	}
	doomed := make([]merchant, changes)
	for i := range doomed {
		doomed[i] = c.delivery[0].merchant()
	}
	awaitPass(t, doomed[changes-1], c.gateways...)
	stop := c.load(t, busy)
	defer stop()
	var slowest []time.Duration
	for i, m := range doomed {
		began := time.Now()
		var at, asking sync.WaitGroup
		took := make([]time.Duration, len(c.gateways))
		asking.Go(func() { c.delivery[i%len(c.delivery)].revoke(m) })
		for g, n := range c.gateways {
			at.Go(func() {
				awaitRefused(t, m, n)
				took[g] = time.Since(began)
			})
		}
		at.Wait()
		asking.Wait()
		slowest = append(slowest, maxOf(took))
	}
	report(t, "asked to revoke a key, to refused by all three gateways", slowest)
}

// load sends good requests to every gateway until it is stopped. None may be refused.
func (c *topology) load(t *testing.T, m merchant) (stop func()) {
	done := make(chan struct{})
	var senders sync.WaitGroup
	for _, n := range c.gateways {
		senders.Go(func() {
			for sent := 0; ; sent++ {
				select {
				case <-done:
					if sent == 0 {
						t.Errorf("no request was sent to %s", n.name)
					}
					return
				default:
				}
				if a := n.ask(m); a.status != http.StatusOK {
					t.Errorf("%s under load: %d %s", n.name, a.status, a.body)
					return
				}
			}
		})
	}
	return func() {
		close(done)
		senders.Wait()
	}
}

func (c *topology) commandHoldsEverywhere(t *testing.T) {
	n := c.delivery[1]
	m := n.merchant()
	awaitPass(t, m, c.gateways...)
	out, err := exec.CommandContext(t.Context(), n.program, "merchants", "merchant", "suspend", "--merchant", m.id, "--address", "unix/"+n.dir+"/admin").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	awaitRefused(t, m, c.gateways...)
}

// withoutRedis halts it: all gateways refuse what they cannot check, and nobody has to
// tell them that it is back.
func (c *topology) withoutRedis(t *testing.T, m merchant) {
	c.redis.Stop(t)
	for _, n := range c.gateways {
		if a := n.ask(m); !a.has(http.StatusServiceUnavailable, "AUTH_UNAVAILABLE") {
			t.Errorf("%s without Redis: %d %s", n.name, a.status, a.body)
		}
	}
	c.redis.Resume(t)
	awaitPass(t, m, c.gateways...)
}

// leastPrivilege looks at what a whole gateway does with the role of
// docs/postgres-roles.sql, and at what the role is refused.
func (c *topology) leastPrivilege(t *testing.T) {
	n := c.gateways[0]
	m := c.delivery[0].merchant() // of whom no other gateway hears
	awaitPass(t, m, n)
	n.kill()
	n.start()
	db := c.sql()
	eventually(t, "its requests are in the log", func() bool {
		return n.passes(m) && number(t, db, `SELECT count(*) FROM requests WHERE merchant_id = $1`, m.id) > 0
	})
	role := pgtest.Open(t, c.cluster.gateway)
	for _, query := range []string{
		`SELECT id FROM users`, `SELECT secret FROM endpoint_secrets`, `SELECT hash FROM service_tokens`, `SELECT body FROM events`,
		`SELECT name FROM merchants`, `SELECT id FROM sessions`, `SELECT * FROM audit_events`, `UPDATE api_keys SET state = 'active'`,
		`INSERT INTO allowlist_entries DEFAULT VALUES`, `DELETE FROM merchants`, `CREATE TABLE mine (a INT)`,
	} {
		wantDenied(t, role, query)
	}
	var made any
	if err := n.try("merchant.create", fields{"name": "Red Bottle Books"}, &made); err == nil || !strings.Contains(err.Error(), "refuses") {
		t.Errorf("a gateway made a merchant: %v", err)
	}
}

func wantDenied(t *testing.T, db *sql.DB, query string) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), query); err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("%s: %v", query, err)
	}
}
