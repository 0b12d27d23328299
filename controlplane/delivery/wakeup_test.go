package delivery_test

import (
	"context"
	"crypto/rand"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/delivery"
)

// Attempts that never pause must not keep an endpoint's health from being written:
// the portal would show nothing, and a crash would lose all of it.
func TestHealthIsWrittenWhileEventsKeepComing(t *testing.T) {
	inTime(t, delivery.Limits{}, func(p *plant) {
		e := p.shop()
		p.start()
		for range 100 {
			p.ingest(e.MerchantID, 1)
			time.Sleep(100 * time.Millisecond)
		}
		if day := p.look(e).Day; day.Succeeded < 85 {
			p.Errorf("after ten seconds: %+v", day)
		}
	})
}

// unwilling cannot disable anything before the engine stops.
type unwilling struct{ *controlplane.Service }

func (unwilling) DisableEndpoint(ctx context.Context, _ controlplane.Actor, _ controlplane.DisableEndpoint) (controlplane.Endpoint, error) {
	<-ctx.Done()
	return controlplane.Endpoint{}, ctx.Err()
}

// An endpoint that was to be disabled when the engine stopped is not condemned for
// ever: the next start attempts it again.
func TestStopInTheMiddleOfDisablingLeavesNothingStuck(t *testing.T) {
	inTime(t, delivery.Limits{}, func(p *plant) {
		e := p.shop()
		p.must(p.engine.Configure(delivery.Settings{Sender: p.receiver, Operations: unwilling{p.Service}, Log: p.log}))
		p.receiver.answers(status(http.StatusGone))
		p.start()
		p.ingest(e.MerchantID, 1)
		synctest.Wait()
		p.stop()
		p.must(p.engine.Configure(delivery.Settings{Sender: p.receiver, Operations: p.Service, Log: p.log}))
		p.receiver.answers(status(http.StatusOK))
		p.start()
		p.ingest(e.MerchantID, 1)
		time.Sleep(time.Minute)
		if s := p.states(e); s[controlplane.DeliveryDelivered] != 1 {
			p.Errorf("%v", s)
		}
	})
}

// What a merchant was told of is written down soon, though nothing is attempted
// meanwhile: after a crash it would be told again.
func TestWhatWasToldIsWrittenDown(t *testing.T) {
	inTime(t, delivery.Limits{}, func(p *plant) {
		e := p.shop()
		p.receiver.answers(status(http.StatusInternalServerError))
		p.start()
		p.ingest(e.MerchantID, 10)
		for p.notices.kinds() == "" {
			time.Sleep(time.Second)
		}
		time.Sleep(2 * time.Second)
		if c := p.look(e).Condition; c.Told.IsZero() {
			p.Errorf("%+v", c)
		}
	})
}

// afterwards is a store in which something happens right after the first update.
type afterwards struct {
	controlplane.Store
	happens func()
	once    sync.Once
}

func (a *afterwards) Update(ctx context.Context, fn func(controlplane.Tx) error) error {
	err := a.Store.Update(ctx, fn)
	a.once.Do(a.happens)
	return err
}

// An event that is committed after a start has read what waits, and before it has
// begun to deliver, waits for nothing.
func TestEventsOfTheInstantOfAStartAreDelivered(t *testing.T) {
	inTime(t, delivery.Limits{}, func(p *plant) {
		e := p.shop()
		var err error
		p.engine, err = delivery.New(delivery.Config{
			Store:  &afterwards{Store: p.store, happens: func() { p.ingest(e.MerchantID, 1) }},
			Sealer: p.ring, Clock: time.Now, Random: rand.Reader,
		})
		p.must(err)
		p.serve(time.Now)
		p.start()
		time.Sleep(time.Minute)
		if s := p.states(e); s[controlplane.DeliveryDelivered] != 1 {
			p.Errorf("%v", s)
		}
	})
}

// A start beside a running engine must not take back what that one is sending.
func TestOneStartAtATime(t *testing.T) {
	inTime(t, delivery.Limits{}, func(p *plant) {
		e := p.shop()
		p.receiver.takes(10 * time.Second)
		p.start()
		p.ingest(e.MerchantID, 1)
		synctest.Wait()
		if err := p.engine.Start(p.Context()); err == nil || !strings.Contains(err.Error(), "runs already") {
			p.Errorf("%v", err)
		}
		time.Sleep(time.Minute)
		if n := len(p.receiver.got()); n != 1 {
			p.Errorf("sent %d times", n)
		}
	})
}

