package controlplane

import (
	"context"
	"errors"
	"time"
)

// ListDeliveries lists a merchant's deliveries of one environment, newest first.
func (s *Service) ListDeliveries(ctx context.Context, a Actor, f DeliveryFilter) ([]Delivery, error) {
	r := request{actor: a, op: OpDeliveryList, merchantID: f.MerchantID, input: f}
	return read(ctx, s, r, func(tx Tx) ([]Delivery, error) {
		all, err := tx.Deliveries(ctx, f)
		return all, orNotFound(err, "delivery", f.Before)
	})
}

// DeliveryRef names one delivery.
type DeliveryRef struct {
	MerchantID string `json:"merchant_id" validate:"required"`
	DeliveryID string `json:"delivery_id" validate:"required"`
}

// Delivery returns one delivery with its event and attempts.
func (s *Service) Delivery(ctx context.Context, a Actor, in DeliveryRef) (DeliveryDetail, error) {
	r := request{actor: a, op: OpDeliveryView, merchantID: in.MerchantID, input: in}
	return read(ctx, s, r, func(tx Tx) (out DeliveryDetail, err error) {
		if out.Delivery, err = tx.Delivery(ctx, in.MerchantID, in.DeliveryID); err != nil {
			return out, orNotFound(err, "delivery", in.DeliveryID)
		}
		if out.Event, err = tx.Event(ctx, in.MerchantID, out.Delivery.EventID); err != nil {
			return out, err
		}
		out.Attempts, err = tx.Attempts(ctx, in.MerchantID, in.DeliveryID)
		return out, err
	})
}

// ReplayDelivery sends the event of one delivery to its endpoint again: the same
// id and bytes, a new timestamp and signature, attempts from zero. While the event
// is still on its way there, that delivery is returned and nothing is made, so that
// a button pressed twice sends once. CodeConflict if the endpoint is not enabled.
func (s *Service) ReplayDelivery(ctx context.Context, a Actor, in DeliveryRef) (Delivery, error) {
	r := request{actor: a, op: OpDeliveryReplay, merchantID: in.MerchantID, input: in}
	d, err := change(ctx, s, r, func(tx Tx, rec *record) (Delivery, error) {
		d, err := tx.Delivery(ctx, in.MerchantID, in.DeliveryID)
		if err != nil {
			return d, orNotFound(err, "delivery", in.DeliveryID)
		}
		rec.target = d.ID
		if _, err := enabledEndpoint(ctx, tx, in.MerchantID, d.EndpointID); err != nil {
			return d, err
		}
		newest, err := tx.NewestDelivery(ctx, in.MerchantID, d.EventRow, d.EndpointRow)
		if err != nil || newest.State == DeliveryPending || newest.State == DeliveryInflight {
			return newest, err
		}
		if newest.State == DeliveryHeld {
			d = newest
		}
		lane := LaneLive
		if d.Type == EventWebhookTest {
			lane = LaneTest
		}
		again, err := s.replay(ctx, tx, d, lane)
		rec.diff = map[string]Change{"delivery": {From: d.ID, To: again.ID}}
		return again, err
	})
	if err == nil {
		s.dispatcher.Pending(d.EndpointRow, d.MerchantID, d.Lane)
	}
	return d, err
}

// enabledEndpoint refuses to replay into an endpoint that would only hold it.
func enabledEndpoint(ctx context.Context, tx Tx, merchantID, id string) (Endpoint, error) {
	e, err := tx.Endpoint(ctx, merchantID, id)
	if errors.Is(err, ErrNotFound) {
		return e, Errorf(CodeConflict, "the endpoint was deleted; nothing can be sent to it")
	}
	if err == nil && e.State != EndpointEnabled {
		return e, Errorf(CodeConflict, "the endpoint is disabled; enable it before replaying")
	}
	return e, err
}

// replay makes the delivery of an event that is sent again. One that was held
// without an attempt is let go itself; one that was held after attempts gives its
// place to the new one.
func (s *Service) replay(ctx context.Context, tx Tx, d Delivery, lane Lane) (Delivery, error) {
	now := s.now()
	if d.State == DeliveryHeld && d.Attempts == 0 {
		d.State, d.Lane, d.NextAt = DeliveryPending, lane, now
		return d, tx.UpdateDelivery(ctx, d)
	}
	if d.State == DeliveryHeld {
		d.State, d.FinishedAt = DeliveryCancelled, now
		if err := tx.UpdateDelivery(ctx, d); err != nil {
			return d, err
		}
	}
	id, err := NewID(PrefixDelivery, now, s.random)
	if err != nil {
		return d, err
	}
	again := Delivery{
		ID: id, MerchantID: d.MerchantID, Environment: d.Environment, EndpointRow: d.EndpointRow, EndpointID: d.EndpointID, EventRow: d.EventRow,
		EventID: d.EventID, Type: d.Type, State: DeliveryPending, Lane: lane, ReplayOf: d.ID, CreatedAt: now, NextAt: now,
	}
	again.Row, err = tx.InsertDelivery(ctx, again)
	return again, err
}

