package controlplane

import (
	"crypto/sha256"
	"io"
	"strings"
	"time"
)

// RoleService is the platform's own backend, which proves itself by a service
// token and may do one thing: hand events in.
const RoleService Role = "service"

// ServiceToken lets a backend of the platform hand events in. The token itself is
// shown once; its SHA-256 is stored.
type ServiceToken struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"created_at"`
	CreatedBy string    `json:"created_by"`
	// RevokedAt is zero while the token works.
	RevokedAt time.Time `json:"revoked_at,omitzero"`
	// LastUsedAt is right to the minute.
	LastUsedAt time.Time `json:"last_used_at,omitzero"`
	Hash       [32]byte  `json:"-"`
}

const (
	// serviceTokenPrefix shares "unks_" with API secrets, for scanners, and for
	// what must not repeat a secret that was pasted into the wrong place.
	serviceTokenPrefix = "unks_svc_"
	serviceTokenChars  = 32 // of base62: 190 bits
)

// newServiceToken returns "unks_svc_", 32 random base62 characters and the CRC-32
// of all before it.
func newServiceToken(random io.Reader) (Secret, error) {
	text, err := randomText(random, base62, serviceTokenChars)
	if err != nil {
		return Secret{}, err
	}
	text = serviceTokenPrefix + text
	return NewSecret(text + secretChecksum(text)), nil
}

// serviceTokenHash returns what a token is found by; ok is false for a text that
// was never one, which needs no look-up.
func serviceTokenHash(token string) (hash [32]byte, ok bool) {
	body, found := strings.CutPrefix(token, serviceTokenPrefix)
	if !found || len(body) != serviceTokenChars+crcChars {
		return hash, false
	}
	if n := len(token) - crcChars; token[n:] != secretChecksum(token[:n]) {
		return hash, false
	}
	return sha256.Sum256([]byte(token)), true
}
