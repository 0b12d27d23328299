package delivery_test

import (
	"context"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/delivery"
	"github.com/unknownpay/merchant-gateway/controlplane/store"
	"github.com/unknownpay/merchant-gateway/tests/pgtest"
)

// shift is a clock that can be ahead.
type shift struct{ by atomic.Int64 }

func (s *shift) now() time.Time        { return time.Now().Add(time.Duration(s.by.Load())) }
func (s *shift) ahead(d time.Duration) { s.by.Store(int64(d)) }

// sharedURL is an empty database with the schema in it.
func sharedURL(t *testing.T) string {
	t.Helper()
	return server.Copy(t, "migrated", func(url string) error {
		db, err := store.OpenPostgres(context.Background(), store.PostgresConfig{URL: url})
		if err != nil {
			return err
		}
		return db.Close()
	})
}

// node is a plant on a database that others use too; dir holds their root key.
func node(t *testing.T, url, dir string, limits delivery.Limits, clock func() time.Time) *plant {
	t.Helper()
	p := &plant{TB: t, receiver: &receiver{answer: status(200)}, notices: &notices{}, log: zaptest.NewLogger(t, zaptest.Level(zap.FatalLevel))}
	db, err := store.OpenPostgres(t.Context(), store.PostgresConfig{URL: url})
	p.must(err)
	p.store = db
	p.ring = openRing(p, filepath.Join(dir, "root.key"))
	p.assembleAt(limits, clock)
	t.Cleanup(p.close)
	return p
}

// await is settled for real time.
func (p *plant) await(what string, ok func() bool) {
	p.Helper()
	for end := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			p.Fatalf("%s: it did not come to that", what)
		}
	}
}

func (p *plant) allDelivered(e controlplane.Endpoint, n int) func() bool {
	return func() bool { return p.states(e)[controlplane.DeliveryDelivered] == n }
}

// times counts how often each event was sent by the nodes.
func times(nodes ...*plant) map[string]int {
	sent := map[string]int{}
	for _, p := range nodes {
		for _, s := range p.receiver.got() {
			sent[s.EventID]++
		}
	}
	return sent
}

func TestNodesShareWhatAnotherTookIn(t *testing.T) {
	url, dir := sharedURL(t), t.TempDir()
	front := node(t, url, dir, delivery.Limits{}, time.Now) // it takes events in and sends nothing
	one, two := node(t, url, dir, delivery.Limits{Queue: 32}, time.Now), node(t, url, dir, delivery.Limits{Queue: 32}, time.Now)
	e := front.shop()
	for _, p := range []*plant{one, two} {
		p.receiver.takes(5 * time.Millisecond)
		p.start()
	}
	const events = 600
	ids := front.ingest(e.MerchantID, events)
	front.await("all delivered", front.allDelivered(e, events))
	sent := times(one, two)
	for _, id := range ids {
		if sent[id] != 1 {
			t.Errorf("%s was sent %d times", id, sent[id])
		}
	}
	if a, b := len(one.receiver.got()), len(two.receiver.got()); a == 0 || b == 0 {
		t.Errorf("one node sent %d, the other %d", a, b)
	}
}

// A node whose lease has ended, by the clocks of the others, cannot write down what
// became of its attempt: whoever has the delivery now tells.
func TestNodeThatLostItsLeaseCannotCompleteADelivery(t *testing.T) {
	url, dir := sharedURL(t), t.TempDir()
	var later shift
	slow, quick := node(t, url, dir, delivery.Limits{}, time.Now), node(t, url, dir, delivery.Limits{}, later.now)
	e := slow.shop()
	reached, answer := make(chan struct{}), make(chan struct{})
	slow.receiver.answers(func(delivery.Request) delivery.Result {
		close(reached)
		<-answer
		return delivery.Result{Status: 500, Fault: controlplane.FaultStatus}
	})
	slow.start()
	ids := slow.ingest(e.MerchantID, 1)
	<-reached
	later.ahead(delivery.Lease + time.Minute)
	quick.start()
	quick.await("delivered by the other", quick.allDelivered(e, 1))
	close(answer)
	slow.stop()
	if s := quick.states(e); s[controlplane.DeliveryDelivered] != 1 {
		t.Errorf("after the late outcome: %v", s)
	}
	d := quick.detail(quick.deliveries(e)[0])
	if len(d.Attempts) != 1 || d.Attempts[0].Status != 200 {
		t.Errorf("attempts: %+v", d.Attempts)
	}
	if sent := times(slow, quick); sent[ids[0]] != 2 {
		t.Errorf("it was sent %v", sent)
	}
}

