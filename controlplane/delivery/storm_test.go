package delivery_test

import (
	"context"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/delivery"
)

const (
	// stormTime is by the bubble's clock: a retry or two, and a few probes.
	stormTime = 40 * time.Second
	// stormSeed is where the seeds begin, WEBHOOK_STORMS how many there are.
	stormSeed = 1
	stormsEnv = "WEBHOOK_STORMS"
)

// Backends, operators and reloads at the same time, with limits so narrow that
// everything is always full: nothing is forgotten, leaked or stuck.
func TestNothingIsForgottenInAStorm(t *testing.T) {
	storms := 1
	if text := os.Getenv(stormsEnv); text != "" {
		var err error
		if storms, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	for i := range storms {
		seed := uint64(stormSeed + i)
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			inTime(t, stormLimits(rand.New(rand.NewPCG(seed, 2))), func(p *plant) { newStorm(p, seed).run() })
		})
	}
}

func stormLimits(r *rand.Rand) delivery.Limits {
	return delivery.Limits{Slots: 4 + r.IntN(12), PerEndpoint: 1 + r.IntN(4), Queue: 1 + r.IntN(12), Claims: 10 + r.IntN(60)}
}

// storm is chaos whose acts do not wait for each other.
type storm struct {
	*chaos
	seed uint64
	ids  sync.Mutex // guards events
}

func newStorm(p *plant, seed uint64) *storm { return &storm{chaos: newChaos(p, seed), seed: seed} }

func (s *storm) run() {
	s.start()
	over, stop := context.WithTimeout(s.Context(), stormTime)
	defer stop()
	var all sync.WaitGroup
	for i, act := range []func(*rand.Rand){s.handIn, s.handIn, s.handIn, s.operate, s.operate, s.operate, s.operate, s.reload} {
		r := rand.New(rand.NewPCG(s.seed, uint64(100+i)))
		all.Go(func() {
			for over.Err() == nil {
				act(r)
				time.Sleep(time.Duration(r.IntN(400)) * time.Millisecond)
			}
		})
	}
	all.Wait()
	s.mend()
	s.judge()
}

func (s *storm) handIn(r *rand.Rand) {
	e := s.any(r)
	batch := make([]controlplane.IngestEvent, 1+r.IntN(12))
	for i := range batch {
		batch[i] = newEvent(e.MerchantID)
	}
	out, err := s.IngestEvents(s.Context(), ledger(), batch)
	if err != nil {
		s.Error(err)
	}
	s.ids.Lock()
	defer s.ids.Unlock()
	for _, event := range out {
		s.events[e.MerchantID] = append(s.events[e.MerchantID], event.ID)
	}
}

func (s *storm) operate(r *rand.Rand) {
	e := s.any(r)
	ctx, ref := s.Context(), controlplane.EndpointRef{MerchantID: e.MerchantID, EndpointID: e.ID}
	switch r.IntN(10) {
	case 0, 1, 2, 3:
		moods := []mood{{}, {}, {takes: 50 * time.Millisecond}, {code: 500}, {code: 1, takes: 4 * time.Second}, {code: 410}, {code: 429, retryIn: "7"}, {code: 503, takes: time.Second}}
		m := moods[r.IntN(len(moods))]
		s.mu.Lock()
		defer s.mu.Unlock()
		s.moods[e.URL] = m
	case 4:
		s.tolerate(func() (any, error) {
			return s.DisableEndpoint(ctx, root(), controlplane.DisableEndpoint{MerchantID: e.MerchantID, EndpointID: e.ID})
		})
	case 5, 6:
		s.tolerate(func() (any, error) { return s.EnableEndpoint(ctx, root(), ref) })
		s.replays(e)
	case 7:
		s.tolerate(func() (any, error) {
			return s.RotateEndpointSecret(ctx, root(), controlplane.RotateEndpointSecret{MerchantID: e.MerchantID, EndpointID: e.ID})
		})
	case 8:
		s.tolerate(func() (any, error) { return s.TestEndpoint(ctx, root(), ref) })
	case 9:
		for i, d := range s.deliveries(e) {
			if i < 5 && d.Finished() {
				s.tolerate(func() (any, error) {
					return s.ReplayDelivery(ctx, root(), controlplane.DeliveryRef{MerchantID: e.MerchantID, DeliveryID: d.ID})
				})
			}
		}
	}
}

// reload takes the engine away for a moment, and gives it other limits.
func (s *storm) reload(r *rand.Rand) {
	ctx, cancel := context.WithTimeout(s.Context(), time.Duration(r.IntN(2000))*time.Millisecond)
	defer cancel()
	time.Sleep(time.Duration(r.IntN(3000)) * time.Millisecond)
	s.engine.Stop(ctx)
	time.Sleep(time.Duration(r.IntN(100)) * time.Millisecond)
	s.engine.Limit(stormLimits(r))
	s.start()
}
