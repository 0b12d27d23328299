package delivery_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/delivery"
)

func TestStopLetsAttemptsEndAndStartsNone(t *testing.T) {
	inTime(t, delivery.Limits{}, func(p *plant) {
		e := p.shop()
		p.receiver.takes(10 * time.Second)
		p.start()
		p.ingest(e.MerchantID, 100)
		time.Sleep(time.Second)
		began := time.Now()
		p.stop()
		if took := time.Since(began); took != 9*time.Second {
			p.Errorf("the stop took %v", took)
		}
		if s := p.states(e); s[controlplane.DeliveryDelivered] != 8 || s[controlplane.DeliveryPending] != 92 {
			p.Errorf("after the stop: %v", s)
		}
		p.stop() // a second one does nothing
		if s := p.engine.Stats(); s.Claims != 0 || s.Bytes != 0 || s.Fast+s.Slow != 0 {
			p.Errorf("%+v", s)
		}
		p.start()
		time.Sleep(3 * time.Minute)
		if s := p.states(e); s[controlplane.DeliveryDelivered] != 100 {
			p.Errorf("after the next start: %v", s)
		}
		once(p, p.receiver.got())
	})
}

func TestStopCutsOffAttemptsThatTakeTooLong(t *testing.T) {
	inTime(t, delivery.Limits{}, func(p *plant) {
		e := p.shop()
		p.receiver.takes(time.Hour) // a sender that breaks its promise
		p.start()
		p.ingest(e.MerchantID, 3)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(p.Context(), 5*time.Second)
		defer cancel()
		p.engine.Stop(ctx)
		d := p.deliveries(e)
		if d[0].State != controlplane.DeliveryPending || d[0].Attempts != 0 {
			p.Errorf("what was cut off counts as an attempt: %+v", d[0])
		}
		p.receiver.takes(0)
		p.start()
		written()
		if s := p.states(e); s[controlplane.DeliveryDelivered] != 3 {
			p.Errorf("%v", s)
		}
	})
}

func TestEventsTakenInWhileNoEngineRunsAreSentByTheNext(t *testing.T) {
	inTime(t, delivery.Limits{}, func(p *plant) {
		e := p.shop()
		p.ingest(e.MerchantID, 2000)
		if s := p.states(e); s[controlplane.DeliveryPending] != 2000 {
			p.Errorf("%v", s)
		}
		p.start()
		if err := p.engine.Start(p.Context()); err == nil {
			p.Error("two dispatchers run")
		}
		written()
		once(p, p.receiver.got())
		if s := p.states(e); s[controlplane.DeliveryDelivered] != 2000 {
			p.Errorf("%v", s)
		}
	})
}

// What a crash left in flight is sent at once by the next engine.
func TestLeftoversOfACrashAreSentAtOnce(t *testing.T) {
	inTime(t, delivery.Limits{}, func(p *plant) {
		e := p.shop()
		p.ingest(e.MerchantID, 5)
		p.update(func(ctx context.Context, tx controlplane.Tx) error {
			_, err := tx.ClaimDeliveries(ctx, controlplane.ClaimQuery{EndpointRow: e.Row, Limit: 5})
			return err
		})
		began := time.Now()
		p.start()
		synctest.Wait()
		if n := len(p.receiver.got()); n != 5 || time.Since(began) != 0 {
			p.Errorf("%d attempts after %v", n, time.Since(began))
		}
		written()
		if s := p.states(e); s[controlplane.DeliveryDelivered] != 5 {
			p.Errorf("%v", s)
		}
	})
}

func TestNewSettingsAreUsedByTheNextAttempt(t *testing.T) {
	inTime(t, delivery.Limits{}, func(p *plant) {
		e := p.shop()
		p.start()
		p.ingest(e.MerchantID, 1)
		synctest.Wait()
		next := &receiver{answer: status(200)}
		p.must(p.engine.Configure(delivery.Settings{Sender: next, Operations: p.Service, Log: p.log}))
		p.ingest(e.MerchantID, 1)
		synctest.Wait()
		if a, b := len(p.receiver.got()), len(next.got()); a != 1 || b != 1 {
			p.Errorf("the old sender made %d attempts, the new one %d", a, b)
		}
		if err := p.engine.Configure(delivery.Settings{}); err == nil {
			p.Error("settings without a sender are taken")
		}
	})
}

