package controlplane_test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	. "github.com/unknownpay/merchant-gateway/controlplane"
)

// backend is what a service token stands for.
func backend() Actor {
	return Actor{Kind: ActorSystem, ID: "svt_1", Name: "ledger", Role: RoleService}
}

// desk is a dispatcher that writes down what it is told, with room for a number of
// deliveries.
type desk struct {
	mu     sync.Mutex
	room   int
	claims []Claim
	woken  []int64
}

func (d *desk) Reserve(int64, string, int) (time.Time, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.room == 0 {
		return time.Time{}, false
	}
	d.room--
	return time.Time{}, true
}

func (d *desk) Dispatch(claims []Claim) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.claims = append(d.claims, claims...)
}

func (d *desk) Unreserve(claims []Claim) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.room += len(claims)
}

func (d *desk) Pending(row int64, _ string, _ Lane) { d.Wake(row, "") }

func (d *desk) Wake(row int64, _ string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.woken = append(d.woken, row)
}

// checkTestURL stands in for the guard of package delivery.
func checkTestURL(url string) error {
	if strings.Contains(url, "169.254") {
		return InvalidField("url", "leads to an address that is never dialled")
	}
	return nil
}

// webhooks lets the world save endpoints: it adds the data key of their secrets
// and the parts that webhooks need.
func (w *world) webhooks() *desk {
	w.Helper()
	if !w.has(PurposeWebhookSecret) {
		k := ok(w.ring.NewDataKey(PurposeWebhookSecret, w.clock.Now()))(w)
		w.must(w.store.Update(w.Context(), func(tx Tx) error { return tx.PutDataKey(w.Context(), k) }))
		w.must(w.ring.Add(k))
	}
	if d, ok := w.parts.Dispatcher.(*desk); ok {
		return d
	}
	d := &desk{}
	w.rebuild(func(p *Parts) { p.Dispatcher, p.CheckURL = d, checkTestURL })
	return d
}

func (w *world) has(purpose string) (found bool) {
	w.must(w.store.View(w.Context(), func(tx Tx) error {
		keys, err := tx.DataKeys(w.Context())
		for _, k := range keys {
			found = found || k.Purpose == purpose
		}
		return err
	}))
	return found
}

// endpoint makes a live endpoint with a URL of its own.
func (w *world) endpoint(merchantID string, events ...EventType) CreatedEndpoint {
	w.Helper()
	w.webhooks()
	return ok(w.CreateEndpoint(w.Context(), local(), CreateEndpoint{MerchantID: merchantID, Environment: Live, URL: w.freshURL(), Events: events}))(w)
}

func (w *world) freshURL() string {
	return "https://" + strings.ToLower(rand.Text()) + ".example.com/hook"
}

func event(merchantID, key string) IngestEvent {
	return IngestEvent{
		MerchantID: merchantID, Environment: Live, Type: EventDepositSuccess, IdempotencyKey: key,
		Data: json.RawMessage(`{"id": "dep_1", "amount": "10.00"}`),
	}
}

func (w *world) ingest(merchantID, key string) IngestedEvent {
	w.Helper()
	return ok(w.IngestEvent(w.Context(), backend(), event(merchantID, key)))(w)
}

func (w *world) deliveries(f DeliveryFilter) []Delivery {
	w.Helper()
	if f.Environment == "" {
		f.Environment = Live
	}
	return ok(w.ListDeliveries(w.Context(), local(), f))(w)
}

// delivery makes a delivery of a new event to a new endpoint.
func (w *world) delivery(merchantID string) Delivery {
	w.Helper()
	e := w.endpoint(merchantID)
	w.ingest(merchantID, rand.Text())
	return w.deliveries(DeliveryFilter{MerchantID: merchantID, EndpointID: e.Endpoint.ID})[0]
}

// fail writes a last failed attempt of a pending delivery down, as an engine does.
func (w *world) fail(d Delivery, state DeliveryState) {
	w.Helper()
	w.must(w.store.Update(w.Context(), func(tx Tx) error {
		claimed, err := tx.ClaimDeliveries(w.Context(), ClaimQuery{EndpointRow: d.EndpointRow, Lane: d.Lane, Limit: 1})
		if err != nil {
			return err
		}
		if len(claimed.Claims) != 1 || claimed.Claims[0].DeliveryID != d.ID {
			return fmt.Errorf("claimed %+v", claimed.Claims)
		}
		a := Attempt{Number: d.Attempts + 1, At: w.clock.Now(), Fault: FaultStatus, Status: 500}
		_, err = tx.FinishAttempt(w.Context(), AttemptOutcome{Claim: claimed.Claims[0], Attempt: a, State: state, NextAt: w.clock.Now()})
		return err
	}))
}

