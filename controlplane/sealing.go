package controlplane

import (
	"context"
	"encoding/binary"
)

// Sealer encrypts what must be recoverable. The keyring implements it.
type Sealer interface {
	Seal(purpose string, aad, plaintext []byte) ([]byte, error)
	Unseal(purpose string, aad, record []byte) ([]byte, error)
}

// Purposes of data keys. Each has a key of its own, so that a fault in one use
// cannot expose another.
const (
	PurposeAPISecret = "api_secret"
	PurposeTOTPSeed  = "totp_seed"
)

// Purposes lists them all: a keyring has a data key for each.
func Purposes() []string { return []string{PurposeAPISecret, PurposeTOTPSeed, PurposeWebhookSecret} }

// SecretLocation says where a sealed record lives. It is the additional data of
// the encryption: a record moved to another row, column, merchant or environment
// does not open.
type SecretLocation struct {
	Table       string
	Column      string
	Row         string
	Merchant    string
	Environment Environment
}

// AAD encodes the location so that no two locations share an encoding.
func (l SecretLocation) AAD() []byte { return l.AppendAAD(nil) }

// AppendAAD is AAD into a buffer that the caller uses again.
func (l SecretLocation) AppendAAD(out []byte) []byte {
	for _, s := range [...]string{l.Table, l.Column, l.Row, l.Merchant, string(l.Environment)} {
		out = binary.AppendUvarint(out, uint64(len(s)))
		out = append(out, s...)
	}
	return out
}

// APISecretLocation is where the secret of an API key is stored.
func APISecretLocation(keyID, merchantID string, env Environment) SecretLocation {
	return SecretLocation{Table: "api_keys", Column: "secret", Row: keyID, Merchant: merchantID, Environment: env}
}

// TOTPSeedLocation is where the seed of an account's second factor is stored.
func TOTPSeedLocation(seedID, merchantID string) SecretLocation {
	return SecretLocation{Table: "totp_seeds", Column: "seed", Row: seedID, Merchant: merchantID}
}

// PasswordHasher makes a hash that cannot be turned back. It may wait for a slot:
// hashing is expensive on purpose and bounded in memory.
type PasswordHasher interface {
	Hash(ctx context.Context, password Secret) (Secret, error)
}
