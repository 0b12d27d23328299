package controlplane

import "time"

// DeliveryState is where a delivery stands:
//
//	held → pending → inflight → delivered | exhausted | gone | cancelled
type DeliveryState string

const (
	// DeliveryHeld: its endpoint is disabled; it waits to be replayed.
	DeliveryHeld DeliveryState = "held"
	// DeliveryPending: it waits for its (next) attempt.
	DeliveryPending DeliveryState = "pending"
	// DeliveryInflight: an engine has it, to send it at once or in a moment.
	DeliveryInflight DeliveryState = "inflight"
	// DeliveryDelivered: an attempt was answered with 2xx.
	DeliveryDelivered DeliveryState = "delivered"
	// DeliveryExhausted: attempts failed for 72 h.
	DeliveryExhausted DeliveryState = "exhausted"
	// DeliveryGone: the endpoint answered 410.
	DeliveryGone DeliveryState = "gone"
	// DeliveryCancelled: the endpoint was deleted, or a replay took its place.
	DeliveryCancelled DeliveryState = "cancelled"
)

// Lane separates what must not wait for one another at an endpoint.
type Lane int

const (
	LaneLive Lane = iota
	// LaneBulk is that of bulk replays, which take at most a fifth of an
	// endpoint's slots.
	LaneBulk
	// LaneTest is that of the test button: sent at once, also to an endpoint that
	// is disabled, paused or failing, and once only.
	LaneTest
	// Lanes is how many there are.
	Lanes
)

// Delivery is one event on its way to one endpoint.
type Delivery struct {
	Row         int64         `json:"-"`
	ID          string        `json:"id"`
	MerchantID  string        `json:"merchant_id"`
	Environment Environment   `json:"environment"`
	EndpointRow int64         `json:"-"`
	EndpointID  string        `json:"endpoint_id"`
	EventRow    int64         `json:"-"`
	EventID     string        `json:"event_id"`
	Type        EventType     `json:"type"`
	State       DeliveryState `json:"state"`
	Lane        Lane          `json:"-"`
	// ReplayOf is the delivery that this one repeats.
	ReplayOf  string    `json:"replay_of,omitempty"`
	Attempts  int       `json:"attempts"`
	CreatedAt time.Time `json:"created_at"`
	// NextAt is when a pending delivery is due.
	NextAt time.Time `json:"next_at,omitzero"`
	// FirstAttemptAt begins the 72 h for which attempts are repeated.
	FirstAttemptAt time.Time `json:"first_attempt_at,omitzero"`
	LastAttemptAt  time.Time `json:"last_attempt_at,omitzero"`
	LastStatus     int       `json:"last_status,omitempty"`
	LastFault      Fault     `json:"last_fault,omitempty"`
	FinishedAt     time.Time `json:"finished_at,omitzero"`
	// Lease is how often it was claimed: the number by which an engine proves that
	// a claim is still its own.
	Lease int64 `json:"-"`
	// LeaseUntil is when the lease of one that is stored as leased ends; see
	// [Claim.Until].
	LeaseUntil time.Time `json:"-"`
}

// Finished reports whether nothing more will happen to the delivery by itself.
func (d Delivery) Finished() bool {
	switch d.State {
	case DeliveryDelivered, DeliveryExhausted, DeliveryGone, DeliveryCancelled:
		return true
	}
	return false
}

// DeliveryFilter selects deliveries of a merchant and environment, newest first.
type DeliveryFilter struct {
	MerchantID  string      `json:"merchant_id" validate:"required"`
	Environment Environment `json:"environment" validate:"required,env"`
	// EndpointID and those below: empty means all.
	EndpointID string        `json:"endpoint_id,omitempty" validate:"max=64"`
	EventID    string        `json:"event_id,omitempty" validate:"max=64"`
	Type       EventType     `json:"type,omitempty" validate:"max=64"`
	State      DeliveryState `json:"state,omitempty" validate:"omitempty,oneof=held pending inflight delivered exhausted gone cancelled"`
	Since      time.Time     `json:"since,omitzero"`
	Until      time.Time     `json:"until,omitzero"`
	// Before is the delivery that ended the page before; empty starts at the
	// newest.
	Before string `json:"before,omitempty" validate:"max=64"`
	// Limit is the number of rows, 1 to 1,000; 0 means 100.
	Limit int `json:"limit,omitempty" validate:"min=0,max=1000"`
}

// Rows returns the number of rows the filter asks for.
func (f DeliveryFilter) Rows() int { return Page{Limit: f.Limit}.Rows() }

// DeliveryDetail is a delivery with all that is known of it.
type DeliveryDetail struct {
	Delivery Delivery `json:"delivery"`
	// Event has the body that was sent.
	Event    Event     `json:"event"`
	Attempts []Attempt `json:"attempts"`
}

// ReplayKind says which deliveries a bulk replay takes.
type ReplayKind string

const (
	// ReplayFailed: attempted without success, the last time since a moment.
	ReplayFailed ReplayKind = "failed"
	// ReplayUntried: held without an attempt.
	ReplayUntried ReplayKind = "never_attempted"
)

// ReplayScope says what a bulk replay is about. Of several deliveries of one event
// to the endpoint it looks at the newest only, so that no event is sent twice.
type ReplayScope struct {
	MerchantID string     `json:"merchant_id" validate:"required"`
	EndpointID string     `json:"endpoint_id" validate:"required"`
	Kind       ReplayKind `json:"kind" validate:"required,oneof=failed never_attempted"`
	// Since counts for failed ones; zero means all that are kept.
	Since time.Time `json:"since,omitzero"`
}

// Replay is a bulk replay that was asked for. It is carried out in slices; each
// moves Cursor in the transaction that makes its deliveries, so that one which is
// interrupted goes on where it was.
type Replay struct {
	Row         int64      `json:"-"`
	ID          string     `json:"id"`
	MerchantID  string     `json:"merchant_id"`
	EndpointRow int64      `json:"-"`
	EndpointID  string     `json:"endpoint_id"`
	Kind        ReplayKind `json:"kind"`
	Since       time.Time  `json:"since,omitzero"`
	// Cursor is the last delivery row that was looked at, Through the last that
	// will be: what fails later is not part of it.
	Cursor  int64 `json:"-"`
	Through int64 `json:"-"`
	// Deliveries is how many were replayed so far.
	Deliveries int64     `json:"deliveries"`
	CreatedAt  time.Time `json:"created_at"`
	CreatedBy  string    `json:"created_by"`
	// FinishedAt is zero while it runs.
	FinishedAt time.Time `json:"finished_at,omitzero"`
}
