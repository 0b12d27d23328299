package portal

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

func TestDeliveryLogIsFilteredByItsAddress(t *testing.T) {
	w := newWorld(t)
	s, _ := w.shop()
	e, other := w.webhook(s.merchant.ID, "https://shop.example.com/"), w.webhook(s.merchant.ID, "https://other.example.com/")
	first := w.event(e, "first", `{}`)
	w.attempt(e.Row, e.MerchantID, controlplane.LaneLive, controlplane.Attempt{})
	w.clock.pass(time.Hour)
	w.event(e, "second", `{}`)
	b := w.as(s, controlplane.RoleOwner)
	b.pressTest(other)
	foreign := w.site("Foreign")
	for query, want := range map[string]int{
		"":                                 5,
		"endpoint=" + e.ID:                 2,
		"endpoint=" + other.ID:             3,
		"endpoint=" + foreign.endpointID:   0,
		"endpoint=wep_none":                0,
		"type=deposit.success":             4,
		"type=webhook.test":                1,
		"type=deposit.expired":             0,
		"state=delivered":                  2,
		"state=pending":                    3,
		"state=held":                       0,
		"since=2026-03-01T12:30":           3,
		"until=2026-03-01T12:30":           2,
		"since=2026-03-01&until=2026-03-2": -1,
		"event=" + first.EventID:           2,
		"event=evt_none":                   0,
		"endpoint=" + e.ID + "&state=delivered&type=deposit.success": 1,
	} {
		rec := b.get("/test/webhooks/deliveries?" + query)
		if want < 0 {
			b.wants(rec, http.StatusUnprocessableEntity, "Write a date and time such as")
			continue
		}
		rows, _ := b.rowsOf(rec)
		if rec.Code != http.StatusOK || len(rows) != want {
			t.Errorf("%s: %d, %d rows, want %d", query, rec.Code, len(rows), want)
		}
		if want == 0 {
			b.wants(rec, http.StatusOK, "Nothing matches these filters")
		}
	}
	for query, want := range map[string]int{
		"type=deposit.lost": 400, "state=lost": 400, "before=dlv_none": 404, "before=" + foreign.deliveryID: 404, "since=yesterday": 422, "until=0001-01-01T00:00": 422,
	} {
		if rec := b.get("/test/webhooks/deliveries?" + query); rec.Code != want {
			t.Errorf("%s: %d, want %d", query, rec.Code, want)
		}
	}
	b.wants(b.get("/live/webhooks/deliveries"), http.StatusOK, "Nothing was sent yet")
}

func TestDeliveryLogShowsEveryRowOnce(t *testing.T) {
	w := newWorld(t)
	s, b := w.shop()
	e := w.webhook(s.merchant.ID, "https://shop.example.com/")
	for i := range 2*deliveriesPerPage + 1 {
		w.event(e, fmt.Sprint(i), `{}`)
	}
	seen, pages := map[string]bool{}, 0
	for page := "/test/webhooks/deliveries?state=pending"; page != ""; pages++ {
		rec := b.get(page)
		page = ""
		for _, n := range elements(b, rec) {
			href := attr(n, "href")
			switch {
			case attr(n, "rel") == "next":
				page = href
			case strings.Contains(href, "/deliveries/dlv_"):
				seen[href] = true
			}
		}
		if page != "" && !strings.Contains(page, "state=pending") {
			t.Fatalf("the next page forgets the filter: %s", page)
		}
	}
	if len(seen) != 2*deliveriesPerPage+1 || pages != 3 {
		t.Errorf("%d deliveries on %d pages", len(seen), pages)
	}
}

func TestDeliveryShowsItsAttempts(t *testing.T) {
	w := newWorld(t)
	s, b := w.shop()
	e, other := w.webhook(s.merchant.ID, "https://shop.example.com/"), w.webhook(s.merchant.ID, "https://other.example.com/")
	d := w.event(e, "one", `{"id":"dep_1"}`)
	page := "/test/webhooks/" + e.ID + "/deliveries/" + d.ID
	b.wants(b.get(page), http.StatusOK, "Waiting", "It waits for its next attempt:", "still on its way")
	w.attempt(e.Row, e.MerchantID, controlplane.LaneLive, controlplane.Attempt{
		Fault: controlplane.FaultStatus, Status: 500, ResponseBody: []byte("no such table <orders>\x00\xff"), BodyCut: true,
		Phases: controlplane.Phases{DNS: 1500 * time.Microsecond, Connect: 12 * time.Millisecond, TLS: 25 * time.Millisecond, Total: 2400 * time.Millisecond},
	})
	b.wants(b.get(page), http.StatusOK, "2026-03-01 12:00:05 UTC", "answered 500. Only 2xx", "198.51.100.7:443",
		"1.5\u00a0ms", "12\u00a0ms", "25\u00a0ms", "21\u00a0ms", "2.4\u00a0s", "Set-Cookie: [redacted]", "no such table &lt;orders&gt;\ufffd\ufffd",
		"webhook-id: "+d.EventID, "webhook-signature: v1,", "the rest is not shown", "&#34;data&#34;:{&#34;id&#34;:&#34;dep_1&#34;}")
	w.attempt(e.Row, e.MerchantID, controlplane.LaneLive, controlplane.Attempt{})
	b.wants(b.get(page), http.StatusOK, "Your server answered with 2xx.", "Attempt 2", "an open one was used again")
	b.wants(b.get(page+"?attempt=1"), http.StatusOK, "Attempt 1", "answered 500. Only 2xx")
	b.wants(b.get(page+"?attempt=x"), http.StatusOK, "Attempt 2")
	b.wants(b.get("/test/webhooks/"+other.ID+"/deliveries/"+d.ID), http.StatusNotFound)
	foreign := w.site("Foreign")
	b.wants(b.get("/test/webhooks/"+e.ID+"/deliveries/"+foreign.deliveryID), http.StatusNotFound)
	b.wants(b.post("/test/webhooks/"+e.ID+"/deliveries/"+foreign.deliveryID+"/replay", nil), http.StatusNotFound)
}

