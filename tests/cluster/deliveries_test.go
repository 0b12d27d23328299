package cluster

import (
	"encoding/json"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// leaseMargin is the least time between an attempt's begin and another node's attempt
// of the same delivery: no node begins an attempt in the last 17 s of its lease, so
// that a lease that another takes over has ended that long after.
const leaseMargin = 17 * time.Second

// backend hands numbered events in, at whichever node answers, until they are
// acknowledged.
type backend struct {
	c     *cluster
	nodes []*node
	token string
	m     merchant

	mu    sync.Mutex
	ids   map[int]string // number → id of the event
	tries int
}

func newBackend(c *cluster, m merchant, nodes ...*node) *backend {
	c.t.Helper()
	return &backend{c: c, nodes: nodes, token: nodes[0].serviceToken(), m: m, ids: map[int]string{}}
}

// submit returns when the event is acknowledged. A request that got no answer goes to
// the other node, with the same idempotency key.
func (b *backend) submit(number int) {
	for deadline, i := time.Now().Add(patience), number; time.Now().Before(deadline); i++ {
		n := b.nodes[i%len(b.nodes)]
		a, err := send(n.client, n.event(b.token, b.m, number))
		if err == nil && a.status == http.StatusAccepted {
			b.acknowledged(number, a.body)
			return
		}
		b.mu.Lock()
		b.tries++
		b.mu.Unlock()
		time.Sleep(10 * time.Millisecond)
	}
	b.c.t.Errorf("event %d was not taken in", number)
}

func (b *backend) acknowledged(number int, body string) {
	var event struct{ ID string }
	if err := json.Unmarshal([]byte(body), &event); err != nil || event.ID == "" {
		b.c.t.Errorf("event %d: %s, %v", number, body, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ids[number] = event.ID
}

// run hands in events at a rate, several at once.
func (b *backend) run(events, perSecond int) {
	var next atomic.Int64
	var senders sync.WaitGroup
	began := time.Now()
	for range 16 {
		senders.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= events {
					return
				}
				time.Sleep(time.Until(began.Add(time.Duration(i) * time.Second / time.Duration(perSecond))))
				b.submit(i)
			}
		})
	}
	senders.Wait()
}

// wantAll waits until every acknowledged event is delivered, by the database and by
// what the receiver saw.
func (b *backend) wantAll(t *testing.T) {
	t.Helper()
	db := b.c.sql()
	eventually(t, "every delivery is over", func() bool {
		return number(t, db, `SELECT count(*) FROM deliveries WHERE state <> 'delivered'`) == 0
	})
	if n := number(t, db, `SELECT count(*) FROM events`); n != len(b.ids) {
		t.Errorf("%d events are stored for %d that were handed in", n, len(b.ids))
	}
	// What counts is one completion of each: others came after their lease.
	if n := number(t, db, `SELECT count(*) FROM deliveries d WHERE d.attempts <> 1 OR 1 <> (SELECT count(*) FROM attempts a WHERE a.delivery_row = d.row_id AND a.fault = '')`); n != 0 {
		t.Errorf("%d deliveries have not one completed attempt", n)
	}
	seen := b.c.receiver.seen()
	for i, id := range b.ids {
		if len(seen[id]) == 0 {
			t.Errorf("event %d, %s, was acknowledged and did not arrive", i, id)
		}
		for _, a := range seen[id] {
			if a.number != i {
				t.Errorf("%s arrived as event %d, want %d", id, a.number, i)
			}
		}
	}
	if len(seen) != len(b.ids) {
		t.Errorf("%d ids arrived for %d events", len(seen), len(b.ids))
	}
}

// wantNoTwoLeases looks at what arrived more than once, and returns how much that was.
func (c *cluster) wantNoTwoLeases(t *testing.T) (again int) {
	t.Helper()
	for id, all := range c.receiver.seen() {
		for i, a := range all[1:] {
			again++
			if gap := a.at.Sub(all[i].at); gap < leaseMargin {
				t.Errorf("%s was attempted by process %d, and by %d only %v later", id, all[i].pid, a.pid, gap)
			}
		}
	}
	return again
}

// TestKilledDeliveryNodesLoseNothing kills one of two delivery nodes again and again,
// while both take events in.
func TestKilledDeliveryNodesLoseNothing(t *testing.T) {
	events, perSecond, every := 1500, 250, time.Second
	if whole() {
		events, perSecond, every = 10_000, 150, 5*time.Second
	}
	c := startTopology(t, 2, 0)
	m := c.delivery[0].merchant()
	c.delivery[0].endpoint(m, c.receiver.url())
	b := newBackend(c.cluster, m, c.delivery...)
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.run(events, perSecond)
	}()
	kills := 0
	for over := false; !over; {
		select {
		case <-done:
			over = true
		case <-time.After(every):
			n := c.delivery[kills%2]
			n.kill()
			kills++
			n.start()
		}
	}
	began := time.Now()
	b.wantAll(t)
	again := c.wantNoTwoLeases(t)
	t.Logf("%d events, %d kills: %d requests of the backend had to be repeated, %d deliveries were made again; the last was over %v after the last event",
		events, kills, b.tries, again, time.Since(began).Round(time.Second))
	if kills == 0 {
		t.Error("nothing was killed")
	}
}
