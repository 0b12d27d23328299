package keyring

import (
	"encoding/binary"
	"fmt"
)

// A record is 0x01 ‖ data key id (4 bytes, big endian) ‖ nonce (12) ‖
// ciphertext ‖ tag (16).
const (
	recordVersion = 1
	headerSize    = 5

	// Overhead is by how many bytes a record is longer than its plaintext.
	Overhead = headerSize + 12 + 16

	// MaxSeals is how many records one data key may seal: with more random
	// 96-bit nonces the chance of a repeated one passes 2^-32 (NIST SP 800-38D
	// section 8.3). The ring counts per process only, so rotate far earlier when
	// many processes seal; a data key a year is ample for secrets that people make.
	MaxSeals = 1 << 32
)

// Seal encrypts plaintext with the newest data key of purpose and ties it to
// aad, the encoded place it is stored at (see Location and AAD). The purpose
// needs no mention in aad: each data key has one purpose, sealed into its
// wrapping. Errors: ErrNoDataKey, ErrExhausted.
func (r *Ring) Seal(purpose string, aad, plaintext []byte) ([]byte, error) {
	d, ok := r.keys.Load().seals[purpose]
	if !ok {
		return nil, fmt.Errorf("seal: %w %q", ErrNoDataKey, purpose)
	}
	if d.sealed.Add(1) > MaxSeals {
		return nil, fmt.Errorf("seal: data key %d (%s): %w", d.id, purpose, ErrExhausted)
	}
	out := make([]byte, headerSize, Overhead+len(plaintext))
	out[0] = recordVersion
	binary.BigEndian.PutUint32(out[1:], d.id)
	return d.aead.Seal(out, nil, plaintext, aad), nil
}

// Unseal decrypts a record of purpose that was sealed with the same aad.
// Errors: ErrMalformed, ErrUnknownKey, ErrNotAuthentic.
func (r *Ring) Unseal(purpose string, aad, record []byte) ([]byte, error) {
	return r.AppendUnseal(nil, purpose, aad, record)
}

// AppendUnseal is Unseal that appends the plaintext to dst and allocates
// nothing when dst has room. The free room of dst must not overlap aad or
// record. On an error it returns nil, and may have cleared the free room.
func (r *Ring) AppendUnseal(dst []byte, purpose string, aad, record []byte) ([]byte, error) {
	id, err := KeyID(record)
	if err != nil {
		return nil, err
	}
	d, ok := r.keys.Load().byID[id]
	if !ok {
		return nil, fmt.Errorf("unseal: %w: %d", ErrUnknownKey, id)
	}
	if d.purpose != purpose {
		return nil, fmt.Errorf("unseal: %w: its data key %d is for %s, not for %s", ErrNotAuthentic, id, d.purpose, purpose)
	}
	out, err := d.aead.Open(dst, nil, record[headerSize:], aad)
	if err != nil {
		return nil, fmt.Errorf("unseal: %w", ErrNotAuthentic)
	}
	return out, nil
}

// KeyID tells which data key sealed the record: its bytes 1 to 4. It proves
// nothing about the rest. Errors: ErrMalformed.
func KeyID(record []byte) (uint32, error) {
	if len(record) < Overhead || record[0] != recordVersion {
		return 0, fmt.Errorf("%w: %d bytes", ErrMalformed, len(record))
	}
	return binary.BigEndian.Uint32(record[1:]), nil
}

// NeedsReseal reports whether the record was sealed by another key than the
// one that seals purpose now. It is true of a malformed record, so that Reseal
// gets to report it.
func (r *Ring) NeedsReseal(purpose string, record []byte) bool {
	id, err := KeyID(record)
	d, ok := r.keys.Load().seals[purpose]
	return err != nil || !ok || d.id != id
}

// Reseal seals the record's content anew, for the same place. Errors: those of
// Unseal and Seal.
func (r *Ring) Reseal(purpose string, aad, record []byte) ([]byte, error) {
	plain, err := r.Unseal(purpose, aad, record)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	return r.Seal(purpose, aad, plain)
}