func TestOneDeliveryIsReplayedOnceHoweverOftenItIsPressed(t *testing.T) {
	w := newWorld(t)
	s, b := w.shop()
	e := w.webhook(s.merchant.ID, "https://shop.example.com/")
	d := w.event(e, "one", `{}`)
	w.attempt(e.Row, e.MerchantID, controlplane.LaneLive, controlplane.Attempt{})
	page := "/test/webhooks/" + e.ID + "/deliveries/" + d.ID
	again := b.press(page, page+"/replay", nil).Header().Get("Location")
	if again == page || !strings.HasPrefix(again, "/test/webhooks/"+e.ID+"/deliveries/dlv_") {
		t.Fatalf("led to %q", again)
	}
	b.to(b.post(page+"/replay", nil), again)
	b.wants(b.get(again), http.StatusOK, "The event is on its way again.", d.EventID, "Replay of", d.ID)
	if n := w.countDeliveries(e); n != 2 {
		t.Errorf("%d deliveries, want 2", n)
	}
}

func TestReplayOfFailuresCountsFirstAndTakesThatMoment(t *testing.T) {
	w := newWorld(t)
	s, _ := w.shop()
	e := w.webhook(s.merchant.ID, "https://shop.example.com/")
	page := "/test/webhooks/" + e.ID + "/replay"
	for i := range 3 {
		w.event(e, fmt.Sprint(i), `{}`)
		w.exhaust(e)
		w.clock.pass(time.Hour)
	}
	b := w.as(s, controlplane.RoleOwner)
	b.wants(b.get(page), http.StatusOK, "Replay now: 3", "Events to send: 0. They were held", `value="2026-02-28T15:00"`)
	b.wants(b.get(page+"?since=2026-03-01T12:30"), http.StatusOK, "Events to send again: 2.", "Replay now: 2")
	b.wants(b.get(page+"?since=soon"), http.StatusUnprocessableEntity, "Write a date and time such as")
	b.to(b.press(page+"?since=2026-03-01T12:30", page, nil), "/test/webhooks/"+e.ID)
	_, err := w.service.StepReplays(t.Context())
	w.must(err)
	b.wants(b.get("/test/webhooks/"+e.ID), http.StatusOK, "Failed since", "2026-03-01 12:30:00 UTC", "2 events so far")
	for _, bad := range []url.Values{{}, {"kind": {"all"}}, {"kind": {"failed"}}, {"kind": {"failed"}, "since": {"now"}}} {
		b.wants(b.post(page, bad), http.StatusBadRequest)
	}
}

// exhaust fails the pending delivery of an endpoint for good.
func (w *world) exhaust(e controlplane.Endpoint) {
	w.Helper()
	ctx, now := w.Context(), w.clock.Now()
	w.must(w.db.Update(ctx, func(tx controlplane.Tx) error {
		claimed, err := tx.ClaimDeliveries(ctx, controlplane.ClaimQuery{EndpointRow: e.Row, Limit: 1})
		if err != nil {
			return err
		}
		a := controlplane.Attempt{Number: 1, At: now, Fault: controlplane.FaultTimeout}
		_, err = tx.FinishAttempt(ctx, controlplane.AttemptOutcome{Claim: claimed.Claims[0], Attempt: a, State: controlplane.DeliveryExhausted})
		return err
	}))
}

// The examples must have the form of what is sent.
func TestEveryEventHasAnExampleOfItsForm(t *testing.T) {
	w := newWorld(t)
	s, b := w.shop()
	d := w.event(w.webhook(s.merchant.ID, "https://shop.example.com/"), "one", `{}`)
	sent, err := w.service.Delivery(t.Context(), controlplane.LocalActor("root"), controlplane.DeliveryRef{MerchantID: s.merchant.ID, DeliveryID: d.ID})
	w.must(err)
	rec := b.get("/live/webhooks/events")
	for _, kind := range sentTypes() {
		body, err := exampleBody(kind, controlplane.Live, exampleData()[kind])
		w.must(err)
		if got, want := topLevel(t, []byte(body)), topLevel(t, sent.Event.Body); !slices.Equal(got, want) {
			t.Errorf("%s has the fields %v, a real one %v", kind, got, want)
		}
		b.wants(rec, http.StatusOK, `id="`+string(kind)+`"`)
	}
}

// topLevel are the keys of an object, in order.
func topLevel(t *testing.T, body []byte) (keys []string) {
	t.Helper()
	var all map[string]json.RawMessage
	if err := json.Unmarshal(body, &all); err != nil {
		t.Fatal(err)
	}
	for key := range all {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
