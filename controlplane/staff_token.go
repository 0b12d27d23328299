package controlplane

import (
	"crypto/sha256"
	"io"
	"strings"
	"time"
)

// StaffToken lets a program act as a member of staff, through the admin API. The
// token itself is shown once; its SHA-256 is stored.
//
// It has the role that its member has, and ends with whatever ends their sessions:
// disabling, another role, another password, a second factor that is reset.
type StaffToken struct {
	ID string `json:"id"`
	// StaffID and Username are whose token it is.
	StaffID  string `json:"staff_id"`
	Username string `json:"username"`
	Name     string `json:"name"`
	// Confirmed: it may do what asks people to confirm who they are. It was made by
	// somebody who had just done so, for a member with a second factor.
	Confirmed bool      `json:"confirmed"`
	CreatedAt time.Time `json:"created_at"`
	CreatedBy string    `json:"created_by"`
	ExpiresAt time.Time `json:"expires_at"`
	// RevokedAt is zero while the token was not revoked.
	RevokedAt time.Time `json:"revoked_at,omitzero"`
	// LastUsedAt is right to the minute.
	LastUsedAt time.Time `json:"last_used_at,omitzero"`
	// SecurityVersion is that of the member when the token was made.
	SecurityVersion int64    `json:"-"`
	Hash            [32]byte `json:"-"`
}

// worksFor reports whether the token may be used, at a moment, by its member as
// they are then.
func (t StaffToken) worksFor(m Staff, now time.Time) bool {
	return t.RevokedAt.IsZero() && now.Before(t.ExpiresAt) && !m.Disabled && m.SecurityVersion == t.SecurityVersion
}

// StaffTokenFilter selects staff tokens.
type StaffTokenFilter struct {
	// StaffID: empty means everyone's.
	StaffID string `json:"staff_id,omitempty" validate:"max=64"`
}

const (
	// staffTokenPrefix shares "unks_" with the other secrets, as that of service
	// tokens does.
	staffTokenPrefix = "unks_staff_"
	staffTokenChars  = 32 // of base62: 190 bits
)

// newStaffToken returns "unks_staff_", 32 random base62 characters and the CRC-32
// of all before it.
func newStaffToken(random io.Reader) (Secret, error) {
	text, err := randomText(random, base62, staffTokenChars)
	if err != nil {
		return Secret{}, err
	}
	text = staffTokenPrefix + text
	return NewSecret(text + secretChecksum(text)), nil
}

// staffTokenHash returns what a token is found by; ok is false for a text that was
// never one, which needs no look-up.
func staffTokenHash(token string) (hash [32]byte, ok bool) {
	body, found := strings.CutPrefix(token, staffTokenPrefix)
	if !found || len(body) != staffTokenChars+crcChars {
		return hash, false
	}
	if n := len(token) - crcChars; token[n:] != secretChecksum(token[:n]) {
		return hash, false
	}
	return sha256.Sum256([]byte(token)), true
}