// CountReplay is the dry run of [Service.ReplayDeliveries].
func (s *Service) CountReplay(ctx context.Context, a Actor, in ReplayScope) (int64, error) {
	r := request{actor: a, op: OpDeliveryCount, merchantID: in.MerchantID, input: in}
	return read(ctx, s, r, func(tx Tx) (int64, error) {
		e, err := tx.Endpoint(ctx, in.MerchantID, in.EndpointID)
		if err != nil {
			return 0, orNotFound(err, "endpoint", in.EndpointID)
		}
		scope, err := newReplay(ctx, tx, e, in)
		if err != nil {
			return 0, err
		}
		return tx.CountReplayCandidates(ctx, scope)
	})
}

// newReplay is a replay of all that is there now.
func newReplay(ctx context.Context, tx Tx, e Endpoint, in ReplayScope) (Replay, error) {
	through, err := tx.NewestDeliveryRow(ctx)
	return Replay{MerchantID: e.MerchantID, EndpointRow: e.Row, EndpointID: e.ID, Kind: in.Kind, Since: in.Since.UTC().Truncate(time.Microsecond), Through: through}, err
}

// ReplayDeliveries asks for a bulk replay, which the engine carries out; see
// [Replay]. While one of the same endpoint and kind runs, that one is returned.
// CodeConflict if the endpoint is not enabled.
func (s *Service) ReplayDeliveries(ctx context.Context, a Actor, in ReplayScope) (Replay, error) {
	r := request{actor: a, op: OpDeliveryReplay, merchantID: in.MerchantID, input: in}
	p, err := change(ctx, s, r, func(tx Tx, rec *record) (Replay, error) {
		if _, err := tx.Endpoint(ctx, in.MerchantID, in.EndpointID); err != nil {
			return Replay{}, orNotFound(err, "endpoint", in.EndpointID)
		}
		e, err := enabledEndpoint(ctx, tx, in.MerchantID, in.EndpointID)
		if err != nil {
			return Replay{}, err
		}
		running, err := tx.RunningReplay(ctx, in.MerchantID, e.Row, in.Kind)
		if err == nil {
			rec.target = running.ID
			return running, nil
		}
		if !errors.Is(err, ErrNotFound) {
			return running, err
		}
		p, err := newReplay(ctx, tx, e, in)
		if err != nil {
			return p, err
		}
		p.CreatedAt, p.CreatedBy = s.now(), a.Name
		if p.ID, err = NewID(PrefixReplay, p.CreatedAt, s.random); err != nil {
			return p, err
		}
		rec.target, rec.diff = p.ID, map[string]Change{"endpoint": {To: e.ID}, "kind": {To: in.Kind}, "since": {To: in.Since}}
		return tx.InsertReplay(ctx, p)
	})
	if err == nil {
		s.dispatcher.Wake(p.EndpointRow, p.MerchantID)
	}
	return p, err
}

// replaySlice is how many deliveries a step of a bulk replay looks at.
const replaySlice = 500

// StepReplays carries every bulk replay one slice on and reports whether there is
// more to do. It is the engine's, not an operation: who asked for the replay was
// authorised and written down then.
func (s *Service) StepReplays(ctx context.Context) (more bool, err error) {
	var running []Replay
	err = s.store.View(ctx, func(tx Tx) (err error) {
		running, err = tx.RunningReplays(ctx, 100)
		return err
	})
	for _, p := range running {
		if err != nil {
			break
		}
		err = s.store.Update(ctx, func(tx Tx) error { return s.stepReplay(ctx, tx, p) })
		s.dispatcher.Pending(p.EndpointRow, p.MerchantID, LaneBulk)
	}
	return len(running) > 0, err
}

// stepReplay reads the replay again: what this process knows of it may be old.
func (s *Service) stepReplay(ctx context.Context, tx Tx, p Replay) error {
	p, err := tx.RunningReplay(ctx, p.MerchantID, p.EndpointRow, p.Kind)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	candidates, err := s.replayCandidates(ctx, tx, p)
	if err != nil {
		return err
	}
	for _, d := range candidates {
		if _, err := s.replay(ctx, tx, d, LaneBulk); err != nil {
			return err
		}
		p.Cursor, p.Deliveries = d.Row, p.Deliveries+1
	}
	if len(candidates) < replaySlice {
		p.FinishedAt = s.now()
	}
	return tx.UpdateReplay(ctx, p)
}

// replayCandidates is the next slice, and nothing once the endpoint was stopped:
// what is let go then would only be held again.
func (s *Service) replayCandidates(ctx context.Context, tx Tx, p Replay) ([]Delivery, error) {
	_, err := enabledEndpoint(ctx, tx, p.MerchantID, p.EndpointID)
	if CodeOf(err) == CodeConflict {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return tx.ReplayCandidates(ctx, p, replaySlice)
}
