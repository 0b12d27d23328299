package gate

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/signature"
)

// Limits of the clock skew that a gate tolerates.
const (
	DefaultSkew = 300 * time.Second
	MinSkew     = 60 * time.Second
	MaxSkew     = 900 * time.Second
)

// NonceStore remembers which nonces were used.
type NonceStore interface {
	// Use records the nonce of a key in one step and reports whether it was
	// fresh. timestamp is when the request was signed, expires until when the
	// nonce has to be remembered, both in Unix seconds. With an error nothing is
	// known about the nonce.
	Use(ctx context.Context, keyID, nonce string, timestamp, expires int64) (fresh bool, err error)
	// NotBefore is the Unix second up to which used nonces may have been
	// forgotten: requests signed then or before cannot be told from replays.
	NotBefore() int64
}

// Config is what a gate decides by. Snapshot, Nonces and Clock are required.
type Config struct {
	// Snapshot returns the newest snapshot, or nil when there is none, or none
	// that is young enough to decide by.
	Snapshot func() *controlplane.Snapshot
	Nonces   NonceStore
	Clock    func() time.Time
	// Environment is the one that the route is for; "" takes that of the key.
	Environment controlplane.Environment
	// Skew is how far a timestamp may be from the clock, in whole seconds from
	// MinSkew to MaxSkew; 0 means DefaultSkew.
	Skew time.Duration
	// Limiter limits requests per key; nil does not.
	Limiter *Limiter
}

// Gate decides about requests. It is safe for concurrent use.
type Gate struct {
	config Config
	skew   int64 // seconds
	hints  budget
	// One search for a hint at a time: several would share the processors evenly with
	// the requests that pass.
	searching sync.Mutex
}

// These bound the work that wrong signatures of test keys can cause: a hint costs
// up to a millisecond. With 50 at once, a flood raised the p99 of requests that pass
// on the same core from 1.5 ms to 21.
const (
	hintsPerSecond = 20
	hintsAtOnce    = 10
)

// New returns a gate. It fails when the configuration makes no sense.
func New(c Config) (*Gate, error) {
	if c.Snapshot == nil || c.Nonces == nil || c.Clock == nil {
		return nil, errors.New("gate: a part is missing")
	}
	if c.Environment != "" && !c.Environment.Valid() {
		return nil, fmt.Errorf("gate: environment %q is neither live nor test", c.Environment)
	}
	if c.Skew == 0 {
		c.Skew = DefaultSkew
	}
	if c.Skew < MinSkew || c.Skew > MaxSkew || c.Skew%time.Second != 0 {
		return nil, fmt.Errorf("gate: the clock skew must be whole seconds from %s to %s, not %s", MinSkew, MaxSkew, c.Skew)
	}
	hints, err := newSchedule(hintsPerSecond, hintsAtOnce)
	if err != nil {
		return nil, err
	}
	return &Gate{config: c, skew: int64(c.Skew / time.Second), hints: budget{schedule: hints}}, nil
}

// Admission is a request that has passed every check that needs no body. It is
// valid for one request, and only together with the Request it was made of.
type Admission struct {
	credentials signature.Credentials
	request     signature.Request
	snapshot    *controlplane.Snapshot
	credential  controlplane.Credential
	rawHost     string
	rawInput    string
	facts       Facts
	// dead says why the key does not work. Its request goes on to the MAC all the
	// same, because only who holds the secret is told why.
	dead string
}

// Facts is what is known of the request; it is proven once Verify has returned
// nil.
func (a *Admission) Facts() Facts { return a.facts }

// Admit checks everything that comes before the body: shape, key, environment,
// address, time and rate, in this order; the first that fails is the answer.
// Nothing of the request is proven yet: the body must be read and given to
// [Gate.Verify], and the headers must stay as they are until then. It allocates
// nothing when it succeeds.
//
// That a key id exists can be told from the answers: an unknown one never gets to
// the check of the address. Ids have 131 random bits, so nobody finds one that
// way. Whether an id that exists still works is told only to who holds its secret:
// for that, requests of keys that do not work are read to the end too, within the
// same limits and only from their merchant's own addresses.
func (g *Gate) Admit(r *Request) (Admission, *Refusal) {
	a := Admission{rawHost: r.Host, facts: Facts{ClientIP: r.ClientIP.Unmap().WithZone("")}}
	if refusal := r.shape(&a); refusal != nil {
		return a, refusal
	}
	now := g.config.Clock()
	if refusal := g.authorise(&a, now); refusal != nil {
		return a, refusal
	}
	if refusal := g.onTime(&a, now); refusal != nil {
		return a, a.unlessDead(refusal)
	}
	if refusal := g.inRate(&a, now); refusal != nil {
		return a, a.unlessDead(refusal)
	}
	return a, nil
}

