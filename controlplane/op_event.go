package controlplane

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// IngestEvent is one event as the platform hands it in.
type IngestEvent struct {
	MerchantID  string          `json:"merchant_id"`
	Environment Environment     `json:"environment"`
	Type        EventType       `json:"type"`
	Data        json.RawMessage `json:"data"`
	// IdempotencyKey is the caller's name for the event, 1 to 255 printable ASCII
	// characters: as often as it comes, there is one event.
	IdempotencyKey string `json:"idempotency_key"`
}

// IngestedEvent is the answer to one event.
type IngestedEvent struct {
	ID string `json:"id"`
	// Duplicate: the key was used before, and ID is the event of that time.
	Duplicate bool `json:"duplicate,omitempty"`
}

// IngestEvent takes one event in; see [Service.IngestEvents].
func (s *Service) IngestEvent(ctx context.Context, a Actor, in IngestEvent) (IngestedEvent, error) {
	out, err := s.ingest(ctx, a, []IngestEvent{in}, func(int) string { return "" })
	if err != nil {
		return IngestedEvent{}, err
	}
	return out[0], nil
}

// IngestEvents takes up to [MaxEventBatch] events in, all or none. When it returns,
// the events and one delivery for each subscribed endpoint are durable.
//
// CodeInvalid names each field at fault as events[3].type. CodeConflict: a key was
// used before with another merchant, environment, type or data.
func (s *Service) IngestEvents(ctx context.Context, a Actor, in []IngestEvent) ([]IngestedEvent, error) {
	if len(in) == 0 || len(in) > MaxEventBatch {
		return nil, InvalidField("events", "has %d events; send 1 to %d at once", len(in), MaxEventBatch)
	}
	return s.ingest(ctx, a, in, func(i int) string { return fmt.Sprintf("events[%d].", i) })
}

func (s *Service) ingest(ctx context.Context, a Actor, in []IngestEvent, place func(int) string) ([]IngestedEvent, error) {
	if err := s.admit(ctx, request{actor: a, op: OpEventIngest}); err != nil {
		return nil, err
	}
	events, err := s.newEvents(in, place)
	if err != nil {
		return nil, asError(err)
	}
	w := ingestion{s: s, events: events, place: place}
	if err := s.store.Update(Concurrent(ctx), func(tx Tx) error { return w.write(ctx, tx) }); err != nil {
		s.dispatcher.Unreserve(w.claims)
		return nil, asError(err)
	}
	s.dispatcher.Dispatch(w.claims)
	for _, e := range w.waiting {
		s.dispatcher.Pending(e.Row, e.MerchantID, LaneLive)
	}
	return w.out, nil
}

// newEvents checks every event and gives it its id and bytes.
func (s *Service) newEvents(in []IngestEvent, place func(int) string) ([]Event, error) {
	bad := &Error{Code: CodeInvalid}
	events := make([]Event, len(in))
	now := s.now()
	for i, e := range in {
		data, faults := checkEvent(e)
		for _, f := range faults {
			bad.Fields = append(bad.Fields, FieldError{Field: place(i) + f.Field, Message: f.Message})
		}
		id, err := NewID(PrefixEvent, now, s.random)
		if err != nil {
			return nil, err
		}
		events[i] = Event{
			ID: id, MerchantID: e.MerchantID, Environment: e.Environment, Type: e.Type, CreatedAt: now,
			Body:        eventBody(e.Type, now, e.Environment, data),
			KeyHash:     hashParts([]byte(e.IdempotencyKey)),
			ContentHash: hashParts([]byte(e.MerchantID), []byte(e.Environment), []byte(e.Type), data),
		}
	}
	if len(bad.Fields) > 0 {
		return nil, bad
	}
	return events, nil
}

// checkEvent returns the event's data without spaces, and what is wrong with it.
func checkEvent(e IngestEvent) (data []byte, faults []FieldError) {
	fault := func(field, format string, args ...any) {
		faults = append(faults, FieldError{Field: field, Message: fmt.Sprintf(format, args...)})
	}
	if _, ok := ParseID(PrefixMerchant, e.MerchantID); !ok {
		fault("merchant_id", "must be a merchant's id (mer_…)")
	}
	if !e.Environment.Valid() {
		fault("environment", "must be live or test")
	}
	if !e.Type.Valid() {
		fault("type", "must be one of: %s", eventTypeNames())
	}
	if n := len(e.IdempotencyKey); n == 0 || n > maxIdempotencyKey || strings.IndexFunc(e.IdempotencyKey, func(r rune) bool { return r <= ' ' || r > '~' }) >= 0 {
		fault("idempotency_key", "must be 1 to %d printable ASCII characters without spaces", maxIdempotencyKey)
	}
	data, err := compactObject(e.Data)
	if err != nil {
		fault("data", "%s", err.Error())
	}
	return data, faults
}

