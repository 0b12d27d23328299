package delivery_test

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/delivery"
)

// gauge counts what runs at once, by URL and in all.
type gauge struct {
	mu        sync.Mutex
	now, most map[string]int
}

func newGauge() *gauge { return &gauge{now: map[string]int{}, most: map[string]int{}} }

func (g *gauge) enter(keys ...string) func() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, k := range keys {
		g.now[k]++
		g.most[k] = max(g.most[k], g.now[k])
	}
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		for _, k := range keys {
			g.now[k]--
		}
	}
}

func (g *gauge) peak(key string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.most[key]
}

// One endpoint that hangs, with 50,000 events waiting, and ten that answer 503 do
// not keep a healthy one waiting at all, and their backlog stays in the store.
func TestDeadEndpointsBacklogHurtsNobody(t *testing.T) {
	inTime(t, delivery.Limits{Slots: 64}, func(p *plant) {
		dead, healthy := p.shop(), p.shop()
		bad := map[string]bool{}
		for range 10 {
			e := p.shop()
			bad[e.URL] = true
			p.ingest(e.MerchantID, 100)
		}
		const backlog = 50_000
		p.ingest(dead.MerchantID, backlog)
		g := newGauge()
		p.receiver.answers(func(r delivery.Request) delivery.Result {
			defer g.enter(r.URL)()
			switch {
			case r.URL == dead.URL:
				time.Sleep(15 * time.Second)
				return delivery.Result{Fault: controlplane.FaultTimeout}
			case bad[r.URL]:
				return status(503)(r)
			}
			return status(200)(r)
		})
		p.start()
		const sent = 100
		for range sent {
			began := time.Now()
			id := p.ingest(healthy.MerchantID, 1)[0]
			synctest.Wait()
			if at := arrival(p, id); at.Sub(began) != 0 {
				p.Fatalf("a healthy endpoint's event took %v", at.Sub(began))
			}
			if s := p.engine.Stats(); s.Claims > 400 || s.Slow > 16 {
				p.Fatalf("%+v", s)
			}
			time.Sleep(time.Second)
		}
		if n := g.peak(dead.URL); n > 8 {
			p.Errorf("%d attempts at once to the dead endpoint", n)
		}
		if s := p.engine.Stats(); s.Open != 11 {
			p.Errorf("%d breakers are open", s.Open)
		}
	})
}

// arrival is when an event was sent, the zero time if it was not.
func arrival(p *plant, id string) (at time.Time) {
	for _, s := range p.receiver.got() {
		if s.EventID == id {
			return s.At
		}
	}
	return at
}

// Endpoints that hang from the first attempt on cannot take more than a quarter of
// the slots, however many they are.
func TestSlowEndpointsShareAQuarterOfTheSlots(t *testing.T) {
	inTime(t, delivery.Limits{Slots: 32}, func(p *plant) {
		good := p.shop()
		p.start()
		p.ingest(good.MerchantID, 1) // it is known to be good now
		synctest.Wait()
		g := newGauge()
		p.receiver.answers(func(r delivery.Request) delivery.Result {
			if r.URL == good.URL {
				return status(200)(r)
			}
			defer g.enter("slow")()
			time.Sleep(14 * time.Second)
			return status(200)(r)
		})
		for range 40 {
			p.ingest(p.shop().MerchantID, 5)
		}
		for range 20 {
			began := time.Now()
			id := p.ingest(good.MerchantID, 1)[0]
			synctest.Wait()
			if at := arrival(p, id); at.Sub(began) != 0 {
				p.Fatalf("a good endpoint's event took %v", at.Sub(began))
			}
			time.Sleep(700 * time.Millisecond)
		}
		if n := g.peak("slow"); n > 8 {
			p.Errorf("%d of 32 slots went to the slow", n)
		}
		time.Sleep(30 * time.Minute)
		if s := p.engine.Stats(); s.Claims != 0 || s.Fast+s.Slow != 0 || s.Bytes != 0 {
			p.Errorf("when all is done: %+v", s)
		}
	})
}