// A node that is parted from the database ends what it has begun, and begins nothing
// whose lease it could not renew. When it is back, everything is delivered.
func TestNodeWithoutTheDatabaseSendsNothingThatMayBeAnothers(t *testing.T) {
	direct, dir := sharedURL(t), t.TempDir()
	split, url := pgtest.NewProxy(t, direct)
	var clock shift
	parted := node(t, url, dir, delivery.Limits{PerEndpoint: 1}, clock.now)
	front := node(t, direct, dir, delivery.Limits{}, time.Now)
	e := parted.shop()
	reached, step := make(chan struct{}, 40), make(chan struct{})
	parted.receiver.answers(func(delivery.Request) delivery.Result {
		reached <- struct{}{}
		<-step
		return delivery.Result{Status: 200}
	})
	parted.start()
	parted.ingest(e.MerchantID, 40)
	step <- struct{}{}
	<-reached
	<-reached // a second attempt runs
	split.Cut()
	clock.ahead(delivery.Lease)
	close(step)
	// One may be asking the database where to send it.
	parted.await("the node has let go", func() bool { return parted.engine.Stats().Claims <= 1 })
	if n := len(parted.receiver.got()); n > 2 {
		t.Errorf("%d were sent, at most 2 by a live lease", n)
	}
	clock.ahead(0)
	split.Mend()
	front.await("all delivered", front.allDelivered(e, 40))
}

// What a node holds in memory for long stays its own.
func TestLeasesOfWhatWaitsAreRenewed(t *testing.T) {
	url, dir := sharedURL(t), t.TempDir()
	var clock shift
	busy, idle := node(t, url, dir, delivery.Limits{PerEndpoint: 1}, clock.now), node(t, url, dir, delivery.Limits{}, clock.now)
	e := busy.shop()
	step := make(chan struct{})
	busy.receiver.answers(func(delivery.Request) delivery.Result {
		<-step
		return delivery.Result{Status: 200}
	})
	busy.start()
	busy.ingest(e.MerchantID, 20)
	idle.start()
	db := pgtest.Open(t, url)
	for n := range 4 {
		clock.ahead(time.Duration(n) * 12 * time.Second)
		busy.await("all but the one that runs are renewed", func() bool {
			var renewed int
			busy.must(db.QueryRowContext(t.Context(), "SELECT count(*) FROM deliveries WHERE state = 'inflight' AND lease_until > $1",
				clock.now().Add(delivery.Lease-10*time.Second).UnixMicro()).Scan(&renewed))
			return renewed >= 19-n
		})
		step <- struct{}{}
	}
	close(step)
	busy.await("all delivered", busy.allDelivered(e, 20))
	for id, n := range times(busy, idle) {
		if n != 1 {
			t.Errorf("%s was sent %d times", id, n)
		}
	}
	if n := len(idle.receiver.got()); n != 0 {
		t.Errorf("the other node took over %d", n)
	}
}

func TestLeaseThatIsTooShortIsRefused(t *testing.T) {
	p := newPlant(t, delivery.Limits{})
	defer p.close()
	_, err := delivery.New(delivery.Config{Store: p.store, Sealer: p.ring, Clock: time.Now, Random: zeros{}, Lease: time.Second})
	if err == nil {
		t.Fatal("accepted")
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }
