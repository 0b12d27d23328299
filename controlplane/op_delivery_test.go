package controlplane_test

import (
	"strings"
	"testing"
	"time"

	. "github.com/unknownpay/merchant-gateway/controlplane"
)

func TestReplayIsANewDeliveryOfTheSameEventMadeOnce(t *testing.T) {
	w := newWorld(t)
	m := w.merchant("Shop").ID
	d := w.delivery(m)
	ref := DeliveryRef{MerchantID: m, DeliveryID: d.ID}
	if same := ok(w.ReplayDelivery(t.Context(), local(), ref))(t); same.ID != d.ID {
		t.Errorf("a delivery on its way was replayed by %s", same.ID)
	}
	w.fail(d, DeliveryExhausted)
	again := ok(w.ReplayDelivery(t.Context(), local(), ref))(t)
	if again.ID == d.ID || again.EventID != d.EventID || again.ReplayOf != d.ID || again.Attempts != 0 || again.State != DeliveryPending {
		t.Errorf("%+v", again)
	}
	if twice := ok(w.ReplayDelivery(t.Context(), local(), ref))(t); twice.ID != again.ID {
		t.Errorf("pressed twice: %s and %s", again.ID, twice.ID)
	}
	w.fail(again, DeliveryDelivered)
	if third := ok(w.ReplayDelivery(t.Context(), local(), ref))(t); third.ID == again.ID || third.ReplayOf != d.ID {
		t.Errorf("%+v", third)
	}
}

func TestReplayNeedsAnEnabledEndpoint(t *testing.T) {
	w := newWorld(t)
	m := w.merchant("Shop").ID
	d := w.delivery(m)
	w.fail(d, DeliveryExhausted)
	one, many := DeliveryRef{MerchantID: m, DeliveryID: d.ID}, ReplayScope{MerchantID: m, EndpointID: d.EndpointID, Kind: ReplayFailed}
	ok(w.DisableEndpoint(t.Context(), local(), DisableEndpoint{MerchantID: m, EndpointID: d.EndpointID}))(t)
	_, err := w.ReplayDelivery(t.Context(), local(), one)
	wants(t, err, CodeConflict)
	_, err = w.ReplayDeliveries(t.Context(), local(), many)
	wants(t, err, CodeConflict)
	ok(w.DeleteEndpoint(t.Context(), local(), EndpointRef{MerchantID: m, EndpointID: d.EndpointID}))(t)
	_, err = w.ReplayDelivery(t.Context(), local(), one)
	wants(t, err, CodeConflict)
	_, err = w.ReplayDeliveries(t.Context(), local(), many)
	wants(t, err, CodeNotFound)
}

// A delivery, an event or an endpoint of another merchant is as unknown as one
// that was never given out.
func TestWebhooksOfAnotherMerchantAreNotFound(t *testing.T) {
	w := newWorld(t)
	own, other := w.merchant("Own").ID, w.merchant("Other").ID
	theirs := w.delivery(other)
	w.fail(theirs, DeliveryExhausted)
	owner := w.user(own, "owner", RoleOwner)
	ctx := t.Context()
	for name, try := range map[string]struct {
		id  string
		try func(id string) error
	}{
		"view": {theirs.ID, func(id string) error {
			return justErr(w.Delivery(ctx, owner, DeliveryRef{MerchantID: own, DeliveryID: id}))
		}},
		"replay": {theirs.ID, func(id string) error {
			return justErr(w.ReplayDelivery(ctx, owner, DeliveryRef{MerchantID: own, DeliveryID: id}))
		}},
		"page": {theirs.ID, func(id string) error {
			return justErr(w.ListDeliveries(ctx, owner, DeliveryFilter{MerchantID: own, Environment: Live, Before: id}))
		}},
		"endpoint": {theirs.EndpointID, func(id string) error {
			return justErr(w.Endpoint(ctx, owner, EndpointRef{MerchantID: own, EndpointID: id}))
		}},
		"test": {theirs.EndpointID, func(id string) error {
			return justErr(w.TestEndpoint(ctx, owner, EndpointRef{MerchantID: own, EndpointID: id}))
		}},
		"rotate": {theirs.EndpointID, func(id string) error {
			return justErr(w.RotateEndpointSecret(ctx, owner, RotateEndpointSecret{MerchantID: own, EndpointID: id}))
		}},
		"replay many": {theirs.EndpointID, func(id string) error {
			return justErr(w.ReplayDeliveries(ctx, owner, ReplayScope{MerchantID: own, EndpointID: id, Kind: ReplayFailed}))
		}},
		"count": {theirs.EndpointID, func(id string) error {
			return justErr(w.CountReplay(ctx, owner, ReplayScope{MerchantID: own, EndpointID: id, Kind: ReplayFailed}))
		}},
		"delete": {theirs.EndpointID, func(id string) error {
			return justErr(w.DeleteEndpoint(ctx, owner, EndpointRef{MerchantID: own, EndpointID: id}))
		}},
	} {
		unknown := try.id[:len(try.id)-2] + "00"
		foreign, never := wants(t, try.try(try.id), CodeNotFound), wants(t, try.try(unknown), CodeNotFound)
		if strings.ReplaceAll(foreign.Error(), try.id, unknown) != never.Error() {
			t.Errorf("%s: a foreign id answers %q, an unknown one %q", name, foreign, never)
		}
	}
	for _, f := range []DeliveryFilter{{EndpointID: theirs.EndpointID}, {EventID: theirs.EventID}} {
		f.MerchantID, f.Environment = own, Live
		if got := ok(w.ListDeliveries(ctx, owner, f))(t); len(got) != 0 {
			t.Errorf("%+v lists %v", f, got)
		}
	}
}