// A start that failed can be made again.
func TestStartAgainAfterAFailure(t *testing.T) {
	inTime(t, delivery.Limits{}, func(p *plant) {
		e := p.shop()
		p.ingest(e.MerchantID, 1)
		ended, cancel := context.WithCancel(p.Context())
		cancel()
		if err := p.engine.Start(ended); err == nil {
			p.Error("started without a store")
		}
		p.start()
		time.Sleep(time.Minute)
		if s := p.states(e); s[controlplane.DeliveryDelivered] != 1 {
			p.Errorf("%v", s)
		}
	})
}

// A bulk replay that was asked for while the engine stood still is carried out by
// the next start, and what was changed meanwhile counts.
func TestStartLearnsWhatHappenedMeanwhile(t *testing.T) {
	inTime(t, delivery.Limits{}, func(p *plant) {
		e, gone := p.shop(), p.shop()
		p.exhausted(e, 20)
		p.start()
		p.must(justErr(p.DisableEndpoint(p.Context(), root(), controlplane.DisableEndpoint{MerchantID: gone.MerchantID, EndpointID: gone.ID})))
		p.ingest(gone.MerchantID, 5)
		synctest.Wait()
		p.stop()
		p.replay(e, controlplane.ReplayFailed, time.Time{})
		p.must(justErr(p.DeleteEndpoint(p.Context(), root(), controlplane.EndpointRef{MerchantID: gone.MerchantID, EndpointID: gone.ID})))
		p.start()
		time.Sleep(time.Minute)
		if s := p.states(e); s[controlplane.DeliveryDelivered] != 20 {
			p.Errorf("replayed: %v", s)
		}
		if s := p.states(gone); s[controlplane.DeliveryCancelled] != 5 {
			p.Errorf("of the deleted endpoint: %v", s)
		}
	})
}

// What comes back unsent because its endpoint was disabled is held, like what fails:
// it would wait for ever, and no replay would find it.
func TestWhatIsInMemoryWhenItsEndpointIsDisabledIsHeld(t *testing.T) {
	inTime(t, delivery.Limits{PerEndpoint: 2}, func(p *plant) {
		e := p.shop()
		p.receiver.takes(10 * time.Second)
		p.receiver.answers(status(http.StatusInternalServerError))
		p.start()
		p.ingest(e.MerchantID, 10) // two in flight, eight in memory
		time.Sleep(time.Second)
		p.must(justErr(p.DisableEndpoint(p.Context(), root(), controlplane.DisableEndpoint{MerchantID: e.MerchantID, EndpointID: e.ID})))
		time.Sleep(time.Minute)
		if s := p.states(e); s[controlplane.DeliveryHeld] != 10 {
			p.Errorf("%v", s)
		}
	})
}

// A bulk replay ends with its endpoint: what it would still let go stays held.
func TestDisablingEndsABulkReplay(t *testing.T) {
	inTime(t, delivery.Limits{}, func(p *plant) {
		e := p.shop()
		p.exhausted(e, 1500)
		p.replay(e, controlplane.ReplayFailed, time.Time{})
		p.must(justErr(p.DisableEndpoint(p.Context(), root(), controlplane.DisableEndpoint{MerchantID: e.MerchantID, EndpointID: e.ID})))
		p.start()
		time.Sleep(time.Minute)
		if s := p.states(e); s[controlplane.DeliveryPending] != 0 || s[controlplane.DeliveryExhausted] != 1500 {
			p.Errorf("%v", s)
		}
		if job := p.look(e).Replays[0]; job.FinishedAt.IsZero() || job.Deliveries != 0 {
			p.Errorf("%+v", job)
		}
	})
}

func justErr[T any](_ T, err error) error { return err }

// However often an endpoint is sent to, the next event after a change goes where the
// change says.
func TestWhatIsKeptOfAnEndpointIsNeverOld(t *testing.T) {
	inTime(t, delivery.Limits{}, func(p *plant) {
		e := p.shop()
		p.start()
		p.ingest(e.MerchantID, 5)
		synctest.Wait()
		for i := range 10 {
			url := "https://" + string(rune('a'+i)) + ".example.com/hook"
			p.must(justErr(p.UpdateEndpoint(p.Context(), root(), controlplane.UpdateEndpoint{MerchantID: e.MerchantID, EndpointID: e.ID, URL: url})))
			p.must(justErr(p.RotateEndpointSecret(p.Context(), root(), controlplane.RotateEndpointSecret{MerchantID: e.MerchantID, EndpointID: e.ID})))
			p.receiver.forget()
			p.ingest(e.MerchantID, 3)
			synctest.Wait()
			for _, s := range p.receiver.got() {
				if s.URL != url || len(s.Secrets) != 1 {
					p.Errorf("after the %d. change: %s with %d secrets", i+1, s.URL, len(s.Secrets))
				}
			}
			if n := len(p.receiver.got()); n != 3 {
				p.Errorf("%d of 3 were sent", n)
			}
		}
	})
}
