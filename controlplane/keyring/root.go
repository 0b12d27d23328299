package keyring

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
)

const (
	keySize = 32 // AES-256, root and data keys alike

	// The labels part what is derived from the root (RFC 5869 section 3.2): the
	// fingerprint is public and must tell nothing about the key-encryption key.
	labelKEK         = "merchant-gateway keyring v1 key encryption"
	labelFingerprint = "merchant-gateway keyring v1 fingerprint"
	labelLocal       = "merchant-gateway keyring v1 local files"

	fingerprintSize = 8
)

var errRootText = errors.New("want 32 random bytes in base64 (44 characters, as printed by: openssl rand -base64 32)")

// Root wraps and unwraps data keys. It keeps what was derived from the root
// key, never the key itself, and prints as [redacted].
type Root struct {
	redacted
	id    string
	kek   cipher.AEAD
	local cipher.AEAD
}

// ID is the public fingerprint of the root: 16 hexadecimal digits.
func (r *Root) ID() string {
	if r == nil {
		return ""
	}
	return r.id
}

func (r *Root) check() error {
	if r == nil || r.kek == nil {
		return errNoRoot
	}
	return nil
}

func newRoot(key []byte) (*Root, error) {
	if bytes.Equal(key, make([]byte, keySize)) {
		return nil, errors.New("all 32 bytes are zero, this is no random key")
	}
	id, err := hkdf.Key(sha256.New, key, nil, labelFingerprint, fingerprintSize)
	if err != nil {
		return nil, fmt.Errorf("derive fingerprint: %w", err)
	}
	kek, err := deriveAEAD(key, labelKEK)
	if err != nil {
		return nil, err
	}
	local, err := deriveAEAD(key, labelLocal)
	if err != nil {
		return nil, err
	}
	return &Root{id: hex.EncodeToString(id), kek: kek, local: local}, nil
}

func deriveAEAD(key []byte, label string) (cipher.AEAD, error) {
	raw, err := hkdf.Key(sha256.New, key, nil, label, keySize)
	if err != nil {
		return nil, fmt.Errorf("derive %q: %w", label, err)
	}
	defer clear(raw)
	return newAEAD(raw)
}

// parseRoot reads the content of a root file. Its errors tell nothing about
// the content, not even the offset of a wrong character.
func parseRoot(text []byte) (*Root, error) {
	text = bytes.TrimSpace(text)
	if len(text) != base64.StdEncoding.EncodedLen(keySize) {
		return nil, errRootText
	}
	var key [keySize + 1]byte // 44 characters could decode to 33 bytes
	defer clear(key[:])
	n, err := base64.StdEncoding.Strict().Decode(key[:], text)
	if err != nil || n != keySize {
		return nil, errRootText
	}
	return newRoot(key[:keySize])
}

// newAEAD draws the 96-bit nonces itself, from the system's generator: GCM
// loses its strength with one repeated nonce, so no caller may choose them (NIST SP 800-38D section 8.2.2).
func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("aes: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("gcm: %w", err)
	}
	return aead, nil
}
