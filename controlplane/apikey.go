package controlplane

import (
	"fmt"
	"io"
	"math/big"
	"net/netip"
	"strings"
	"time"
)

// Environment separates real money from play money.
type Environment string

const (
	Live Environment = "live"
	Test Environment = "test"
)

// Valid reports whether e is one of the two environments.
func (e Environment) Valid() bool { return e == Live || e == Test }

// KeyState is where an API key stands in its life.
type KeyState string

const (
	KeyActive KeyState = "active"
	// KeyRetiring: a newer key exists; this one works until RetireAt.
	KeyRetiring KeyState = "retiring"
	KeyRevoked  KeyState = "revoked"
)

// APIKey is one half of a pair: the id that travels in the clear. The secret is
// sealed in the store and shown once, when the key is issued.
type APIKey struct {
	ID          string      `json:"id"`
	MerchantID  string      `json:"merchant_id"`
	Environment Environment `json:"environment"`
	// State is as stored; [APIKey.StateAt] also looks at the clock.
	State     KeyState  `json:"state"`
	CreatedAt time.Time `json:"created_at"`
	CreatedBy string    `json:"created_by"`
	// RetireAt is when a retiring key stops working, or when a revoked one did.
	RetireAt   time.Time  `json:"retire_at,omitzero"`
	LastUsedAt time.Time  `json:"last_used_at,omitzero"`
	LastUsedIP netip.Addr `json:"last_used_ip,omitzero"`
	Revision   int64      `json:"revision"`
}

// StateAt is the state of the key at a moment: a retiring key whose time has
// come is revoked without anyone having to write that down.
func (k APIKey) StateAt(now time.Time) KeyState {
	if k.State == KeyRetiring && !now.Before(k.RetireAt) {
		return KeyRevoked
	}
	return k.State
}

// Overlap is how long the old key works beside the new one after a rotation.
type Overlap time.Duration

// Overlaps are the choices of a rotation; DefaultOverlap is preset.
const (
	OverlapNone    = Overlap(0)
	OverlapHour    = Overlap(time.Hour)
	OverlapDay     = Overlap(24 * time.Hour)
	OverlapWeek    = Overlap(7 * 24 * time.Hour)
	DefaultOverlap = OverlapDay
)

// Valid reports whether o is one of the choices.
func (o Overlap) Valid() bool {
	switch o {
	case OverlapNone, OverlapHour, OverlapDay, OverlapWeek:
		return true
	}
	return false
}

// RevokedKeyRetention is how long a revoked key's secret is kept, so that its
// holder, proven by a good signature, is told "revoked" instead of "unknown".
const RevokedKeyRetention = 30 * 24 * time.Hour

const (
	keyIDChars  = 22 // of base62: 131 bits
	secretBytes = 32
	secretChars = 43 // of base62: what 32 bytes need
	crcChars    = 6  // of base62: what 32 bits need
	base62      = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// newKeyID returns "unk_live_" or "unk_test_" and 22 random base62 characters.
func newKeyID(env Environment, random io.Reader) (string, error) {
	text, err := randomText(random, base62, keyIDChars)
	return "unk_" + string(env) + "_" + text, err
}

// newSecret returns "unks_live_" or "unks_test_", 32 random bytes in base62 and
// the CRC-32 (IEEE) of all before it, so that scanners find leaked secrets and a
// typing mistake is told from a wrong secret.
func newSecret(env Environment, random io.Reader) (Secret, error) {
	var raw [secretBytes]byte
	if _, err := io.ReadFull(random, raw[:]); err != nil {
		return Secret{}, fmt.Errorf("read randomness for a secret: %w", err)
	}
	text := "unks_" + string(env) + "_" + toBase62(new(big.Int).SetBytes(raw[:]), secretChars)
	return NewSecret(text + secretChecksum(text)), nil
}

func secretChecksum(text string) string {
	sum := checksumOf([]byte(text))
	return string(sum[:])
}

// SecretLooksRight reports whether text has the form and the check sum of an API
// secret. It says nothing about whether any merchant holds it.
func SecretLooksRight(text string) bool {
	if len(text) != secretLength {
		return false
	}
	env := Environment(text[len("unks_"):len("unks_live")])
	_, ok := packSecret(env, []byte(text))
	return ok && env.Valid()
}

// toBase62 pads to width: all secrets have one length.
func toBase62(n *big.Int, width int) string {
	text := n.Text(62)
	return strings.Repeat("0", width-len(text)) + text
}

// randomText draws n characters of alphabet without modulo bias.
func randomText(random io.Reader, alphabet string, n int) (string, error) {
	limit := byte(256 / len(alphabet) * len(alphabet) & 0xff)
	out := make([]byte, 0, n)
	var buf [64]byte
	for len(out) < n {
		if _, err := io.ReadFull(random, buf[:]); err != nil {
			return "", fmt.Errorf("read randomness: %w", err)
		}
		for _, b := range buf {
			if (limit == 0 || b < limit) && len(out) < n {
				out = append(out, alphabet[int(b)%len(alphabet)])
			}
		}
	}
	return string(out), nil
}
