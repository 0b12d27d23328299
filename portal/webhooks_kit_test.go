package portal

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// courier stands in for the delivery engine: it attempts at once what the test
// button sends, with the answer that it is told, and leaves the rest waiting.
type courier struct {
	*world
	mu sync.Mutex
	// away: nothing is attempted.
	away   bool
	answer controlplane.Attempt
}

func (c *courier) Reserve(int64, string, int) (time.Time, bool) { return time.Time{}, false }
func (c *courier) Dispatch([]controlplane.Claim)                {}
func (c *courier) Unreserve([]controlplane.Claim)               {}
func (c *courier) Wake(row int64, merchantID string)            {}
func (c *courier) Pending(row int64, merchantID string, lane controlplane.Lane) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if lane == controlplane.LaneTest && !c.away {
		c.attempt(row, merchantID, lane, c.answer)
	}
}

// says sets what the next tests are answered with.
func (c *courier) says(a controlplane.Attempt) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answer = a
}

// attempt carries the oldest pending delivery of an endpoint out, and writes down
// what an engine does. The zero attempt is a 200.
func (w *world) attempt(row int64, merchantID string, lane controlplane.Lane, a controlplane.Attempt) {
	w.Helper()
	ctx, now := w.Context(), w.clock.Now()
	w.must(w.db.Update(ctx, func(tx controlplane.Tx) error {
		claimed, err := tx.ClaimDeliveries(ctx, controlplane.ClaimQuery{EndpointRow: row, Lane: lane, Limit: 1})
		if err != nil || len(claimed.Claims) == 0 {
			return err
		}
		claim := claimed.Claims[0]
		a := answerOf(a, claim, now)
		o := controlplane.AttemptOutcome{Claim: claim, Attempt: a, State: controlplane.DeliveryPending, NextAt: now.Add(5 * time.Second)}
		switch {
		case a.Succeeded():
			o.State = controlplane.DeliveryDelivered
		case lane == controlplane.LaneTest:
			o.State = controlplane.DeliveryExhausted
		}
		if _, err := tx.FinishAttempt(ctx, o); err != nil {
			return err
		}
		return weigh(w, tx, row, merchantID, claim.EventID, a)
	}))
}

func answerOf(a controlplane.Attempt, claim controlplane.Claim, now time.Time) controlplane.Attempt {
	a.Number, a.At = claim.Attempts+1, now
	if a.Status == 0 && a.Fault == controlplane.FaultNone {
		a.Status = http.StatusOK
	}
	if a.Status != 0 {
		a.Address = netip.MustParseAddrPort("198.51.100.7:443")
		a.Phases.FirstByte = 21 * time.Millisecond
		a.ResponseHeader = []controlplane.Header{{Name: "Content-Type", Value: "text/plain"}, {Name: "Set-Cookie", Value: "[redacted]"}}
		if a.ResponseBody == nil {
			a.ResponseBody = []byte("ok")
		}
	}
	a.Phases.Total = cmp.Or(a.Phases.Total, 143*time.Millisecond)
	a.RequestHeader = []controlplane.Header{{Name: "webhook-id", Value: claim.EventID}, {Name: "webhook-signature", Value: "v1,c2lnbmF0dXJl"}}
	return a
}

func weigh(w *world, tx controlplane.Tx, row int64, merchantID, eventID string, a controlplane.Attempt) error {
	c, err := tx.EndpointCondition(w.Context(), merchantID, row)
	if err != nil {
		return err
	}
	bucket := 0
	c.EndpointRow, c.MerchantID = row, merchantID
	if a.Succeeded() {
		c.Succeeded(a.At)
		bucket = controlplane.LatencyBucket(a.Phases.Total)
	} else {
		c.Failed(eventID, a.At)
	}
	if err := tx.SaveEndpointCondition(w.Context(), c); err != nil {
		return err
	}
	return tx.AddHealth(w.Context(), controlplane.HealthBucket{EndpointRow: row, Hour: a.At.Truncate(time.Hour), Bucket: bucket, Count: 1})
}

// checkTestURL stands in for the check of the delivery engine.
func checkTestURL(url string) error {
	if strings.Contains(url, "169.254") {
		return controlplane.InvalidField("url", "must not lead to an address that is private, reserved or this server's own")
	}
	return nil
}

