package controlplane

import "time"

// Claim is a delivery that an engine has leased: it alone may attempt it.
type Claim struct {
	Row            int64
	DeliveryID     string
	MerchantID     string
	EndpointRow    int64
	Lane           Lane
	EventID        string
	Body           []byte
	Attempts       int
	FirstAttemptAt time.Time
	// Lease fences: what is written about the delivery under an older number is
	// refused.
	Lease int64
	// Until is when the lease ends, as far as its holder knows; zero: with the
	// process.
	Until time.Time
}

// ClaimQuery asks for deliveries of one endpoint.
type ClaimQuery struct {
	EndpointRow int64
	Lane        Lane
	// Due: those that are due by then, longest due first. Zero: the oldest ones,
	// due or not, as a breaker probes.
	Due time.Time
	// Until is when the lease ends unless it is renewed; zero: with the process
	// that holds it, for a database of one process.
	Until time.Time
	Limit int
	// Bytes bounds the bodies of what is claimed, but for the first; 0: no bound.
	Bytes int
}

// Claimed is the answer to a [ClaimQuery].
type Claimed struct {
	Claims []Claim
	// NextAt is when the next of what was left is due; zero if nothing was left.
	NextAt time.Time
}

// AttemptOutcome is what became of a claim.
type AttemptOutcome struct {
	Claim   Claim
	Attempt Attempt
	// State: pending for another attempt at NextAt, or a final one.
	State  DeliveryState
	NextAt time.Time
}

// Backlog is what waits in the store for one endpoint and lane.
type Backlog struct {
	EndpointRow int64
	MerchantID  string
	Lane        Lane
	// NextAt is when the first of it is due; zero if it is held for an endpoint that
	// was deleted.
	NextAt time.Time
	// Stopped: the endpoint is not enabled, and what waits has to be settled.
	Stopped bool
}

// DeliveryQueue is how many deliveries are on their way, or held.
type DeliveryQueue struct {
	Pending  int64
	Inflight int64
	// Held wait for their endpoint to be enabled, and for somebody to replay them.
	Held int64
	// OldestPending is when the oldest pending one was made; zero if there is none.
	OldestPending time.Time
}

// DeliveryTarget is what is read at the moment of sending.
type DeliveryTarget struct {
	Endpoint Endpoint
	// Secrets are the current one first, replaced ones included until they are deleted.
	Secrets []SealedEndpointSecret
}

// SealedEndpointSecret is a signing secret as stored.
type SealedEndpointSecret struct {
	EndpointSecret
	Record []byte
}

// Dispatcher is the delivery engine, as operations see it. None of its methods
// waits.
type Dispatcher interface {
	// Reserve asks for room for one delivery of size bytes in the engine's memory.
	// If there is, the delivery is stored as leased until then (see [Claim.Until]),
	// and must be handed over with Dispatch, or given back with Unreserve. If not, it
	// is stored as pending.
	Reserve(endpointRow int64, merchantID string, size int) (until time.Time, ok bool)
	// Dispatch hands over committed claims for which there is room.
	Dispatch(claims []Claim)
	// Unreserve gives the room for claims back that were not committed.
	Unreserve(claims []Claim)
	// Pending says that something is pending for an endpoint in the store.
	Pending(endpointRow int64, merchantID string, lane Lane)
	// Wake says that an endpoint was changed, or that a bulk replay was asked for.
	Wake(endpointRow int64, merchantID string)
}

// noDispatcher is for a node that stores events and leaves sending them to
// another.
type noDispatcher struct{}

func (noDispatcher) Reserve(int64, string, int) (time.Time, bool) { return time.Time{}, false }
func (noDispatcher) Dispatch([]Claim)                             {}
func (noDispatcher) Unreserve([]Claim)                            {}
func (noDispatcher) Pending(int64, string, Lane)                  {}
func (noDispatcher) Wake(int64, string)                           {}