// A healthy endpoint that begins to hang gives its slots up as it is found out.
func TestEndpointsThatBeginToHangAreMovedAside(t *testing.T) {
	inTime(t, delivery.Limits{Slots: 32}, func(p *plant) {
		p.start()
		var all []controlplane.Endpoint
		for range 6 {
			e := p.shop()
			all = append(all, e)
			p.ingest(e.MerchantID, 1)
		}
		synctest.Wait()
		good := all[5]
		p.receiver.answers(func(r delivery.Request) delivery.Result {
			if r.URL != good.URL {
				time.Sleep(15 * time.Second)
				return delivery.Result{Fault: controlplane.FaultTimeout}
			}
			return status(200)(r)
		})
		for _, e := range all[:5] {
			p.ingest(e.MerchantID, 50) // 5 × 8 attempts want all of 24 slots
		}
		time.Sleep(2100 * time.Millisecond)
		began := time.Now()
		id := p.ingest(good.MerchantID, 1)[0]
		synctest.Wait()
		if at := arrival(p, id); at.Sub(began) != 0 {
			p.Errorf("two seconds later a good endpoint's event took %v", at.Sub(began))
		}
	})
}

// A merchant with many endpoints and many events gets no more than its turn.
func TestMerchantsTakeTurns(t *testing.T) {
	inTime(t, delivery.Limits{Slots: 4, PerEndpoint: 8}, func(p *plant) {
		p.receiver.takes(time.Second)
		big := p.merchant()
		for range 8 {
			p.endpointOf(big)
		}
		small := p.shop()
		p.start()
		p.ingest(big, 100)
		p.ingest(small.MerchantID, 20)
		time.Sleep(40 * time.Second)
		ours := 0
		all := p.receiver.got()
		for _, s := range all {
			if s.URL == small.URL {
				ours++
			}
		}
		if ours != 20 {
			p.Errorf("%d of 20 events of the small merchant among %d", ours, len(all))
		}
	})
}

// Bulk replays take at most a fifth of an endpoint's slots, and live events the
// rest.
func TestBulkReplayLeavesTheSlotsToLiveEvents(t *testing.T) {
	inTime(t, delivery.Limits{}, func(p *plant) {
		e := p.shop()
		p.exhausted(e, 300)
		old := map[string]bool{}
		for _, d := range p.deliveries(e) {
			old[d.EventID] = true
		}
		g := newGauge()
		p.receiver.answers(func(r delivery.Request) delivery.Result {
			key := "live"
			if old[r.EventID] {
				key = "bulk"
			}
			defer g.enter(key, "all")()
			time.Sleep(100 * time.Millisecond)
			return status(200)(r)
		})
		p.start()
		p.replay(e, controlplane.ReplayFailed, time.Time{})
		for range 20 {
			p.ingest(e.MerchantID, 50)
			time.Sleep(time.Second)
		}
		time.Sleep(time.Minute)
		if s := p.states(e); s[controlplane.DeliveryDelivered] != 300+20*50 {
			p.Errorf("%v", s)
		}
		if b, all := g.peak("bulk"), g.peak("all"); b != 1 || all != 8 {
			p.Errorf("%d bulk attempts of %d at once", b, all)
		}
	})
}

func TestManyEndpointsOfOneEventEachHaveTheirOwnFate(t *testing.T) {
	inTime(t, delivery.Limits{}, func(p *plant) {
		m := p.merchant()
		want := map[string]controlplane.DeliveryState{}
		var all []controlplane.Endpoint
		for i := range 6 {
			e := p.endpointOf(m)
			all = append(all, e)
			want[e.URL] = []controlplane.DeliveryState{controlplane.DeliveryDelivered, controlplane.DeliveryPending, controlplane.DeliveryGone}[i%3]
		}
		p.receiver.answers(func(r delivery.Request) delivery.Result {
			return status(map[controlplane.DeliveryState]int{controlplane.DeliveryDelivered: 204, controlplane.DeliveryPending: 302, controlplane.DeliveryGone: 410}[want[r.URL]])(r)
		})
		p.start()
		p.ingest(m, 1)
		written()
		for _, e := range all {
			if s := p.states(e); s[want[e.URL]] != 1 || len(s) != 1 {
				p.Error(fmt.Sprint(want[e.URL], s))
			}
		}
	})
}
