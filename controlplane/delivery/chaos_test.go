package delivery_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/delivery"
)

// Whatever happens to endpoints and engine for two days, once everything works
// again every event reaches every endpoint that was not deleted, and nothing is
// left over: no claim without an owner, no slot that is not given back.
func TestAfterAnyChaosEverythingIsDelivered(t *testing.T) {
	// In the last one an endpoint is deleted while it fails.
	for _, seed := range []uint64{0, 1, 2, 1795480501769608957} {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			inTime(t, delivery.Limits{Slots: 24, Queue: 20, Claims: 150}, func(p *plant) { newChaos(p, seed).run() })
		})
	}
}

type chaos struct {
	*plant
	*rand.Rand
	endpoints map[string]controlplane.Endpoint // by URL
	deleted   map[string]bool
	events    map[string][]string // by merchant

	mu    sync.Mutex
	moods map[string]mood
	busy  map[string]int
	twice []string
}

type mood struct {
	code    int
	takes   time.Duration
	retryIn string
}

func newChaos(p *plant, seed uint64) *chaos {
	c := &chaos{
		plant: p, Rand: rand.New(rand.NewPCG(seed, 1)),
		endpoints: map[string]controlplane.Endpoint{}, deleted: map[string]bool{}, events: map[string][]string{},
		moods: map[string]mood{}, busy: map[string]int{},
	}
	for range 3 {
		m := p.merchant()
		for range 3 {
			e := p.endpointOf(m)
			c.endpoints[e.URL] = e
		}
		c.events[m] = nil
	}
	p.receiver.answers(c.answer)
	return c
}

func (c *chaos) answer(r delivery.Request) delivery.Result {
	key := r.URL + " " + r.EventID
	c.mu.Lock()
	m := c.moods[r.URL]
	if c.busy[key]++; c.busy[key] > 1 {
		c.twice = append(c.twice, key)
	}
	c.mu.Unlock()
	time.Sleep(m.takes)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy[key]--
	if m.code == 0 {
		m.code = 200
	}
	if m.code == 1 {
		return delivery.Result{Fault: controlplane.FaultTimeout}
	}
	return status(m.code, controlplane.Header{Name: "Retry-After", Value: m.retryIn})(r)
}

func (c *chaos) run() {
	c.start()
	for range 100 {
		c.act(c.pick())
		time.Sleep(time.Duration(c.IntN(40)) * time.Minute)
		if s := c.engine.Stats(); s.Claims > 150+24 {
			c.Errorf("%+v", s)
		}
	}
	c.mend()
	c.judge()
}

func (c *chaos) pick() controlplane.Endpoint {
	return c.any(c.Rand)
}

// any is an endpoint by chance, the same for the same seed.
func (c *chaos) any(r *rand.Rand) controlplane.Endpoint {
	urls := slices.Sorted(maps.Keys(c.endpoints))
	return c.endpoints[urls[r.IntN(len(urls))]]
}

// act does one thing of many. What an operation refuses is no matter here.
func (c *chaos) act(e controlplane.Endpoint) {
	ctx, ref := c.Context(), controlplane.EndpointRef{MerchantID: e.MerchantID, EndpointID: e.ID}
	switch c.IntN(12) {
	case 0, 1, 2, 3:
		c.events[e.MerchantID] = append(c.events[e.MerchantID], c.ingest(e.MerchantID, 1+c.IntN(80))...)
	case 4, 5, 6:
		c.mu.Lock()
		defer c.mu.Unlock()
		moods := []mood{{}, {code: 500}, {code: 1, takes: 15 * time.Second}, {code: 410}, {code: 429, retryIn: "1800"}, {code: 302}, {takes: 4 * time.Second}}
		c.moods[e.URL] = moods[c.IntN(len(moods))]
	case 7:
		c.tolerate(func() (any, error) {
			return c.DisableEndpoint(ctx, root(), controlplane.DisableEndpoint{MerchantID: e.MerchantID, EndpointID: e.ID})
		})
	case 8, 9:
		c.tolerate(func() (any, error) { return c.EnableEndpoint(ctx, root(), ref) })
		c.replays(e)
	case 10:
		c.engine.Stop(short(c))
		c.start()
	case 11:
		if c.IntN(10) == 0 && !c.deleted[e.URL] {
			c.tolerate(func() (any, error) { return c.DeleteEndpoint(ctx, root(), ref) })
			c.deleted[e.URL] = true
		}
		c.tolerate(func() (any, error) { return c.TestEndpoint(ctx, root(), ref) })
	}
}

// short is a patience that some attempts outlast.
func short(c *chaos) context.Context {
	ctx, cancel := context.WithTimeout(c.Context(), time.Duration(c.IntN(5))*time.Second)
	context.AfterFunc(ctx, cancel)
	return ctx
}

func (c *chaos) tolerate(try func() (any, error)) {
	c.Helper()
	switch _, err := try(); controlplane.CodeOf(err) {
	case controlplane.CodeConflict, controlplane.CodeNotFound:
	default:
		if err != nil {
			c.Error(err)
		}
	}
}

func (c *chaos) replays(e controlplane.Endpoint) {
	for _, kind := range []controlplane.ReplayKind{controlplane.ReplayFailed, controlplane.ReplayUntried} {
		c.tolerate(func() (any, error) {
			return c.ReplayDeliveries(c.Context(), root(), controlplane.ReplayScope{MerchantID: e.MerchantID, EndpointID: e.ID, Kind: kind})
		})
	}
}

// longestWait is that of the schedule, spread, and a pause.
const longestWait = 16 * time.Hour

// mend makes everything work, waits until nothing is on its way, without touching
// anything, and only then replays what is left.
func (c *chaos) mend() {
	c.mu.Lock()
	c.moods = map[string]mood{}
	c.mu.Unlock()
	time.Sleep(longestWait)
	for _, e := range c.endpoints {
		s := c.states(e)
		if n := s[controlplane.DeliveryPending] + s[controlplane.DeliveryInflight]; n != 0 {
			c.Errorf("%d deliveries were forgotten: %v", n, s)
		}
	}
	for url, e := range c.endpoints {
		if !c.deleted[url] {
			c.tolerate(func() (any, error) {
				return c.EnableEndpoint(c.Context(), root(), controlplane.EndpointRef{MerchantID: e.MerchantID, EndpointID: e.ID})
			})
			c.replays(e)
		}
	}
	time.Sleep(longestWait)
}

func (c *chaos) judge() {
	for url, e := range c.endpoints {
		delivered := map[string]bool{}
		for _, d := range c.deliveries(e) {
			if !d.Finished() {
				c.Errorf("a delivery is left %s, due %v, lane %d", d.State, d.NextAt, d.Lane)
			}
			delivered[d.EventID] = delivered[d.EventID] || d.State == controlplane.DeliveryDelivered
		}
		for _, id := range c.events[e.MerchantID] {
			if !c.deleted[url] && !delivered[id] {
				c.Errorf("%s never reached %s", id, e.ID)
			}
		}
	}
	if s := c.engine.Stats(); s.Claims+s.Bytes+s.Fast+s.Slow+s.Open != 0 {
		c.Errorf("left over: %+v", s)
	}
	if len(c.twice) > 0 {
		c.Errorf("sent twice at the same time: %v", c.twice)
	}
}
