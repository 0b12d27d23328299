package cluster

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// rotation is the load balancer before the nodes: one that is taken out gets no new
// request, and what it has is waited for.
type rotation struct {
	mu   sync.Mutex
	in   []*node
	busy map[*node]int
	turn int
}

func newRotation(nodes ...*node) *rotation {
	return &rotation{in: nodes, busy: map[*node]int{}}
}

// take is the next node in turn; done gives it back.
func (r *rotation) take() (n *node, done func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.turn++
	n = r.in[r.turn%len(r.in)]
	r.busy[n]++
	return n, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.busy[n]--
	}
}

func (r *rotation) remove(t *testing.T, n *node) {
	t.Helper()
	r.mu.Lock()
	r.in = slices.DeleteFunc(slices.Clone(r.in), func(o *node) bool { return o == n })
	r.mu.Unlock()
	eventually(t, n.name+" has answered what it had", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.busy[n] == 0
	})
}

func (r *rotation) add(n *node) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.in = append(slices.Clone(r.in), n)
}

// traffic is what goes on during an upgrade. Nothing is tried a second time.
type traffic struct {
	t              *testing.T
	m              merchant
	backend        *backend
	gates, full    *rotation
	visitor        *visitor
	stop           chan struct{}
	all            sync.WaitGroup
	requests, seen atomic.Int64
	events         atomic.Int64
}

func (tr *traffic) each(do func() error) {
	tr.all.Go(func() {
		for {
			select {
			case <-tr.stop:
				return
			default:
			}
			if err := do(); err != nil {
				tr.t.Error(err)
				return
			}
		}
	})
}

func (tr *traffic) start() {
	for range 2 {
		tr.each(tr.request)
		tr.each(tr.event)
	}
	tr.each(tr.page)
}

func (tr *traffic) request() error {
	n, done := tr.gates.take()
	defer done()
	if a := n.ask(tr.m); a.status != http.StatusOK {
		return fmt.Errorf("a request failed at %s: %d %s", n.name, a.status, a.body)
	}
	tr.requests.Add(1)
	return nil
}

func (tr *traffic) event() error {
	n, done := tr.full.take()
	defer done()
	i := int(tr.events.Add(1)) - 1
	a, err := send(n.client, n.event(tr.backend.token, tr.m, i))
	if err != nil || a.status != http.StatusAccepted {
		return fmt.Errorf("event %d failed at %s: %d %s %w", i, n.name, a.status, a.body, err)
	}
	tr.backend.acknowledged(i, a.body)
	return nil
}

func (tr *traffic) page() error {
	n, done := tr.full.take()
	defer done()
	tr.visitor.at.Store(n)
	at, a, err := tr.visitor.visit(http.MethodGet, "/test/keys", nil)
	if err != nil || a.status != http.StatusOK || at != "/test/keys" {
		return fmt.Errorf("a page failed at %s: %d at %s, %w", n.name, a.status, at, err)
	}
	tr.seen.Add(1)
	return nil
}

// goesOn waits until every kind of traffic has gone through the nodes as they are now.
func (tr *traffic) goesOn() {
	tr.t.Helper()
	const more = 50
	requests, pages, events := tr.requests.Load()+more, tr.seen.Load()+more, tr.events.Load()+more
	eventually(tr.t, "traffic goes on", func() bool {
		return tr.t.Failed() || tr.requests.Load() >= requests && tr.seen.Load() >= pages && tr.events.Load() >= events
	})
}

// older is the program to upgrade from: this checkout's, unless the environment names
// one that was built from an older commit; beside it lies, as <name>.sql, the
// docs/postgres-roles.sql of that commit.
func older(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("CLUSTER_OLDER"); path != "" {
		return path
	}
	return caddy(t)
}

// TestUpgradesFailNoRequest replaces one node after the other, in the order of
// docs/scaling.md, by a program that brings a newer schema.
func TestUpgradesFailNoRequest(t *testing.T) {
	c := newCluster(t)
	older, newer := older(t), nextCaddy(t)
	a := c.node(made{name: "a", url: c.owner, delivers: true, program: older})
	b := c.node(made{name: "b", url: c.owner, delivers: true, program: older})
	if path := os.Getenv("CLUSTER_OLDER"); path != "" {
		c.grantBy(path + ".sql")
	} else {
		c.grant()
	}
	g := c.node(made{name: "g", url: c.gateway, program: older})
	tr := c.traffic(a, b, g)
	before := c.schema(t)
	tr.start()
	tr.goesOn()

	tr.replace(a, newer)
	if now := c.schema(t); now <= before {
		t.Errorf("the schema has version %d, before %d", now, before)
	}
	tr.goesOn() // old and new side by side
	c.refusesOlder(t, older)
	c.grant()
	tr.replace(b, newer)
	tr.goesOn()
	tr.replace(g, newer)
	tr.goesOn()

	close(tr.stop)
	tr.all.Wait()
	tr.backend.wantAll(t)
	t.Logf("schema %d to %d: %d requests, %d events and %d pages, none failed; %d deliveries were made again",
		before, c.schema(t), tr.requests.Load(), tr.events.Load(), tr.seen.Load(), c.receiver.count()-len(c.receiver.seen()))
}

func (c *cluster) traffic(a, b, g *node) *traffic {
	tr := &traffic{t: c.t, m: a.merchant(), gates: newRotation(a, b, g), full: newRotation(a, b), stop: make(chan struct{})}
	a.endpoint(tr.m, c.receiver.url())
	tr.backend = newBackend(c, tr.m, a, b)
	tr.visitor = newVisitor(c.t, a)
	tr.visitor.signIn(c.t, a, tr.m)
	awaitPass(c.t, tr.m, a, b, g)
	return tr
}

// replace takes a node out, ends it, starts another program on its state and puts it
// back.
func (tr *traffic) replace(n *node, by string) {
	tr.t.Helper()
	tr.gates.remove(tr.t, n)
	tr.full.remove(tr.t, n)
	n.stop()
	n.program = by
	n.start()
	tr.gates.add(n)
	if strings.Contains(n.caddyfile, "merchant_portal") {
		tr.full.add(n)
	}
}

func (c *cluster) schema(t *testing.T) int {
	t.Helper()
	return number(t, c.sql(), `SELECT max(version_id) FROM goose_db_version`)
}

// refusesOlder starts the program before the upgrade on the schema after it.
func (c *cluster) refusesOlder(t *testing.T, program string) {
	t.Helper()
	n := c.prepare(made{name: "late", url: c.owner, program: program})
	check(t, n.launch())
	_, exited := n.process()
	select {
	case <-exited:
	case <-time.After(patience):
		t.Fatal("an older program runs on a newer schema")
	}
	said, want := n.said(), fmt.Sprintf("the database has schema version %d", c.schema(t))
	if !strings.Contains(said, want) || !strings.Contains(said, "run the newer program") {
		t.Errorf("it says %s, want %q", said, want)
	}
}
