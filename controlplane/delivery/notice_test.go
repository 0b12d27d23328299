package delivery_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/delivery"
)

// trail is what the audit trail says of endpoints, oldest first.
func (p *plant) trail() string {
	p.Helper()
	all, err := p.ListAudit(p.Context(), root(), controlplane.AuditFilter{Limit: 1000})
	p.must(err)
	var text []string
	for _, a := range all {
		if op, of := strings.CutPrefix(string(a.Operation), "endpoint."); of && a.ActorID == "delivery" {
			text = append([]string{op}, text...)
		}
	}
	return strings.Join(text, " ")
}

// goesOn lets time pass while events come in, one a minute.
func (p *plant) goesOn(e controlplane.Endpoint, d time.Duration) {
	for range d / time.Minute {
		p.ingest(e.MerchantID, 1)
		time.Sleep(time.Minute)
	}
	synctest.Wait()
}

func (p *plant) told(want string) {
	p.Helper()
	if got := p.notices.kinds(); got != want {
		p.Errorf("told %q, want %q", got, want)
	}
	if got := p.trail(); got != want {
		p.Errorf("the audit trail has %q, want %q", got, want)
	}
}

func TestOutageIsToldOnceWhenItLasts(t *testing.T) {
	inTime(t, delivery.Limits{}, func(p *plant) {
		e := p.shop()
		p.start()
		p.receiver.answers(status(500))
		p.ingest(e.MerchantID, 20)
		p.goesOn(e, 4*time.Minute)
		p.told("") // a restart of the merchant's server takes no longer
		p.goesOn(e, 3*time.Minute)
		p.told("failing")
		n := p.notices.all[0]
		if n.Endpoint.ID != e.ID || n.Breaker != controlplane.BreakerInARow || n.At.Sub(n.Since) < 5*time.Minute || n.At.Sub(n.Since) > 7*time.Minute {
			p.Errorf("%+v", n)
		}
		p.goesOn(e, 3*time.Hour)
		p.told("failing")
		p.receiver.answers(status(200))
		p.goesOn(e, 20*time.Minute)
		p.told("failing")
		p.goesOn(e, 20*time.Minute)
		p.told("failing recovered")
		if since := p.notices.all[1].Since; !since.Equal(n.Since) {
			p.Errorf("recovered from an outage since %v, not %v", since, n.Since)
		}
	})
}

func TestEndpointThatComesAndGoesIsToldOfOnce(t *testing.T) {
	inTime(t, delivery.Limits{}, func(p *plant) {
		e := p.shop()
		p.start()
		for range 24 {
			p.receiver.answers(status(500))
			p.ingest(e.MerchantID, 20)
			p.goesOn(e, 10*time.Minute)
			p.receiver.answers(status(200))
			p.goesOn(e, 10*time.Minute)
		}
		p.told("failing")
		p.goesOn(e, time.Hour)
		p.told("failing recovered")
	})
}

func TestBlipsAreNoNews(t *testing.T) {
	inTime(t, delivery.Limits{}, func(p *plant) {
		e := p.shop()
		p.start()
		for range 10 {
			p.receiver.answers(status(500))
			p.ingest(e.MerchantID, 20)
			time.Sleep(10 * time.Second)
			if p.look(e).Condition.Breaker == "" {
				p.Fatal("the breaker is closed")
			}
			p.receiver.answers(status(200))
			p.goesOn(e, 10*time.Minute)
		}
		p.told("")
	})
}

func TestOutageIsToldOnceOverRestarts(t *testing.T) {
	inTime(t, delivery.Limits{}, func(p *plant) {
		e := p.shop()
		p.receiver.answers(status(500))
		p.start()
		p.ingest(e.MerchantID, 20)
		for range 6 {
			p.goesOn(e, 3*time.Minute)
			p.stop()
			p.assemble(delivery.Limits{})
			p.start()
		}
		p.told("failing")
		p.disable(e)
		p.enable(e)
		p.receiver.answers(status(200))
		p.goesOn(e, time.Hour)
		if got := p.notices.kinds(); got != "failing disabled" {
			p.Errorf("told %q", got)
		}
	})
}

func TestPausesAreToldOnceADay(t *testing.T) {
	inTime(t, delivery.Limits{}, func(p *plant) {
		e := p.shop()
		p.receiver.answers(status(429, controlplane.Header{Name: "Retry-After", Value: "60"}))
		p.start()
		p.goesOn(e, 10*time.Minute)
		p.told("") // not worth a mail
		p.receiver.answers(status(429, controlplane.Header{Name: "Retry-After", Value: "900"}))
		p.goesOn(e, 23*time.Hour)
		p.told("paused")
		p.goesOn(e, 3*time.Hour)
		p.told("paused paused")
	})
}

// A breaker that half of the attempts opened is shown with its reason and its next
// probe, and both outlive a restart.
func TestConditionSaysWhyOnlyProbesAreSent(t *testing.T) {
	inTime(t, delivery.Limits{}, func(p *plant) {
		e := p.shop()
		var sent atomic.Int64
		p.receiver.answers(func(r delivery.Request) delivery.Result {
			return status(200 + 300*int(sent.Add(1)%2))(r)
		})
		p.start()
		for p.look(e).Condition.Breaker == "" {
			if sent.Load() > 60 {
				p.Fatal("the breaker does not open")
			}
			p.ingest(e.MerchantID, 1)
			time.Sleep(2 * time.Second)
		}
		p.receiver.answers(status(500))
		time.Sleep(time.Minute)
		c := p.look(e).Condition
		if wait := time.Until(c.ProbeAt); c.Breaker != controlplane.BreakerHalf || wait <= 0 || wait > 2*time.Minute || c.Failures == 0 {
			p.Errorf("%+v, %v until the probe", c, wait)
		}
		p.stop()
		p.assemble(delivery.Limits{})
		p.start()
		if n := p.engine.Stats().Open; n != 1 {
			p.Errorf("%d breakers are open after a restart", n)
		}
		p.receiver.answers(status(200))
		time.Sleep(time.Hour)
		if c := p.look(e).Condition; c.Breaker != "" || !c.ProbeAt.IsZero() {
			p.Errorf("after a success %+v", c)
		}
	})
}

// A notice is written down in the end, whatever the store does meanwhile, and mail
// of it waits for those who keep the endpoint.
func TestNoticeOutlivesAStoreThatIsAway(t *testing.T) {
	inTime(t, delivery.Limits{}, func(p *plant) {
		e := p.shop()
		for i, role := range []controlplane.Role{controlplane.RoleOwner, controlplane.RoleAdmin, controlplane.RoleViewer} {
			_, err := p.CreateUser(p.Context(), root(), controlplane.CreateUser{
				MerchantID: e.MerchantID, Username: fmt.Sprintf("user%d", i), Role: role, Email: fmt.Sprintf("%s@example.com", role)})
			p.must(err)
		}
		p.receiver.answers(status(500))
		p.notices.fail(3)
		p.start()
		p.ingest(e.MerchantID, 20)
		p.goesOn(e, 10*time.Minute)
		p.told("failing")
		p.view(func(ctx context.Context, tx controlplane.Tx) error {
			mail, err := tx.DueMail(ctx, time.Now(), 10)
			if len(mail) != 2 || !strings.Contains(mail[0].Subject, "Webhook endpoint failing") || strings.Count(mail[0].Body, e.ID) != 2 {
				p.Errorf("%+v", mail)
			}
			return err
		})
	})
}
