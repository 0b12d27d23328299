package controlplane

import (
	"context"
	"slices"
	"time"
)

// CreateEndpoint is the input of [Service.CreateEndpoint].
type CreateEndpoint struct {
	MerchantID  string      `json:"merchant_id" validate:"required"`
	Environment Environment `json:"environment" validate:"required,env"`
	URL         string      `json:"url" validate:"required"`
	// Events: empty means every type, future ones too.
	Events      []EventType `json:"events,omitempty"`
	Description string      `json:"description,omitempty" validate:"omitempty,note"`
}

// CreatedEndpoint is a new endpoint. The secret is in no other answer, ever again.
type CreatedEndpoint struct {
	Endpoint Endpoint
	Secret   Secret
}

// CreateEndpoint makes an enabled endpoint with its first signing secret.
// CodeLimit beyond [MaxEndpoints] in the environment, CodeConflict if another one
// has the URL.
func (s *Service) CreateEndpoint(ctx context.Context, a Actor, in CreateEndpoint) (CreatedEndpoint, error) {
	r := request{actor: a, op: OpEndpointCreate, merchantID: in.MerchantID, input: in}
	if err := s.admitEndpoint(ctx, r, in.URL, in.Events); err != nil {
		return CreatedEndpoint{}, err
	}
	id, err := NewID(PrefixEndpoint, s.now(), s.random)
	if err != nil {
		return CreatedEndpoint{}, asError(err)
	}
	return change(ctx, s, r, func(tx Tx, rec *record) (out CreatedEndpoint, err error) {
		now := s.now()
		e := Endpoint{
			ID: id, MerchantID: in.MerchantID, Environment: in.Environment, URL: in.URL, Events: sortedEvents(in.Events), Description: in.Description,
			State: EndpointEnabled, EnabledAt: now, CreatedAt: now, CreatedBy: a.Name, UpdatedAt: now,
		}
		if err := mayHaveEndpoint(ctx, tx, e); err != nil {
			return out, err
		}
		if out.Endpoint, err = tx.InsertEndpoint(ctx, e); err != nil {
			return out, err
		}
		rec.target = e.ID
		rec.diff = map[string]Change{"url": {To: e.URL}, "environment": {To: e.Environment}, "events": {To: e.Events}}
		out.Secret, err = s.insertEndpointSecret(ctx, tx, e)
		return out, err
	})
}

// admitEndpoint admits a request that saves a URL, before any transaction: what
// checks the URL may take its time.
func (s *Service) admitEndpoint(ctx context.Context, r request, url string, events []EventType) error {
	if err := s.admit(ctx, r); err != nil {
		return err
	}
	for _, t := range events {
		if !t.Valid() {
			return InvalidField("events", "has an unknown type; choose of: %s", eventTypeNames())
		}
	}
	if err := checkWebhookURL(url); err != nil {
		return err
	}
	if s.checkURL == nil {
		return Errorf(CodeUnavailable, "this server does not deliver webhooks, so it cannot check an endpoint; use one that does")
	}
	return asErrorOrNil(s.checkURL(url))
}

// sortedEvents is the order and the number in which types are stored: each once.
func sortedEvents(events []EventType) []EventType {
	sorted := slices.Clone(events)
	slices.Sort(sorted)
	return slices.Compact(sorted)
}

// mayHaveEndpoint refuses one too many, and a second one of the same URL, which
// would get everything twice.
func mayHaveEndpoint(ctx context.Context, tx Tx, e Endpoint) error {
	others, err := tx.Endpoints(ctx, e.MerchantID, e.Environment)
	if err != nil {
		return err
	}
	others = slices.DeleteFunc(others, func(o Endpoint) bool { return o.ID == e.ID })
	if len(others) >= MaxEndpoints {
		return Errorf(CodeLimit, "there are %d %s endpoints, the maximum; delete one", len(others), e.Environment)
	}
	if slices.ContainsFunc(others, func(o Endpoint) bool { return o.URL == e.URL }) {
		return Errorf(CodeConflict, "there is a %s endpoint with this URL already; edit that one", e.Environment)
	}
	return nil
}

// UpdateEndpoint is the input of [Service.UpdateEndpoint]: all of what can be
// edited, as it shall be.
type UpdateEndpoint struct {
	MerchantID  string      `json:"merchant_id" validate:"required"`
	EndpointID  string      `json:"endpoint_id" validate:"required"`
	URL         string      `json:"url" validate:"required"`
	Events      []EventType `json:"events,omitempty"`
	Description string      `json:"description,omitempty" validate:"omitempty,note"`
}

// UpdateEndpoint changes where and what is sent, beginning with the next attempt:
// what waits goes to the new URL.
func (s *Service) UpdateEndpoint(ctx context.Context, a Actor, in UpdateEndpoint) (Endpoint, error) {
	r := request{actor: a, op: OpEndpointUpdate, merchantID: in.MerchantID, input: in}
	if err := s.admitEndpoint(ctx, r, in.URL, in.Events); err != nil {
		return Endpoint{}, err
	}
	return s.changeEndpoint(ctx, r, in.EndpointID, func(tx Tx, e *Endpoint, rec *record) error {
		events := sortedEvents(in.Events)
		rec.diff = map[string]Change{"url": {e.URL, in.URL}, "events": {e.Events, events}, "description": {e.Description, in.Description}}
		e.URL, e.Events, e.Description = in.URL, events, in.Description
		return mayHaveEndpoint(ctx, tx, *e)
	})
}

