package delivery

import (
	"context"
	"net/netip"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// Sender makes one attempt. Send must return within the total deadline of an
// attempt (15 s) and soon after ctx ends, must be safe for concurrent use, and
// must not panic.
type Sender interface {
	Send(ctx context.Context, r Request) Result
}

// Request is what one attempt sends.
type Request struct {
	// EventID is the webhook-id: the same over retries and replays.
	EventID string
	// URL as the merchant saved it. It was good then; what it resolves to now has
	// to be checked again.
	URL string
	// Secrets are the "whsec_…" texts to sign with, newest first: two of them
	// during the overlap of a rotation. Never empty.
	Secrets []controlplane.Secret
	// Body is the stored bytes: signed and sent as they are. It must not be
	// changed.
	Body []byte
	// At is the webhook-timestamp, and the beginning of the attempt.
	At time.Time
}

// Result is what became of an attempt.
type Result struct {
	// Fault is [controlplane.FaultNone] for 2xx, [controlplane.FaultStatus] for any
	// other answer, and else what kept the answer away.
	Fault controlplane.Fault
	// Detail is the fault in words that a merchant may read: no address that was
	// blocked, no secret, no path of this machine.
	Detail string
	// Status of the answer; 0 if there was none.
	Status int
	// RequestHeader and Header are what was sent and answered, in order, redacted
	// where it could hold a secret. Retry-After and Date are kept as they are: the
	// engine reads them.
	RequestHeader []controlplane.Header
	Header        []controlplane.Header
	// Body is the first [controlplane.MaxKeptBody] bytes of the answer; BodyCut:
	// there were more.
	Body    []byte
	BodyCut bool
	// Address is what was dialled, also when the connection was used again.
	Address netip.AddrPort
	Phases  controlplane.Phases
}
