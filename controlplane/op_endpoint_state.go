package controlplane

import (
	"context"
	"time"
)

// EnabledEndpoint is an endpoint that works again.
type EnabledEndpoint struct {
	Endpoint Endpoint `json:"endpoint"`
	// Held is how many deliveries were held meanwhile. They stay held until they
	// are replayed.
	Held int64 `json:"held"`
}

// EnableEndpoint lets events be sent again and forgets the failures before.
// CodeConflict if the endpoint is enabled.
func (s *Service) EnableEndpoint(ctx context.Context, a Actor, in EndpointRef) (out EnabledEndpoint, err error) {
	r := request{actor: a, op: OpEndpointEnable, merchantID: in.MerchantID, input: in}
	out.Endpoint, err = s.changeEndpoint(ctx, r, in.EndpointID, func(tx Tx, e *Endpoint, rec *record) error {
		if e.State == EndpointEnabled {
			return Errorf(CodeConflict, "endpoint %s is enabled already", e.ID)
		}
		rec.diff = map[string]Change{"state": {From: e.State, To: EndpointEnabled}}
		e.State, e.DisabledReason, e.DisabledAt, e.EnabledAt = EndpointEnabled, "", time.Time{}, s.now()
		c, err := tx.EndpointCondition(ctx, e.MerchantID, e.Row)
		if err != nil {
			return err
		}
		c.Recover()
		c.PausedUntil, c.Told = time.Time{}, time.Time{}
		if err := tx.SaveEndpointCondition(ctx, c); err != nil {
			return err
		}
		out.Held, err = tx.CountHeld(ctx, e.MerchantID, e.Row)
		return err
	})
	return out, err
}

// DisableEndpoint is the input of [Service.DisableEndpoint].
type DisableEndpoint struct {
	MerchantID string `json:"merchant_id" validate:"required"`
	EndpointID string `json:"endpoint_id" validate:"required"`
	// Reason: empty means by hand.
	Reason DisabledReason `json:"reason,omitempty" validate:"omitempty,oneof=by_hand gone failing"`
}

// DisableEndpoint stops sending: events from now on, and what waits, are held.
// CodeConflict if the endpoint is disabled.
func (s *Service) DisableEndpoint(ctx context.Context, a Actor, in DisableEndpoint) (Endpoint, error) {
	r := request{actor: a, op: OpEndpointDisable, merchantID: in.MerchantID, input: in}
	return s.changeEndpoint(ctx, r, in.EndpointID, func(tx Tx, e *Endpoint, rec *record) error {
		if e.State == EndpointDisabled {
			return Errorf(CodeConflict, "endpoint %s is disabled already", e.ID)
		}
		e.State, e.DisabledReason, e.DisabledAt = EndpointDisabled, DisabledByHand, s.now()
		// Only the engine knows of the other reasons.
		if in.Reason != "" && a.Kind == ActorSystem {
			e.DisabledReason = in.Reason
		}
		if e.DisabledReason == DisabledFailing {
			if err := stillSilent(ctx, tx, e); err != nil {
				return err
			}
		}
		rec.diff = map[string]Change{"state": {From: EndpointEnabled, To: e.State}, "reason": {To: e.DisabledReason}}
		return s.notifyEndpoint(ctx, tx, EndpointNotice{Kind: NoticeEndpointDisabled, Endpoint: *e, At: e.DisabledAt})
	})
}

// stillSilent refuses to disable an endpoint that another engine reached: one engine
// knows of its own attempts, and may be the only one that is cut off.
func stillSilent(ctx context.Context, tx Tx, e *Endpoint) error {
	c, err := tx.EndpointCondition(ctx, e.MerchantID, e.Row)
	if err == nil && !c.silent(e.EnabledAt, e.DisabledAt) {
		err = Errorf(CodeConflict, "endpoint %s was reached less than %v ago", e.ID, deadWithoutSuccess)
	}
	return err
}

