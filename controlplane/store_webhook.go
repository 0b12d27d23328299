package controlplane

import (
	"context"
	"time"
)

// WebhookTx holds endpoints, events, deliveries and what sending them leaves
// behind.
type WebhookTx interface {
	EndpointTx
	EventTx
	DeliveryTx
	ReplayTx
	LeaseTx
	HealthTx
	RetentionTx
	ServiceTokenTx
}

// EndpointTx holds the endpoints and their signing secrets.
type EndpointTx interface {
	// InsertEndpoint assigns [Endpoint.Row].
	InsertEndpoint(ctx context.Context, e Endpoint) (Endpoint, error)
	// UpdateEndpoint writes URL, events, description, state, its reason and times.
	UpdateEndpoint(ctx context.Context, e Endpoint) error
	// Endpoint does not find deleted ones.
	Endpoint(ctx context.Context, merchantID, id string) (Endpoint, error)
	// Endpoints lists those that are not deleted; env "" means both.
	Endpoints(ctx context.Context, merchantID string, env Environment) ([]Endpoint, error)
	// Subscribers is what ingest needs of [EndpointTx.Endpoints], which it reads for
	// every event: row, id, events and state, in no order.
	Subscribers(ctx context.Context, merchantID string, env Environment) ([]Endpoint, error)
	// EndpointTarget reads what sending needs, of any merchant.
	EndpointTarget(ctx context.Context, row int64) (DeliveryTarget, error)

	InsertEndpointSecret(ctx context.Context, s EndpointSecret, sealed []byte) error
	// EndpointSecrets lists an endpoint's secrets, the current one first.
	EndpointSecrets(ctx context.Context, merchantID, endpointID string) ([]EndpointSecret, error)
	// ExpireEndpointSecret writes expires_at.
	ExpireEndpointSecret(ctx context.Context, s EndpointSecret) error
	DeleteEndpointSecret(ctx context.Context, merchantID, id string) error
}

// EventTx holds the events.
type EventTx interface {
	// InsertEvent assigns [Event.Row]. If the idempotency key was used before, it
	// writes nothing and returns false with the event of that time, without body.
	InsertEvent(ctx context.Context, e Event) (Event, bool, error)
	Event(ctx context.Context, merchantID, id string) (Event, error)
}

// DeliveryTx holds the deliveries and their attempts.
type DeliveryTx interface {
	// InsertDelivery returns the delivery's row.
	InsertDelivery(ctx context.Context, d Delivery) (int64, error)
	Delivery(ctx context.Context, merchantID, id string) (Delivery, error)
	Deliveries(ctx context.Context, f DeliveryFilter) ([]Delivery, error)
	// NewestDelivery is the last one of an event to an endpoint.
	NewestDelivery(ctx context.Context, merchantID string, eventRow, endpointRow int64) (Delivery, error)
	// UpdateDelivery writes state, lane, the times of the next and first attempt
	// and of the end, unless the delivery is in flight: then it is not found.
	UpdateDelivery(ctx context.Context, d Delivery) error
	// Attempts lists those of a delivery, oldest first.
	Attempts(ctx context.Context, merchantID, deliveryID string) ([]Attempt, error)
	// CountHeld counts the deliveries that an endpoint's being disabled holds.
	CountHeld(ctx context.Context, merchantID string, endpointRow int64) (int64, error)
}

// ReplayTx holds the bulk replays.
type ReplayTx interface {
	// ReplayCandidates returns up to limit deliveries of r with a row after
	// r.Cursor and up to r.Through, in order.
	ReplayCandidates(ctx context.Context, r Replay, limit int) ([]Delivery, error)
	CountReplayCandidates(ctx context.Context, r Replay) (int64, error)
	// NewestDeliveryRow is the largest row there is; 0 if there is none.
	NewestDeliveryRow(ctx context.Context) (int64, error)
	// InsertReplay assigns [Replay.Row]. [ErrDuplicate] while another of the same
	// endpoint and kind runs.
	InsertReplay(ctx context.Context, r Replay) (Replay, error)
	// UpdateReplay writes cursor, deliveries and finished_at.
	UpdateReplay(ctx context.Context, r Replay) error
	// RunningReplay is that of an endpoint and kind.
	RunningReplay(ctx context.Context, merchantID string, endpointRow int64, kind ReplayKind) (Replay, error)
	// Replays lists an endpoint's, newest first.
	Replays(ctx context.Context, merchantID string, endpointRow int64, limit int) ([]Replay, error)
	// RunningReplays lists every merchant's, oldest first.
	RunningReplays(ctx context.Context, limit int) ([]Replay, error)
}

