package account

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"io"
	"runtime"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

const (
	// MaxSlots bounds the default number of hashes at once, and with it their
	// memory. Measured with 200 people signing in at once, the heap peaks at
	// 173 MiB with 4 slots and at 40 MiB with 1; 76 and 19 MiB of it are in use,
	// the rest waits for the collector.
	MaxSlots = 4
	// DefaultWait is how long a call waits for a slot.
	DefaultWait = 2 * time.Second
	// busyRetry is when those who got no slot should come back.
	busyRetry = 5 * time.Second
)

// HasherConfig says what a [Hasher] may use. The zero value is the preset.
type HasherConfig struct {
	// Random is where salts come from; nil means crypto/rand.
	Random io.Reader
	// Slots is the number of hashes at once, each with 19 MiB and one core; 0
	// means half the cores, 1 to [MaxSlots], so that a flood of sign-ins leaves
	// the other half to the gateway.
	Slots int
	// Wait is how long a call may wait for a slot; 0 means [DefaultWait].
	Wait time.Duration
}

// Hasher makes and checks argon2id hashes, a bounded number at a time. It is safe
// for concurrent use.
//
// Every method returns [controlplane.CodeUnavailable] with a RetryAfter when no
// slot came free in time: 200 sign-ins at once would otherwise ask for 3.8 GiB.
type Hasher struct {
	random io.Reader
	slots  chan struct{}
	wait   time.Duration
	derive func(password, salt []byte, c cost) []byte
	// helpers is nil while hashes are made in this process.
	helpers *helpers
}

// NewHasher returns a Hasher.
func NewHasher(c HasherConfig) *Hasher {
	if c.Random == nil {
		c.Random = rand.Reader
	}
	if c.Slots <= 0 {
		c.Slots = min(max(runtime.GOMAXPROCS(0)/2, 1), MaxSlots)
	}
	if c.Wait <= 0 {
		c.Wait = DefaultWait
	}
	return &Hasher{random: c.Random, slots: make(chan struct{}, c.Slots), wait: c.Wait, derive: argon2id}
}

func argon2id(password, salt []byte, c cost) []byte {
	return argon2.IDKey(password, salt, c.time, c.memory, c.lanes, keyLength)
}

var _ controlplane.PasswordHasher = (*Hasher)(nil)

// Hash returns the PHC string of a password under a fresh salt.
func (h *Hasher) Hash(ctx context.Context, password controlplane.Secret) (controlplane.Secret, error) {
	salt := make([]byte, saltLength)
	if _, err := io.ReadFull(h.random, salt); err != nil {
		return controlplane.Secret{}, fmt.Errorf("read randomness for a salt: %w", err)
	}
	key, err := h.run(ctx, password, salt, presentCost)
	if err != nil {
		return controlplane.Secret{}, err
	}
	return controlplane.NewSecret(phc{presentCost, salt, key}.String()), nil
}

// Verify reports whether password is what hash was made of, and whether the hash
// should be made anew because it is cheaper than those of today. A malformed hash
// is an error, never a match.
func (h *Hasher) Verify(ctx context.Context, hash, password controlplane.Secret) (ok, needsRehash bool, err error) {
	want, err := parsePHC(hash.Reveal())
	if err != nil {
		return false, false, err
	}
	key, err := h.run(ctx, password, want.salt, want.cost)
	if err != nil {
		return false, false, err
	}
	if subtle.ConstantTimeCompare(key, want.key) != 1 {
		return false, false, nil
	}
	return true, want.cost != presentCost, nil
}

// DummyVerify takes as long as [Hasher.Verify] and matches nothing. Sign-in calls
// it for names that nobody has: a quick answer would say so.
func (h *Hasher) DummyVerify(ctx context.Context, password controlplane.Secret) error {
	_, err := h.run(ctx, password, make([]byte, saltLength), presentCost)
	return err
}

// run derives a key once there is a slot.
func (h *Hasher) run(ctx context.Context, password controlplane.Secret, salt []byte, c cost) ([]byte, error) {
	timer := time.NewTimer(h.wait)
	defer timer.Stop()
	select {
	case h.slots <- struct{}{}:
	case <-timer.C:
		return nil, &controlplane.Error{
			Code: controlplane.CodeUnavailable, RetryAfter: busyRetry,
			Message: "too many people are signing in at this moment; try again in a few seconds",
		}
	case <-ctx.Done():
		return nil, &controlplane.Error{
			Code: controlplane.CodeUnavailable, RetryAfter: busyRetry, Err: context.Cause(ctx),
			Message: "the sign-in was given up while it waited for its turn",
		}
	}
	defer func() { <-h.slots }()
	return h.derive([]byte(password.Reveal()), salt, c), nil
}
