package delivery_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/delivery"
)

// inTime runs a test in time of its own, with everything closed at its end.
func inTime(t *testing.T, limits delivery.Limits, test func(p *plant)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, limits)
		defer p.close()
		test(p)
	})
}

func TestEventReachesEverySubscribedEndpointAtOnce(t *testing.T) {
	inTime(t, delivery.Limits{}, func(p *plant) {
		a := p.shop()
		b := p.endpointOf(a.MerchantID)
		p.start()
		began := time.Now()
		ids := p.ingest(a.MerchantID, 3)
		synctest.Wait()
		got := p.receiver.got()
		if len(got) != 6 || time.Since(began) != 0 {
			p.Fatalf("%d attempts after %v", len(got), time.Since(began))
		}
		written()
		for _, e := range []controlplane.Endpoint{a, b} {
			if n := p.states(e)[controlplane.DeliveryDelivered]; n != 3 {
				p.Errorf("%d of 3 delivered: %v", n, p.states(e))
			}
		}
		d := p.detail(p.deliveries(a)[2])
		if d.Event.ID != ids[0] || len(d.Attempts) != 1 || d.Attempts[0].Number != 1 || d.Attempts[0].Status != 200 {
			p.Errorf("%+v", d)
		}
		if string(got[0].Body) != string(d.Event.Body) || len(got[0].Secrets) != 1 {
			p.Errorf("sent %+v", got[0])
		}
	})
}

func TestFailedAttemptsAreRepeatedOnScheduleFor72Hours(t *testing.T) {
	inTime(t, delivery.Limits{}, func(p *plant) {
		e := p.shop()
		p.receiver.answers(status(500))
		p.start()
		began := time.Now()
		p.ingest(e.MerchantID, 1)
		time.Sleep(80 * time.Hour)
		synctest.Wait()
		d := p.detail(p.deliveries(e)[0])
		if d.Delivery.State != controlplane.DeliveryExhausted {
			p.Fatalf("%+v", d.Delivery)
		}
		last := d.Attempts[len(d.Attempts)-1]
		if after := last.At.Sub(began); after < 50*time.Hour || after > 72*time.Hour {
			p.Errorf("the last of %d attempts came after %v", len(d.Attempts), after)
		}
		for i, a := range d.Attempts[1:] {
			want := []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour, 8 * time.Hour}
			wait, nominal := a.At.Sub(d.Attempts[i].At), 12*time.Hour
			if i < len(want) {
				nominal = want[i]
			}
			if wait < nominal*8/10 || wait > nominal*12/10 {
				p.Errorf("attempt %d came %v after the one before, not %v", a.Number, wait, nominal)
			}
		}
	})
}

// The breaker: an endpoint that is away for six hours costs few attempts, loses
// nothing, and is not flooded when it is back.
func TestSixHourOutageOfTenThousandEvents(t *testing.T) {
	inTime(t, delivery.Limits{}, func(p *plant) {
		e := p.shop()
		p.receiver.answers(status(503))
		p.start()
		for range 10 {
			p.ingest(e.MerchantID, 1000)
			time.Sleep(36 * time.Minute)
		}
		probes := len(p.receiver.got())
		if probes > 120 {
			p.Errorf("the outage cost %d attempts", probes)
		}
		if n := len(p.look(e).Hours); n < 6 {
			p.Errorf("the health has %d hours", n)
		}
		if k := p.notices.kinds(); k != "failing" {
			p.Errorf("notices: %s", k)
		}
		p.receiver.forget()
		p.receiver.answers(status(200))
		p.receiver.takes(10 * time.Millisecond)
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := p.states(e); got[controlplane.DeliveryDelivered] != 10_000 {
			p.Errorf("an hour later: %v", got)
		}
		ramped(p, p.receiver.got())
		once(p, p.receiver.got())
		if k := p.notices.kinds(); k != "failing recovered" {
			p.Errorf("notices: %s", k)
		}
		if day := p.look(e).Day; day.Succeeded != 10_000 || day.Failed != int64(probes) || day.P50 < 10*time.Millisecond || day.P50 > 12*time.Millisecond {
			p.Errorf("the health of the day is %+v after %d failures", day, probes)
		}
	})
}

// ramped fails unless attempts begin one at a time, and one more with each success.
func ramped(p *plant, all []seen) {
	p.Helper()
	for i, s := range all {
		at := 0
		for _, other := range all[:i] {
			if other.At.Add(10 * time.Millisecond).After(s.At) {
				at++
			}
		}
		if at > min(i, 7) {
			p.Fatalf("attempt %d began beside %d others", i+1, at)
		}
		if i == 40 {
			return
		}
	}
}

// once fails if an event arrived twice.
func once(p *plant, all []seen) {
	p.Helper()
	count := map[string]int{}
	for _, s := range all {
		if s.result.Status == 200 {
			if count[s.EventID]++; count[s.EventID] > 1 {
				p.Fatalf("%s arrived twice", s.EventID)
			}
		}
	}
}
