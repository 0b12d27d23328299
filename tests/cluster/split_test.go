package cluster

import (
	"testing"

	"github.com/unknownpay/merchant-gateway/tests/pgtest"
)

// TestNodesThatAreCutOffCompleteNothing cuts a delivery node off from PostgreSQL with
// attempts under way, which then succeed. The other node delivers once the leases are
// over, and what the first one writes when it is back is refused.
func TestNodesThatAreCutOffCompleteNothing(t *testing.T) {
	const events = 20
	c := newCluster(t)
	proxy, through := pgtest.NewProxy(t, c.owner)
	whole := c.node(made{name: "whole", url: c.owner, delivers: true})
	split := c.node(made{name: "split", url: through, delivers: true})
	m := whole.merchant()
	whole.endpoint(m, c.receiver.url())
	b := newBackend(c, m, split)

	c.receiver.hold()
	b.run(events, 1000)
	eventually(t, "attempts are under way", func() bool { return c.receiver.count() >= 8 })
	proxy.Cut()
	c.receiver.release()
	b.wantDeliveredBy(t, whole, split)
	fences := c.fences(t)

	proxy.Mend()
	b.submit(events) // at the node that was away
	eventually(t, "the node that is back delivers", func() bool { return len(c.receiver.seen()[b.ids[events]]) > 0 })
	b.wantAll(t)
	for id, fence := range c.fences(t) {
		if before, known := fences[id]; known && before != fence {
			t.Errorf("%s changed when the node came back: %+v, before %+v", id, fence, before)
		}
	}
}

// wantDeliveredBy waits until a node has delivered everything, and holds against the
// receiver that it began when the other's leases were over.
func (b *backend) wantDeliveredBy(t *testing.T, by, from *node) {
	t.Helper()
	b.wantAll(t)
	b.c.wantNoTwoLeases(t)
	for id, all := range b.c.receiver.seen() {
		first, last := all[0], all[len(all)-1]
		if len(all) > 2 || last.pid == from.pid() {
			t.Errorf("%s was attempted %d times, the last by process %d, want %s", id, len(all), last.pid, by.name)
		}
		if len(all) == 2 && first.pid == by.pid() {
			t.Errorf("%s was first attempted by process %d, want %s", id, first.pid, from.name)
		}
	}
}

// completion is what the database has of a delivery.
type completion struct {
	lease, attempts int
	at              int64
}

// fences are the completions by the id of their event.
func (c *cluster) fences(t *testing.T) map[string]completion {
	t.Helper()
	rows, err := c.sql().QueryContext(t.Context(), `SELECT v.id, d.lease, d.attempts, d.last_attempt_at FROM deliveries d JOIN events v ON v.row_id = d.event_row`)
	check(t, err)
	defer rows.Close()
	all := map[string]completion{}
	for rows.Next() {
		var id string
		var f completion
		check(t, rows.Scan(&id, &f.lease, &f.attempts, &f.at))
		all[id] = f
	}
	check(t, rows.Err())
	return all
}