// authorise looks key and address up in the newest snapshot.
func (g *Gate) authorise(a *Admission, now time.Time) *Refusal {
	a.snapshot = g.config.Snapshot()
	if a.snapshot == nil {
		return unavailable(&a.facts, nil)
	}
	f := &a.facts
	f.Revision = a.snapshot.Revision()
	var ok bool
	if a.credential, ok = a.snapshot.Key(a.credentials.KeyID); !ok {
		return keyInvalid(f)
	}
	merchant := a.credential.Merchant()
	f.Merchant, f.KeyID, f.Environment = merchant.Raw(), a.credentials.KeyID, a.credential.Environment()
	a.dead = deadness(a.credential, merchant, now)
	if g.config.Environment != "" && g.config.Environment != f.Environment {
		return a.unlessDead(envMismatch(f, g.config.Environment))
	}
	if f.AllowlistRow, ok = merchant.Allowed(f.ClientIP); !ok {
		return a.unlessDead(ipNotAllowed(f))
	}
	return nil
}

// The values of details.reason of KEY_INVALID.
const (
	reasonRevoked   = "revoked"
	reasonExpired   = "expired"
	reasonSuspended = "merchant_suspended"
)

// deadness says why a known key does not work; "" if it does.
func deadness(c controlplane.Credential, m controlplane.SnapshotMerchant, now time.Time) string {
	switch state := c.StateAt(now); {
	case state != controlplane.KeyActive && state != controlplane.KeyRetiring:
		if c.State() == controlplane.KeyRetiring {
			return reasonExpired // its replacement has taken over
		}
		return reasonRevoked
	case m.Suspended():
		return reasonSuspended
	}
	return ""
}

// unlessDead answers for a key that does not work as for one that is unknown: the
// difference is only for who holds its secret.
func (a *Admission) unlessDead(r *Refusal) *Refusal {
	if a.dead == "" {
		return r
	}
	hidden := keyInvalid(&a.facts)
	hidden.Because = a.dead
	return hidden
}

func (g *Gate) onTime(a *Admission, now time.Time) *Refusal {
	difference := a.credentials.Created - now.Unix()
	if difference > g.skew || difference < -g.skew || a.credentials.Expired(now) {
		return outOfRange(&a.facts, now.Unix(), difference, g.skew)
	}
	if a.credentials.Created <= g.config.Nonces.NotBefore() {
		return forgotten(&a.facts, now.Unix(), difference, g.skew)
	}
	return nil
}

func (g *Gate) inRate(a *Admission, now time.Time) *Refusal {
	if g.config.Limiter == nil {
		return nil
	}
	if wait := g.config.Limiter.take(a.credentials.KeyID, now); wait > 0 {
		return rateLimited(&a.facts, wait)
	}
	return nil
}

// BodyTooLarge is the refusal of a body of more than limit bytes.
func (a *Admission) BodyTooLarge(limit int64) *Refusal {
	return a.unlessDead(bodyTooLarge(&a.facts, limit))
}

// BodyTimeout is the refusal of a body that did not arrive within limit.
func (a *Admission) BodyTimeout(limit time.Duration) *Refusal {
	return a.unlessDead(bodyTimeout(&a.facts, limit))
}

// Unavailable is the refusal of a request that cannot be checked for lack of
// something on our side, such as memory for its body. The cause is for the log.
func (a *Admission) Unavailable(cause error) *Refusal {
	return a.unlessDead(unavailable(&a.facts, cause))
}

// BodyHashes says which hashes of the body Verify needs.
func (a *Admission) BodyHashes() signature.Hashes { return a.credentials.BodyHashes() }

// Verify checks the MAC over the body that was read and, if it is good, records
// the nonce. A nil result means that the merchant of [Admission.Facts] sent this
// request, once. raw is the body itself if it is still in memory, else nil; it is
// read only to explain a wrong signature of a test key. Verify allocates nothing
// when it succeeds.
func (g *Gate) Verify(ctx context.Context, a *Admission, body signature.Body, raw []byte) *Refusal {
	now := g.config.Clock()
	// A slow body gives time to revoke the key.
	if g.config.Snapshot() != a.snapshot {
		if refusal := g.authorise(a, now); refusal != nil {
			return refusal
		}
	}
	a.request.Body = body
	mac := a.credential.MAC()
	if err := a.credentials.Verify(&mac, &a.request); err != nil {
		return a.unlessDead(g.wrongSignature(a, err, raw, now))
	}
	if a.dead != "" {
		return keyDead(a)
	}
	return g.useNonce(ctx, a, now)
}

// useNonce is last: recorded before the MAC was good, nonces could be burnt by
// anyone.
func (g *Gate) useNonce(ctx context.Context, a *Admission, now time.Time) *Refusal {
	c := &a.credentials
	// The second after the last in which the timestamp is within the skew.
	fresh, err := g.config.Nonces.Use(ctx, c.KeyID, c.Nonce, c.Created, c.Created+g.skew+1)
	switch {
	case err != nil && c.Created <= g.config.Nonces.NotBefore():
		return forgotten(&a.facts, now.Unix(), c.Created-now.Unix(), g.skew)
	case err != nil:
		return unavailable(&a.facts, err)
	case !fresh:
		return replayed(&a.facts)
	}
	return nil
}