// LeaseTx is how engines share deliveries out. It reaches every merchant's.
type LeaseTx interface {
	// ClaimDeliveries leases pending deliveries of an endpoint. Of several engines
	// each gets others.
	ClaimDeliveries(ctx context.Context, q ClaimQuery) (Claimed, error)
	// FinishAttempt writes an attempt and the state it leads to. It writes nothing
	// and returns false if the lease is not the claim's any more.
	FinishAttempt(ctx context.Context, o AttemptOutcome) (bool, error)
	// ReleaseDelivery makes a claim pending again, due at once; false as above.
	ReleaseDelivery(ctx context.Context, c Claim) (bool, error)
	// ExtendLeases moves the ends of claims and returns those that are lost: others
	// may have them.
	ExtendLeases(ctx context.Context, claims []Claim, until time.Time) (lost []Claim, err error)
	// RecoverDeliveries makes every delivery pending whose lease ended by the
	// moment: after a crash, on a database of one process, all that were in flight.
	RecoverDeliveries(ctx context.Context, at time.Time) (int64, error)
	// Backlogs says what waits for every endpoint.
	Backlogs(ctx context.Context) ([]Backlog, error)
	// DeliveryQueue counts what waits for every endpoint, for those who watch over
	// the server.
	DeliveryQueue(ctx context.Context) (DeliveryQueue, error)
	// SettleStopped moves up to limit pending deliveries of endpoints that are
	// disabled to held, and pending and held ones of deleted endpoints to
	// cancelled. It returns how many.
	SettleStopped(ctx context.Context, endpointRow int64, at time.Time, limit int) (int64, error)
}

// HealthTx holds how endpoints do.
type HealthTx interface {
	// SaveEndpointCondition inserts or replaces it, but for the newest success and
	// attempt that were saved.
	SaveEndpointCondition(ctx context.Context, c EndpointCondition) error
	// EndpointCondition is the zero condition for an endpoint that was never tried.
	EndpointCondition(ctx context.Context, merchantID string, endpointRow int64) (EndpointCondition, error)
	// UnhealthyEndpoints lists conditions with failures, a pause after at, or an outage
	// that was told of, but for deleted endpoints.
	UnhealthyEndpoints(ctx context.Context, at time.Time) ([]EndpointCondition, error)
	// AddHealth adds to the counts.
	AddHealth(ctx context.Context, b HealthBucket) error
	// EndpointHealth lists counts since an hour, ordered by hour.
	EndpointHealth(ctx context.Context, merchantID string, endpointRow int64, since time.Time) ([]HealthBucket, error)
	// MerchantHealth lists those of all endpoints of an environment together, without
	// their rows.
	MerchantHealth(ctx context.Context, merchantID string, env Environment, since time.Time) ([]HealthBucket, error)
}

// Purge is one slice of a retention.
type Purge struct {
	// Before is the moment; what is older goes.
	Before time.Time
	// After is the row that ended the slice before.
	After int64
	// Limit is how many rows to look at.
	Limit int
}

// Purged is what a slice did. The retention is done when More is false; Last is
// the After of the next slice.
type Purged struct {
	Rows int64
	Last int64
	More bool
}

// RetentionTx deletes what is old, a slice at a time.
type RetentionTx interface {
	// PurgeResponseBodies empties the kept bodies of answers.
	PurgeResponseBodies(ctx context.Context, p Purge) (Purged, error)
	PurgeAttempts(ctx context.Context, p Purge) (Purged, error)
	// PurgeEvents deletes events with their deliveries, except those that wait for
	// an attempt or were replayed later.
	PurgeEvents(ctx context.Context, p Purge) (Purged, error)
	// PurgeHealth deletes counts, and finished bulk replays.
	PurgeHealth(ctx context.Context, p Purge) (Purged, error)
}

// ServiceTokenTx holds the service tokens. They belong to the platform.
type ServiceTokenTx interface {
	InsertServiceToken(ctx context.Context, t ServiceToken) error
	// UpdateServiceToken writes revoked_at.
	UpdateServiceToken(ctx context.Context, t ServiceToken) error
	ServiceToken(ctx context.Context, id string) (ServiceToken, error)
	// ServiceTokenByHash finds revoked ones too.
	ServiceTokenByHash(ctx context.Context, hash [32]byte) (ServiceToken, error)
	ServiceTokens(ctx context.Context) ([]ServiceToken, error)
	// SaveServiceTokenUse raises last_used_at.
	SaveServiceTokenUse(ctx context.Context, id string, at time.Time) error
}
