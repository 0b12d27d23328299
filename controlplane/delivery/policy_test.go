package delivery_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/delivery"
)

func (p *plant) enable(e controlplane.Endpoint) controlplane.EnabledEndpoint {
	p.Helper()
	out, err := p.EnableEndpoint(p.Context(), root(), controlplane.EndpointRef{MerchantID: e.MerchantID, EndpointID: e.ID})
	p.must(err)
	return out
}

func (p *plant) disable(e controlplane.Endpoint) {
	p.Helper()
	_, err := p.DisableEndpoint(p.Context(), root(), controlplane.DisableEndpoint{MerchantID: e.MerchantID, EndpointID: e.ID})
	p.must(err)
}

func (p *plant) replay(e controlplane.Endpoint, kind controlplane.ReplayKind, since time.Time) controlplane.Replay {
	p.Helper()
	out, err := p.ReplayDeliveries(p.Context(), root(), controlplane.ReplayScope{MerchantID: e.MerchantID, EndpointID: e.ID, Kind: kind, Since: since})
	p.must(err)
	return out
}

func TestDeadEndpointIsDisabledAfterFiveDaysAndItsEventsHeld(t *testing.T) {
	inTime(t, delivery.Limits{}, func(p *plant) {
		e := p.shop()
		p.receiver.answers(status(500))
		p.start()
		p.ingest(e.MerchantID, 20)
		time.Sleep(119 * time.Hour)
		synctest.Wait()
		if s := p.look(e).State; s != controlplane.EndpointEnabled {
			p.Fatalf("%s before five days", s)
		}
		p.ingest(e.MerchantID, 5)
		time.Sleep(4 * time.Hour)
		synctest.Wait()
		got := p.look(e)
		if got.State != controlplane.EndpointDisabled || got.DisabledReason != controlplane.DisabledFailing {
			p.Fatalf("%+v", got)
		}
		audit, err := p.ListAudit(p.Context(), root(), controlplane.AuditFilter{Limit: 1})
		p.must(err)
		if a := audit[0]; a.Operation != controlplane.OpEndpointDisable || a.ActorID != "delivery" || a.Target != e.ID {
			p.Errorf("audit: %+v", a)
		}
		p.heldThenReplayed(e)
	})
}

// An engine that is cut off from an endpoint must not disable it while another one,
// which shares the database, delivers to it.
func TestEndpointThatAnotherEngineReachesIsNotDisabled(t *testing.T) {
	inTime(t, delivery.Limits{}, func(p *plant) {
		e := p.shop()
		p.receiver.answers(status(500))
		p.start()
		reached := func() {
			p.update(func(ctx context.Context, tx controlplane.Tx) error {
				c, err := tx.EndpointCondition(ctx, e.MerchantID, e.Row)
				if err != nil {
					return err
				}
				c.LastSuccessAt = time.Now()
				return tx.SaveEndpointCondition(ctx, c)
			})
		}
		fail := func(during time.Duration) controlplane.EndpointState {
			for end := time.Now().Add(during); time.Now().Before(end); time.Sleep(4 * time.Hour) {
				p.ingest(e.MerchantID, 1)
			}
			synctest.Wait()
			return p.look(e).State
		}
		if s := fail(60 * time.Hour); s != controlplane.EndpointEnabled {
			p.Fatalf("%s too early", s)
		}
		reached()
		if s := fail(117 * time.Hour); s != controlplane.EndpointEnabled {
			p.Errorf("%s, although another engine reached it within five days", s)
		}
		if s := fail(12 * time.Hour); s != controlplane.EndpointDisabled {
			p.Errorf("%s five days after anybody reached it", s)
		}
	})
}

// heldThenReplayed goes on with an endpoint that was disabled: what comes and what
// waited is held, nothing is sent, and after one click everything arrives.
func (p *plant) heldThenReplayed(e controlplane.Endpoint) {
	p.Helper()
	p.receiver.forget()
	p.receiver.answers(status(200))
	before := p.look(e).Held
	p.ingest(e.MerchantID, 3)
	time.Sleep(24 * time.Hour)
	synctest.Wait()
	if n := len(p.receiver.got()); n != 0 {
		p.Errorf("%d attempts while disabled", n)
	}
	if held := p.states(e)[controlplane.DeliveryHeld]; int64(held) != before+3 {
		p.Errorf("held: %d, want %d: %v", held, before+3, p.states(e))
	}
	back := p.enable(e)
	time.Sleep(time.Hour)
	synctest.Wait()
	if back.Held != before+3 || len(p.receiver.got()) != 0 {
		p.Errorf("enabled with %d held, and %d attempts without a replay", back.Held, len(p.receiver.got()))
	}
	for _, kind := range []controlplane.ReplayKind{controlplane.ReplayUntried, controlplane.ReplayFailed} {
		p.replay(e, kind, time.Time{})
	}
	time.Sleep(time.Hour)
	synctest.Wait()
	if s := p.states(e); s[controlplane.DeliveryHeld]+s[controlplane.DeliveryPending]+s[controlplane.DeliveryInflight] != 0 {
		p.Errorf("after the replay: %v", s)
	}
	events := map[string]bool{}
	for _, d := range p.deliveries(e) {
		events[d.EventID] = true
	}
	once(p, p.receiver.got())
	if n := len(p.receiver.got()); n != len(events) {
		p.Errorf("%d of %d events arrived", n, len(events))
	}
}