// ingestion is one write of events with their deliveries.
type ingestion struct {
	s      *Service
	events []Event
	place  func(int) string

	out []IngestedEvent
	// claims are the deliveries that were born leased, waiting the endpoints of
	// those that were not.
	claims  []Claim
	waiting map[int64]Endpoint
}

// write may run more than once: it begins by giving back what it took before.
func (w *ingestion) write(ctx context.Context, tx Tx) error {
	w.s.dispatcher.Unreserve(w.claims)
	w.out, w.claims, w.waiting = w.out[:0], w.claims[:0], map[int64]Endpoint{}
	endpoints := map[merchantEnvironment][]Endpoint{}
	for i, event := range w.events {
		stored, fresh, err := tx.InsertEvent(ctx, event)
		if errors.Is(err, ErrNotFound) {
			return InvalidField(w.place(i)+"merchant_id", "no merchant has this id")
		}
		if err != nil {
			return err
		}
		if !fresh && stored.ContentHash != event.ContentHash {
			return Errorf(CodeConflict, "%sidempotency_key was used before with other content, for event %s; give every event its own", w.place(i), stored.ID)
		}
		w.out = append(w.out, IngestedEvent{ID: stored.ID, Duplicate: !fresh})
		if !fresh {
			continue
		}
		if err := w.deliver(ctx, tx, stored, endpoints); err != nil {
			return err
		}
	}
	return nil
}

type merchantEnvironment struct {
	merchantID string
	env        Environment
}

// deliver writes one delivery for each endpoint that subscribes to the event.
func (w *ingestion) deliver(ctx context.Context, tx Tx, event Event, known map[merchantEnvironment][]Endpoint) error {
	of := merchantEnvironment{event.MerchantID, event.Environment}
	if _, ok := known[of]; !ok {
		list, err := remembered(w.s, &w.s.subscribers, of, func() ([]Endpoint, error) { return tx.Subscribers(ctx, of.merchantID, of.env) })
		if err != nil {
			return err
		}
		known[of] = list
	}
	for _, e := range known[of] {
		if !e.Wants(event.Type) {
			continue
		}
		if err := w.deliverTo(ctx, tx, event, e); err != nil {
			return err
		}
	}
	return nil
}

func (w *ingestion) deliverTo(ctx context.Context, tx Tx, event Event, e Endpoint) error {
	d, err := w.s.newDelivery(event, e)
	if err != nil {
		return err
	}
	leased := false
	if e.State == EndpointEnabled {
		d.LeaseUntil, leased = w.s.dispatcher.Reserve(e.Row, e.MerchantID, len(event.Body))
	}
	switch {
	case e.State != EndpointEnabled:
		d.State = DeliveryHeld
	case leased:
		d.State, d.Lease = DeliveryInflight, 1
	default:
		w.waiting[e.Row] = e
	}
	claim := Claim{
		DeliveryID: d.ID, MerchantID: d.MerchantID, EndpointRow: e.Row, EventID: event.ID, Body: event.Body, Lease: d.Lease, Until: d.LeaseUntil,
	}
	if leased {
		// Before the insert: what fails from here on has to be given back.
		w.claims = append(w.claims, claim)
	}
	row, err := tx.InsertDelivery(ctx, d)
	if leased {
		w.claims[len(w.claims)-1].Row = row
	}
	return err
}

// newDelivery is a pending delivery, due now.
func (s *Service) newDelivery(event Event, e Endpoint) (Delivery, error) {
	now := s.now()
	id, err := NewID(PrefixDelivery, now, s.random)
	return Delivery{
		ID: id, MerchantID: e.MerchantID, Environment: e.Environment, EndpointRow: e.Row, EndpointID: e.ID, EventRow: event.Row, EventID: event.ID,
		Type: event.Type, State: DeliveryPending, CreatedAt: now, NextAt: now,
	}, err
}