func TestEngineWithoutPartsOrSettingsIsRefused(t *testing.T) {
	if _, err := delivery.New(delivery.Config{}); err == nil {
		t.Error("an engine without a store")
	}
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, delivery.Limits{})
		defer p.close()
		bare, err := delivery.New(delivery.Config{Store: p.store, Sealer: p.ring, Clock: time.Now, Random: noRandom{}})
		p.must(err)
		if err := bare.Start(t.Context()); err == nil {
			t.Error("an engine without settings started")
		}
		bare.Stop(t.Context())
		if _, ok := bare.Reserve(1, "mer_1", 1); ok {
			t.Error("an engine that does not run has room")
		}
	})
}

type noRandom struct{}

func (noRandom) Read([]byte) (int, error) { return 0, errors.New("no randomness") }

// The memory is bounded: in number, for one endpoint, and in bytes.
func TestBacklogInMemoryIsBounded(t *testing.T) {
	for name, limits := range map[string]delivery.Limits{
		"in number":    {Claims: 50},
		"per endpoint": {Queue: 40},
		"in bytes":     {Bytes: 40 * 170},
	} {
		t.Run(name, func(t *testing.T) {
			inTime(t, limits, func(p *plant) {
				e := p.shop()
				p.receiver.takes(time.Second)
				p.start()
				for range 4 {
					p.ingest(e.MerchantID, 100)
					if s := p.engine.Stats(); s.Claims > 50+8 {
						p.Errorf("%+v", s)
					}
				}
				for range 60 {
					time.Sleep(time.Second)
					if s := p.engine.Stats(); s.Claims > 300 {
						p.Errorf("%+v", s)
					}
				}
				if s := p.states(e); s[controlplane.DeliveryDelivered] != 400 {
					p.Errorf("%v", s)
				}
				once(p, p.receiver.got())
			})
		})
	}
}

// flaky is a store that fails for a while.
type flaky struct {
	controlplane.Store
	down atomic.Bool
}

func (f *flaky) Update(ctx context.Context, fn func(controlplane.Tx) error) error {
	if f.down.Load() {
		return controlplane.Errorf(controlplane.CodeUnavailable, "the disk of the database is full")
	}
	return f.Store.Update(ctx, fn)
}

func (f *flaky) View(ctx context.Context, fn func(controlplane.Tx) error) error {
	if f.down.Load() {
		return controlplane.Errorf(controlplane.CodeUnavailable, "the database cannot be read")
	}
	return f.Store.View(ctx, fn)
}

// While the store is away nothing is lost and nothing is sent twice.
func TestStoreThatIsAwayForAnHourCostsNothing(t *testing.T) {
	inTime(t, delivery.Limits{}, func(p *plant) {
		p.log = zap.NewNop()
		f := &flaky{Store: p.store}
		engine, err := delivery.New(delivery.Config{Store: f, Sealer: p.ring, Clock: time.Now, Random: noRandom{}})
		p.must(err)
		p.engine = engine
		p.must(engine.Configure(delivery.Settings{Sender: p.receiver, Operations: p.Service, Log: p.log}))
		e := p.shop()
		p.ingest(e.MerchantID, 500)
		p.receiver.takes(time.Second)
		p.start()
		time.Sleep(2500 * time.Millisecond)
		f.down.Store(true)
		time.Sleep(time.Hour)
		f.down.Store(false)
		time.Sleep(10 * time.Minute)
		if s := p.states(e); s[controlplane.DeliveryDelivered] != 500 {
			p.Errorf("%v", s)
		}
		once(p, p.receiver.got())
	})
}

// hooked runs a function once, right after a transaction and before whoever asked
// for it goes on.
type hooked struct {
	controlplane.Store
	after atomic.Pointer[func()]
}