// DeliveryActor is the delivery engine, as the audit trail names it.
func DeliveryActor() Actor {
	return Actor{Kind: ActorSystem, ID: "delivery", Name: "webhook delivery", Role: RoleLocal, Sudo: true}
}

// DeleteEndpoint ends an endpoint: what waits for it is cancelled, its secrets are
// deleted, its history stays for as long as it is kept.
func (s *Service) DeleteEndpoint(ctx context.Context, a Actor, in EndpointRef) (Endpoint, error) {
	r := request{actor: a, op: OpEndpointDelete, merchantID: in.MerchantID, input: in}
	return s.changeEndpoint(ctx, r, in.EndpointID, func(tx Tx, e *Endpoint, rec *record) error {
		rec.diff = map[string]Change{"state": {From: e.State, To: EndpointDeleted}, "url": {From: e.URL}}
		e.State = EndpointDeleted
		secrets, err := tx.EndpointSecrets(ctx, e.MerchantID, e.ID)
		if err != nil {
			return err
		}
		return deleteSecrets(ctx, tx, secrets)
	})
}

func deleteSecrets(ctx context.Context, tx Tx, secrets []EndpointSecret) error {
	for _, secret := range secrets {
		if err := tx.DeleteEndpointSecret(ctx, secret.MerchantID, secret.ID); err != nil {
			return err
		}
	}
	return nil
}

// TestEndpoint sends a webhook.test event to one endpoint, by the code that sends
// every other, and returns its delivery. It is tried once, at once, also when the
// endpoint is disabled or failing; [Service.AwaitAttempt] waits for the result.
func (s *Service) TestEndpoint(ctx context.Context, a Actor, in EndpointRef) (Delivery, error) {
	r := request{actor: a, op: OpEndpointTest, merchantID: in.MerchantID, input: in}
	d, err := change(ctx, s, r, func(tx Tx, rec *record) (d Delivery, err error) {
		e, err := tx.Endpoint(ctx, in.MerchantID, in.EndpointID)
		if err != nil {
			return d, orNotFound(err, "endpoint", in.EndpointID)
		}
		rec.target = e.ID
		event, err := s.newTestEvent(e)
		if err != nil {
			return d, err
		}
		if event, _, err = tx.InsertEvent(ctx, event); err != nil {
			return d, err
		}
		if d, err = s.newDelivery(event, e); err != nil {
			return d, err
		}
		d.State, d.Lane = DeliveryPending, LaneTest
		d.Row, err = tx.InsertDelivery(ctx, d)
		return d, err
	})
	if err == nil {
		s.dispatcher.Pending(d.EndpointRow, d.MerchantID, d.Lane)
	}
	return d, err
}

func (s *Service) newTestEvent(e Endpoint) (Event, error) {
	id, err := NewID(PrefixEvent, s.now(), s.random)
	event := Event{ID: id, MerchantID: e.MerchantID, Environment: e.Environment, Type: EventWebhookTest, CreatedAt: s.now()}
	event.Body = eventBody(event.Type, event.CreatedAt, event.Environment, []byte(`{"endpoint_id":"`+e.ID+`"}`))
	// No caller chose a key: the id stands in, and no caller's key can equal it.
	event.KeyHash, event.ContentHash = hashParts([]byte("test"), []byte(id)), hashParts(event.Body)
	return event, err
}

// awaitStep is how often a waiting page looks.
const awaitStep = 50 * time.Millisecond

// AwaitAttempt waits until a delivery has been attempted, or ctx ends, and returns
// it as it then is.
func (s *Service) AwaitAttempt(ctx context.Context, a Actor, in DeliveryRef) (DeliveryDetail, error) {
	tick := time.NewTicker(awaitStep)
	defer tick.Stop()
	for {
		d, err := s.Delivery(ctx, a, in)
		if err != nil || len(d.Attempts) > 0 {
			return d, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return d, nil
		}
	}
}