// changeEndpoint loads, changes and saves an endpoint, and tells the engine.
func (s *Service) changeEndpoint(ctx context.Context, r request, id string, edit func(Tx, *Endpoint, *record) error) (Endpoint, error) {
	e, err := change(ctx, s, r, func(tx Tx, rec *record) (Endpoint, error) {
		e, err := tx.Endpoint(ctx, r.merchantID, id)
		if err != nil {
			return e, orNotFound(err, "endpoint", id)
		}
		rec.target = e.ID
		if err := edit(tx, &e, rec); err != nil {
			return e, err
		}
		e.UpdatedAt = s.now()
		return e, tx.UpdateEndpoint(ctx, e)
	})
	if err == nil {
		s.dispatcher.Wake(e.Row, e.MerchantID)
	}
	return e, err
}

// EndpointFilter selects the endpoints of a merchant.
type EndpointFilter struct {
	MerchantID string `json:"merchant_id" validate:"required"`
	// Environment: empty means both.
	Environment Environment `json:"environment,omitempty" validate:"omitempty,env"`
}

// EndpointView is an endpoint and how it does.
type EndpointView struct {
	Endpoint
	Condition EndpointCondition `json:"condition"`
	// Held is how many deliveries wait for the endpoint to be enabled and for
	// somebody to replay them.
	Held int64 `json:"held"`
	// Day sums the last 24 hours up, to the hour.
	Day Health `json:"day"`
}

// ListEndpoints lists a merchant's endpoints, oldest first.
func (s *Service) ListEndpoints(ctx context.Context, a Actor, f EndpointFilter) ([]EndpointView, error) {
	r := request{actor: a, op: OpEndpointList, merchantID: f.MerchantID, input: f}
	return read(ctx, s, r, func(tx Tx) ([]EndpointView, error) {
		endpoints, err := tx.Endpoints(ctx, f.MerchantID, f.Environment)
		views := make([]EndpointView, len(endpoints))
		for i, e := range endpoints {
			if views[i], _, err = s.viewEndpoint(ctx, tx, e, 24*time.Hour); err != nil {
				return nil, err
			}
		}
		return views, err
	})
}

// viewEndpoint also returns the counts of attempts over a while.
func (s *Service) viewEndpoint(ctx context.Context, tx Tx, e Endpoint, over time.Duration) (v EndpointView, buckets []HealthBucket, err error) {
	v.Endpoint = e
	if v.Condition, err = tx.EndpointCondition(ctx, e.MerchantID, e.Row); err != nil {
		return v, nil, err
	}
	if v.Held, err = tx.CountHeld(ctx, e.MerchantID, e.Row); err != nil {
		return v, nil, err
	}
	now := s.now()
	if buckets, err = tx.EndpointHealth(ctx, e.MerchantID, e.Row, now.Add(-over).Truncate(time.Hour)); err != nil {
		return v, nil, err
	}
	day := slices.IndexFunc(buckets, func(b HealthBucket) bool { return b.Hour.After(now.Add(-24 * time.Hour).Truncate(time.Hour)) })
	if day >= 0 {
		v.Day = sumHealth(buckets[day:])
	}
	return v, buckets, nil
}

// EndpointRef names one endpoint.
type EndpointRef struct {
	MerchantID string `json:"merchant_id" validate:"required"`
	EndpointID string `json:"endpoint_id" validate:"required"`
}

// EndpointDetail is all there is to see of an endpoint.
type EndpointDetail struct {
	EndpointView
	Secrets []EndpointSecret `json:"secrets"`
	// Hours has the last seven days, hours without attempts left out.
	Hours []Health `json:"hours"`
	// Days has the same, summed up by days of UTC.
	Days []Health `json:"days"`
	// Replays are the last ten, newest first.
	Replays []Replay `json:"replays"`
}

// Endpoint returns one endpoint with its health.
func (s *Service) Endpoint(ctx context.Context, a Actor, in EndpointRef) (EndpointDetail, error) {
	r := request{actor: a, op: OpEndpointView, merchantID: in.MerchantID, input: in}
	return read(ctx, s, r, func(tx Tx) (out EndpointDetail, err error) {
		e, err := tx.Endpoint(ctx, in.MerchantID, in.EndpointID)
		if err != nil {
			return out, orNotFound(err, "endpoint", in.EndpointID)
		}
		var buckets []HealthBucket
		if out.EndpointView, buckets, err = s.viewEndpoint(ctx, tx, e, 7*24*time.Hour); err != nil {
			return out, err
		}
		out.Hours, out.Days = healthBy(time.Hour, buckets), healthBy(24*time.Hour, buckets)
		if out.Replays, err = tx.Replays(ctx, e.MerchantID, e.Row, 10); err != nil {
			return out, err
		}
		secrets, err := tx.EndpointSecrets(ctx, e.MerchantID, e.ID)
		now := s.now()
		out.Secrets = slices.DeleteFunc(secrets, func(secret EndpointSecret) bool { return !secret.SignsAt(now) })
		return out, err
	})
}