// An attempt that was under way when its endpoint was disabled, and fails, waits for
// nothing: it is held like the others.
func TestWhatFailsAfterItsEndpointWasDisabledIsHeld(t *testing.T) {
	inTime(t, delivery.Limits{}, func(p *plant) {
		e := p.shop()
		p.receiver.answers(status(500))
		p.receiver.takes(time.Second)
		p.start()
		p.ingest(e.MerchantID, 1)
		time.Sleep(500 * time.Millisecond)
		p.disable(e)
		time.Sleep(time.Minute)
		synctest.Wait()
		if s := p.states(e); s[controlplane.DeliveryHeld] != 1 {
			p.Errorf("%v", s)
		}
	})
}

func TestGoneDisablesTheEndpointAtOnce(t *testing.T) {
	inTime(t, delivery.Limits{}, func(p *plant) {
		e := p.shop()
		p.receiver.answers(status(http.StatusGone))
		p.start()
		p.ingest(e.MerchantID, 1)
		written()
		got := p.look(e)
		if got.State != controlplane.EndpointDisabled || got.DisabledReason != controlplane.DisabledGone {
			p.Fatalf("%+v", got)
		}
		if s := p.states(e); s[controlplane.DeliveryGone] != 1 {
			p.Errorf("%v", s)
		}
		if k := p.notices.kinds(); k != "disabled" {
			p.Errorf("notices: %s", k)
		}
		if n := p.notices.all[0]; n.Endpoint.ID != e.ID || n.Endpoint.DisabledReason != controlplane.DisabledGone || n.At.IsZero() {
			p.Errorf("%+v", n)
		}
		p.heldThenReplayed(e)
	})
}

// What is queued when the 410 comes is held, not sent after it.
func TestGoneSendsNothingMore(t *testing.T) {
	inTime(t, delivery.Limits{}, func(p *plant) {
		e := p.shop()
		p.receiver.takes(50 * time.Millisecond)
		p.receiver.answers(status(http.StatusGone))
		p.start()
		p.ingest(e.MerchantID, 900)
		time.Sleep(time.Minute)
		synctest.Wait()
		s := p.states(e)
		if n := len(p.receiver.got()); n > 8 || s[controlplane.DeliveryHeld] != 900-n || s[controlplane.DeliveryGone] != n {
			p.Errorf("%d attempts, %v", n, s)
		}
	})
}

func TestRetryAfterPausesTheWholeEndpoint(t *testing.T) {
	date := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
	for name, c := range map[string]struct {
		code   int
		header func() []controlplane.Header
		pause  time.Duration
	}{
		"seconds": {429, func() []controlplane.Header { return []controlplane.Header{{Name: "retry-after", Value: "600"}} }, 10 * time.Minute},
		"a date": {503, func() []controlplane.Header {
			return []controlplane.Header{{Name: "Retry-After", Value: date(20 * time.Minute)}}
		}, 20 * time.Minute},
		"a date of a clock that is an hour ahead": {429, func() []controlplane.Header {
			return []controlplane.Header{{Name: "Retry-After", Value: date(80 * time.Minute)}, {Name: "Date", Value: date(time.Hour)}}
		}, 20 * time.Minute},
		"far too long": {429, func() []controlplane.Header { return []controlplane.Header{{Name: "Retry-After", Value: "99999999"}} }, 12 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			inTime(t, delivery.Limits{}, func(p *plant) {
				e := p.shop()
				p.receiver.answers(func(r delivery.Request) delivery.Result { return status(c.code, c.header()...)(r) })
				p.start()
				p.ingest(e.MerchantID, 1)
				synctest.Wait()
				if n := p.notices.all[0]; n.Kind != controlplane.NoticeEndpointPaused || n.PausedUntil.Sub(n.At).Round(time.Second) != c.pause || n.Endpoint.URL != e.URL {
					p.Errorf("%+v", n)
				}
				p.receiver.forget()
				p.receiver.answers(status(200))
				p.ingest(e.MerchantID, 50)
				time.Sleep(c.pause - time.Second)
				synctest.Wait()
				if n := len(p.receiver.got()); n != 0 {
					p.Errorf("%d attempts during the pause", n)
				}
				if until := p.look(e).Condition.PausedUntil; time.Until(until).Round(time.Second) != time.Second {
					p.Errorf("the portal shows a pause until %v", until)
				}
				time.Sleep(15 * time.Second)
				synctest.Wait()
				if s := p.states(e); s[controlplane.DeliveryDelivered] != 51 {
					p.Errorf("after the pause: %v", s)
				}
			})
		})
	}
}