// webhook makes a test endpoint.
func (w *world) webhook(merchantID, url string, events ...controlplane.EventType) controlplane.Endpoint {
	w.Helper()
	e, err := w.service.CreateEndpoint(w.Context(), controlplane.LocalActor("root"), controlplane.CreateEndpoint{
		MerchantID: merchantID, Environment: controlplane.Test, URL: url, Events: events,
	})
	w.must(err)
	return e.Endpoint
}

// event hands in an event of test, and returns its delivery to an endpoint.
func (w *world) event(e controlplane.Endpoint, key string, data string) controlplane.Delivery {
	w.Helper()
	made, err := w.service.IngestEvent(w.Context(), controlplane.Actor{Kind: controlplane.ActorSystem, ID: "svt_1", Name: "ledger", Role: controlplane.RoleService},
		controlplane.IngestEvent{
			MerchantID: e.MerchantID, Environment: e.Environment, Type: controlplane.EventDepositSuccess, IdempotencyKey: key, Data: json.RawMessage(data),
		})
	w.must(err)
	all, err := w.service.ListDeliveries(w.Context(), controlplane.LocalActor("root"), controlplane.DeliveryFilter{
		MerchantID: e.MerchantID, Environment: e.Environment, EndpointID: e.ID, EventID: made.ID,
	})
	w.must(err)
	return all[0]
}

// addWebhooks gives a site an endpoint with a delivery that failed once.
func (w *world) addWebhooks(s *site) {
	w.Helper()
	e := w.webhook(s.merchant.ID, "https://shop.example.com/webhooks")
	d := w.event(e, "first-"+s.merchant.ID, `{"id":"dep_1"}`)
	w.attempt(e.Row, e.MerchantID, controlplane.LaneLive, controlplane.Attempt{Fault: controlplane.FaultStatus, Status: 500})
	s.endpointID, s.deliveryID = e.ID, d.ID
}

// busyWebhooks adds what is long, hostile or heavy.
func (w *world) busyWebhooks(s *site) {
	w.Helper()
	local := controlplane.LocalActor("root")
	for i := range controlplane.MaxEndpoints - 1 {
		_, err := w.service.CreateEndpoint(w.Context(), local, controlplane.CreateEndpoint{
			MerchantID: s.merchant.ID, Environment: controlplane.Test, URL: fmt.Sprintf("https://shop%d.example.com/%s", i, strings.Repeat("x", 1900)),
			Events: controlplane.EventTypes()[1:], Description: `<script>alert("` + strings.Repeat("ก", 170) + `")</script>`,
		})
		w.must(err)
	}
	e, err := w.service.Endpoint(w.Context(), local, controlplane.EndpointRef{MerchantID: s.merchant.ID, EndpointID: s.endpointID})
	w.must(err)
	attempt := func(a controlplane.Attempt) { w.attempt(e.Row, e.MerchantID, controlplane.LaneLive, a) }
	attempt(controlplane.Attempt{})
	heavy := w.event(e.Endpoint, "heavy-"+s.merchant.ID, `{"html":"<script>alert(1)</script>","quotes":"`+strings.Repeat(`\"`, 100_000)+`"}`)
	body := []byte(strings.Repeat(`"<b>why</b>`, 700))
	for range 16 { // as many as 72 h allow
		attempt(controlplane.Attempt{Fault: controlplane.FaultStatus, Status: 500, ResponseBody: body, BodyCut: true})
	}
	s.deliveryID = heavy.ID
	for i := range deliveriesPerPage + 5 {
		w.event(e.Endpoint, fmt.Sprintf("%s-%d", s.merchant.ID, i), `{"id":"dep_2"}`)
	}
	for hour := range 30 {
		w.clock.pass(time.Hour)
		attempt(controlplane.Attempt{Phases: controlplane.Phases{Total: time.Duration(hour+1) * 97 * time.Millisecond}})
		attempt(controlplane.Attempt{Fault: controlplane.FaultTimeout, Detail: "no answer within 15 s"})
	}
}

// noHasher is for services that never hash.
type noHasher struct{}

func (noHasher) Hash(context.Context, controlplane.Secret) (controlplane.Secret, error) {
	return controlplane.Secret{}, errors.New("not for hashing")
}

// inputs are the hidden inputs of a form.
func inputs(form *html.Node) url.Values {
	found := url.Values{}
	for n := range form.Descendants() {
		if n.DataAtom == atom.Input && attr(n, "type") == "hidden" {
			found.Set(attr(n, "name"), attr(n, "value"))
		}
	}
	return found
}