// webhookCalls are the calls of the operations on webhooks.
func webhookCalls() map[Operation]call {
	ref := func(w *world, s site, id string) EndpointRef {
		return EndpointRef{MerchantID: id, EndpointID: w.anyEndpoint(s)}
	}
	return map[Operation]call{
		OpEndpointCreate: func(w *world, a Actor, _ site, id string) error {
			return justErr(w.CreateEndpoint(w.Context(), a, CreateEndpoint{MerchantID: id, Environment: Test, URL: w.freshURL()}))
		},
		OpEndpointUpdate: func(w *world, a Actor, s site, id string) error {
			e := ref(w, s, id)
			return justErr(w.UpdateEndpoint(w.Context(), a, UpdateEndpoint{MerchantID: id, EndpointID: e.EndpointID, URL: w.freshURL()}))
		},
		OpEndpointEnable: func(w *world, a Actor, s site, id string) error {
			e := ref(w, s, id)
			_, err := w.DisableEndpoint(w.Context(), local(), DisableEndpoint{MerchantID: s.ID, EndpointID: e.EndpointID})
			if err != nil && CodeOf(err) != CodeConflict {
				return err
			}
			return justErr(w.EnableEndpoint(w.Context(), a, e))
		},
		OpEndpointDisable: func(w *world, a Actor, s site, id string) error {
			e := ref(w, s, id)
			_, err := w.EnableEndpoint(w.Context(), local(), EndpointRef{MerchantID: s.ID, EndpointID: e.EndpointID})
			if err != nil && CodeOf(err) != CodeConflict {
				return err
			}
			return justErr(w.DisableEndpoint(w.Context(), a, DisableEndpoint{MerchantID: id, EndpointID: e.EndpointID}))
		},
		OpEndpointDelete: func(w *world, a Actor, s site, id string) error {
			return justErr(w.DeleteEndpoint(w.Context(), a, ref(w, s, id)))
		},
		OpEndpointSecret: func(w *world, a Actor, s site, id string) error {
			e := ref(w, s, id)
			return justErr(w.RotateEndpointSecret(w.Context(), a, RotateEndpointSecret{MerchantID: id, EndpointID: e.EndpointID}))
		},
		OpEndpointTest: func(w *world, a Actor, s site, id string) error {
			return justErr(w.TestEndpoint(w.Context(), a, ref(w, s, id)))
		},
		OpEndpointList: func(w *world, a Actor, _ site, id string) error {
			return justErr(w.ListEndpoints(w.Context(), a, EndpointFilter{MerchantID: id}))
		},
		OpEndpointView: func(w *world, a Actor, s site, id string) error {
			return justErr(w.Endpoint(w.Context(), a, EndpointRef{MerchantID: id, EndpointID: s.sent.EndpointID}))
		},
		OpEventIngest: func(w *world, a Actor, s site, _ string) error {
			return justErr(w.IngestEvent(w.Context(), a, event(s.ID, rand.Text())))
		},
		OpDeliveryList: func(w *world, a Actor, _ site, id string) error {
			return justErr(w.ListDeliveries(w.Context(), a, DeliveryFilter{MerchantID: id, Environment: Live}))
		},
		OpDeliveryView: func(w *world, a Actor, s site, id string) error {
			return justErr(w.Delivery(w.Context(), a, DeliveryRef{MerchantID: id, DeliveryID: s.sent.ID}))
		},
		OpDeliveryCount: func(w *world, a Actor, s site, id string) error {
			return justErr(w.CountReplay(w.Context(), a, ReplayScope{MerchantID: id, EndpointID: s.sent.EndpointID, Kind: ReplayFailed}))
		},
		OpDeliveryReplay: func(w *world, a Actor, s site, id string) error {
			return justErr(w.ReplayDelivery(w.Context(), a, DeliveryRef{MerchantID: id, DeliveryID: s.sent.ID}))
		},
		OpServiceTokenIssue: func(w *world, a Actor, _ site, _ string) error {
			return justErr(w.IssueServiceToken(w.Context(), a, IssueServiceToken{Name: "ledger"}))
		},
		OpServiceTokenRevoke: func(w *world, a Actor, _ site, _ string) error {
			t := ok(w.IssueServiceToken(w.Context(), local(), IssueServiceToken{Name: "ledger"}))(w)
			return justErr(w.RevokeServiceToken(w.Context(), a, t.Token.ID))
		},
		OpServiceTokenList: func(w *world, a Actor, _ site, _ string) error {
			return justErr(w.ListServiceTokens(w.Context(), a))
		},
	}
}

// anyEndpoint is one of the site, made if the last was deleted.
func (w *world) anyEndpoint(s site) string {
	w.Helper()
	if all := ok(w.ListEndpoints(w.Context(), local(), EndpointFilter{MerchantID: s.ID, Environment: Live}))(w); len(all) > 0 {
		return all[0].ID
	}
	return w.endpoint(s.ID).Endpoint.ID
}