func TestRetryAfterOfOtherAnswersIsIgnored(t *testing.T) {
	inTime(t, delivery.Limits{}, func(p *plant) {
		e := p.shop()
		p.receiver.answers(status(500, controlplane.Header{Name: "Retry-After", Value: "600"}))
		p.start()
		p.ingest(e.MerchantID, 1)
		time.Sleep(time.Minute)
		if n := len(p.receiver.got()); n < 2 {
			p.Errorf("%d attempts in a minute", n)
		}
	})
}

func TestPauseAndFailuresOutliveARestart(t *testing.T) {
	inTime(t, delivery.Limits{}, func(p *plant) {
		e := p.shop()
		p.receiver.answers(status(429, controlplane.Header{Name: "Retry-After", Value: "3600"}))
		p.start()
		p.ingest(e.MerchantID, 1)
		time.Sleep(2 * time.Second)
		p.stop()
		p.receiver.forget()
		p.receiver.answers(status(200))
		p.start()
		p.ingest(e.MerchantID, 1)
		time.Sleep(50 * time.Minute)
		if n := len(p.receiver.got()); n != 0 {
			p.Errorf("%d attempts during the pause", n)
		}
		time.Sleep(20 * time.Minute)
		if s := p.states(e); s[controlplane.DeliveryDelivered] != 2 {
			p.Errorf("%v", s)
		}
	})
}

func TestDeletedEndpointsDeliveriesAreCancelled(t *testing.T) {
	inTime(t, delivery.Limits{}, func(p *plant) {
		e := p.shop()
		p.receiver.answers(status(500))
		p.start()
		p.ingest(e.MerchantID, 30)
		time.Sleep(time.Second)
		_, err := p.DeleteEndpoint(p.Context(), root(), controlplane.EndpointRef{MerchantID: e.MerchantID, EndpointID: e.ID})
		p.must(err)
		synctest.Wait()
		n := len(p.receiver.got())
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if s := p.states(e); s[controlplane.DeliveryCancelled] != 30 {
			p.Errorf("%v", s)
		}
		if m := len(p.receiver.got()); m != n {
			p.Errorf("%d attempts after it was deleted", m-n)
		}
	})
}

func TestTestButtonWorksWhateverTheStateAndIsTriedOnce(t *testing.T) {
	inTime(t, delivery.Limits{}, func(p *plant) {
		e := p.shop()
		p.receiver.answers(status(500))
		p.start()
		p.ingest(e.MerchantID, 20)
		time.Sleep(time.Minute) // the breaker is open
		p.tries(e, controlplane.DeliveryExhausted)
		p.receiver.answers(status(200))
		p.disable(e)
		p.tries(e, controlplane.DeliveryDelivered)
		p.receiver.answers(status(500))
		p.tries(e, controlplane.DeliveryExhausted)
	})
}

func (p *plant) tries(e controlplane.Endpoint, want controlplane.DeliveryState) {
	p.Helper()
	d, err := p.TestEndpoint(p.Context(), root(), controlplane.EndpointRef{MerchantID: e.MerchantID, EndpointID: e.ID})
	p.must(err)
	out, err := p.AwaitAttempt(p.Context(), root(), controlplane.DeliveryRef{MerchantID: e.MerchantID, DeliveryID: d.ID})
	p.must(err)
	if out.Delivery.State != want || len(out.Attempts) != 1 || out.Delivery.Type != controlplane.EventWebhookTest {
		p.Errorf("%+v", out.Delivery)
	}
	time.Sleep(24 * time.Hour)
	if out := p.detail(d); len(out.Attempts) != 1 {
		p.Errorf("a test was tried %d times", len(out.Attempts))
	}
}

func TestURLAndSecretsAreThoseOfTheMomentOfSending(t *testing.T) {
	inTime(t, delivery.Limits{}, func(p *plant) {
		e := p.shop()
		p.receiver.answers(status(500))
		p.start()
		p.ingest(e.MerchantID, 1)
		synctest.Wait()
		first := p.receiver.got()[0]
		_, err := p.UpdateEndpoint(p.Context(), root(), controlplane.UpdateEndpoint{MerchantID: e.MerchantID, EndpointID: e.ID, URL: "https://new.example.com/"})
		p.must(err)
		rotated, err := p.RotateEndpointSecret(p.Context(), root(), controlplane.RotateEndpointSecret{MerchantID: e.MerchantID, EndpointID: e.ID, Overlap: controlplane.OverlapHour})
		p.must(err)
		time.Sleep(time.Minute)
		second := p.receiver.got()[1]
		if second.URL != "https://new.example.com/" || second.EventID != first.EventID {
			p.Errorf("sent to %s", second.URL)
		}
		if len(second.Secrets) != 2 || second.Secrets[0].Reveal() != rotated.Secret.Reveal() || second.Secrets[1].Reveal() != first.Secrets[0].Reveal() {
			p.Errorf("signed with %d secrets", len(second.Secrets))
		}
		time.Sleep(3 * time.Hour)
		all := p.receiver.got()
		if last := all[len(all)-1]; len(last.Secrets) != 1 || last.Secrets[0].Reveal() != rotated.Secret.Reveal() {
			p.Errorf("after the overlap signed with %d secrets, at %v", len(last.Secrets), last.At)
		}
	})
}