func (h *hooked) Update(ctx context.Context, fn func(controlplane.Tx) error) error {
	err := h.Store.Update(ctx, fn)
	if after := h.after.Swap(nil); after != nil {
		(*after)()
	}
	return err
}

// What is taken in between a look into the store and the engine's reading of its
// answer was not in that answer: without another look it would wait for the next
// event.
func TestEventTakenInDuringALookIsSentAtOnce(t *testing.T) {
	inTime(t, delivery.Limits{}, func(p *plant) {
		h := &hooked{Store: p.store}
		engine, err := delivery.New(delivery.Config{Store: h, Sealer: p.ring, Clock: time.Now, Random: noRandom{}})
		p.must(err)
		p.engine = engine
		p.must(engine.Configure(delivery.Settings{Sender: p.receiver, Operations: p.Service, Log: p.log}))
		e := p.shop()
		p.start()
		synctest.Wait()
		meanwhile := func() {
			p.ingest(e.MerchantID, 1)
			engine.Pending(e.Row, e.MerchantID, controlplane.LaneLive)
		}
		h.after.Store(&meanwhile)
		engine.Pending(e.Row, e.MerchantID, controlplane.LaneLive)
		written()
		if s := p.states(e); s[controlplane.DeliveryDelivered] != 1 {
			p.Errorf("%v", s)
		}
	})
}

// Retention runs by itself: bodies go after 7 days, attempts after 30, events after
// 90.
func TestRetention(t *testing.T) {
	inTime(t, delivery.Limits{}, func(p *plant) {
		e := p.shop()
		p.receiver.answers(func(delivery.Request) delivery.Result { return delivery.Result{Status: 200, Body: []byte("thanks")} })
		p.start()
		p.ingest(e.MerchantID, 1500)
		synctest.Wait()
		d := p.deliveries(e)[0]
		for _, step := range []struct {
			until      time.Duration
			attempts   int
			body       string
			deliveries int
		}{
			{6 * 24 * time.Hour, 1, "thanks", 1500},
			{8 * 24 * time.Hour, 1, "", 1500},
			{31 * 24 * time.Hour, 0, "", 1500},
			{91 * 24 * time.Hour, 0, "", 0},
		} {
			time.Sleep(step.until - time.Since(d.CreatedAt))
			synctest.Wait()
			if n := len(p.deliveries(e)); n != step.deliveries {
				p.Fatalf("after %v there are %d deliveries", step.until, n)
			}
			if step.deliveries == 0 {
				continue
			}
			got := p.detail(d)
			if len(got.Attempts) != step.attempts || step.attempts > 0 && string(got.Attempts[0].ResponseBody) != step.body {
				p.Errorf("after %v: %+v", step.until, got.Attempts)
			}
		}
		if h := p.look(e); len(h.Hours) != 0 || h.Condition.LastSuccessAt.IsZero() {
			p.Errorf("%+v", h)
		}
	})
}

// Whoever deletes an endpoint may die before what was held for it is settled.
func TestHeldDeliveriesOfADeletedEndpointAreCancelledByTheNextStart(t *testing.T) {
	inTime(t, delivery.Limits{}, func(p *plant) {
		e := p.shop()
		_, err := p.DisableEndpoint(p.Context(), root(), controlplane.DisableEndpoint{MerchantID: e.MerchantID, EndpointID: e.ID})
		p.must(err)
		ids := p.ingest(e.MerchantID, 3)
		if s := p.states(e); s[controlplane.DeliveryHeld] != 3 {
			p.Fatalf("%v", s)
		}
		e.State = controlplane.EndpointDeleted
		p.update(func(ctx context.Context, tx controlplane.Tx) error { return tx.UpdateEndpoint(ctx, e) })
		engine, err := delivery.New(delivery.Config{Store: p.store, Sealer: p.ring, Clock: time.Now, Random: noRandom{}})
		p.must(err)
		p.engine = engine
		p.must(engine.Configure(delivery.Settings{Sender: p.receiver, Operations: p.Service, Log: p.log}))
		p.start()
		written()
		if s := p.states(e); s[controlplane.DeliveryCancelled] != len(ids) {
			p.Errorf("%v", s)
		}
	})
}
