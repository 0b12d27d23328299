package account

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

const (
	prefixSession = "ses_"
	prefixSeed    = "otp_"
	// tokenBytes are the random half of a session token, and a device token.
	tokenBytes = 32
)

var tokenEncoding = base64.RawURLEncoding.Strict()

// newToken draws 256 random bits and returns them as text and hashed. Only the
// hash is stored: who reads the database cannot sign in with it.
func newToken(random io.Reader) (controlplane.Secret, [32]byte, error) {
	var raw [tokenBytes]byte
	if _, err := io.ReadFull(random, raw[:]); err != nil {
		return controlplane.Secret{}, [32]byte{}, fmt.Errorf("read randomness for a token: %w", err)
	}
	return controlplane.NewSecret(tokenEncoding.EncodeToString(raw[:])), sha256.Sum256(raw[:]), nil
}

// tokenHash is the hash of a token, false for text that is none.
func tokenHash(text string) (hash [32]byte, ok bool) {
	if len(text) != tokenEncoding.EncodedLen(tokenBytes) {
		return hash, false
	}
	raw, err := tokenEncoding.DecodeString(text)
	if err != nil || len(raw) != tokenBytes {
		return hash, false
	}
	return sha256.Sum256(raw), true
}

// newSessionToken makes the id of a session and its token, id.secret: the id finds
// the row, and the secret is compared in constant time.
func newSessionToken(now time.Time, random io.Reader) (id string, token controlplane.Secret, hash [32]byte, err error) {
	if id, err = controlplane.NewID(prefixSession, now, random); err != nil {
		return "", token, hash, err
	}
	secret, hash, err := newToken(random)
	return id, controlplane.NewSecret(id + "." + secret.Reveal()), hash, err
}

func parseSessionToken(token controlplane.Secret) (id string, hash [32]byte, ok bool) {
	id, secret, found := strings.Cut(token.Reveal(), ".")
	if _, isID := controlplane.ParseID(prefixSession, id); !found || !isID {
		return "", hash, false
	}
	hash, ok = tokenHash(secret)
	return id, hash, ok
}

func sameHash(a, b [32]byte) bool { return subtle.ConstantTimeCompare(a[:], b[:]) == 1 }