func TestBulkReplayCountsFirstAndGoesOnWhereItWasInterrupted(t *testing.T) {
	w := newWorld(t)
	m := w.merchant("Shop").ID
	e := w.endpoint(m).Endpoint
	const n = 1200
	for _, d := range w.failed(e, n) {
		w.fail(d, DeliveryExhausted)
	}
	scope := ReplayScope{MerchantID: m, EndpointID: e.ID, Kind: ReplayFailed}
	if got := ok(w.CountReplay(t.Context(), local(), scope))(t); got != n {
		t.Fatalf("the dry run counts %d", got)
	}
	late := scope
	late.Since = w.clock.Now().Add(time.Second)
	if got := ok(w.CountReplay(t.Context(), local(), late))(t); got != 0 {
		t.Errorf("the dry run of the future counts %d", got)
	}
	job := ok(w.ReplayDeliveries(t.Context(), local(), scope))(t)
	if same := ok(w.ReplayDeliveries(t.Context(), local(), scope))(t); same.ID != job.ID {
		t.Errorf("asked twice: %s and %s", job.ID, same.ID)
	}
	ok(w.StepReplays(t.Context()))(t)
	half := w.jobs(e)[0]
	w.restart() // as after a crash: what is not on disk is gone
	w.rebuild(func(p *Parts) { p.Dispatcher = nil })
	if half.Deliveries == 0 || half.Deliveries >= n || !half.FinishedAt.IsZero() {
		t.Errorf("a step made %d", half.Deliveries)
	}
	for more := true; more; {
		more = ok(w.StepReplays(t.Context()))(t)
	}
	if done := w.jobs(e)[0]; done.Deliveries != n || done.FinishedAt.IsZero() {
		t.Errorf("%+v", done)
	}
	w.eachOnce(e, n)
	if got := ok(w.CountReplay(t.Context(), local(), scope))(t); got != 0 {
		t.Errorf("after the replay the dry run counts %d", got)
	}
}

// failed makes n events with a pending delivery each.
func (w *world) failed(e Endpoint, n int) (all []Delivery) {
	w.Helper()
	for len(all) < n {
		batch := make([]IngestEvent, min(n-len(all), 500))
		for i := range batch {
			batch[i] = event(e.MerchantID, w.freshURL())
		}
		ok(w.IngestEvents(w.Context(), backend(), batch))(w)
		page := w.deliveries(DeliveryFilter{MerchantID: e.MerchantID, EndpointID: e.ID, Limit: len(batch)})
		for i := range page {
			all = append(all, page[len(page)-1-i])
		}
	}
	return all
}

func (w *world) jobs(e Endpoint) []Replay {
	w.Helper()
	return ok(w.Endpoint(w.Context(), local(), EndpointRef{MerchantID: e.MerchantID, EndpointID: e.ID}))(w).Replays
}

// eachOnce fails unless n events have one replay each.
func (w *world) eachOnce(e Endpoint, n int) {
	w.Helper()
	replays := map[string]int{}
	f := DeliveryFilter{MerchantID: e.MerchantID, EndpointID: e.ID, State: DeliveryPending, Limit: 1000}
	for {
		page := w.deliveries(f)
		for _, d := range page {
			replays[d.EventID]++
		}
		if len(page) < f.Limit {
			break
		}
		f.Before = page[len(page)-1].ID
	}
	if len(replays) != n {
		w.Errorf("%d of %d events are replayed", len(replays), n)
	}
	for id, times := range replays {
		if times != 1 {
			w.Errorf("%s is replayed %d times", id, times)
		}
	}
}
