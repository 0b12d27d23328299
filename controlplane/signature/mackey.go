package signature

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding"
	"errors"
	"fmt"
)

// ErrEmptySecret is returned for a secret of no bytes, under which anyone
// could sign.
var ErrEmptySecret = errors.New("signature: the secret is empty")

// errHashState is returned when crypto/sha256 neither writes nor reads the
// state layout below; a test pins the layout for the Go version in use.
var errHashState = errors.New("signature: crypto/sha256 has an unknown state format")

// The state that crypto/sha256 marshals: a magic, eight chaining words, one
// block of pending input, the length so far in bytes.
const (
	stateMagic = "sha\x03"
	stateSize  = len(stateMagic) + sha256.Size + sha256.BlockSize + 8
)

// MACKey is an HMAC-SHA256 key after its two key blocks were hashed: the
// chaining value of the inner hash (32 bytes), then that of the outer one.
// It signs as well as the secret does, so it must be guarded like the secret;
// the secret itself cannot be recovered from it.
//
// It is an array so that a snapshot can keep millions of them in one slice
// without a pointer: (*MACKey)(slab[i:i+64]) is a key in place. Starting from
// the chaining values saves two of four compressions and every allocation of
// crypto/hmac (250 ns against 760 ns on the same machine).
//
// The zero MACKey verifies nothing: an unset slot must not be a key that
// everyone knows.
type MACKey [2 * sha256.Size]byte

// NewMACKey derives the key from the secret as the text that was shown to the
// merchant, never decoded. It returns [ErrEmptySecret] for no bytes.
func NewMACKey(secret []byte) (MACKey, error) {
	if len(secret) == 0 {
		return MACKey{}, ErrEmptySecret
	}
	if len(secret) > sha256.BlockSize {
		sum := sha256.Sum256(secret)
		secret = sum[:]
	}
	var inner, outer [sha256.BlockSize]byte
	copy(inner[:], secret)
	copy(outer[:], secret)
	for i := range inner {
		inner[i] ^= 0x36 // ipad and opad, RFC 2104 §2
		outer[i] ^= 0x5c
	}
	var k MACKey
	buf := make([]byte, 0, stateSize)
	if err := errors.Join(chain(k[:sha256.Size], &inner, buf), chain(k[sha256.Size:], &outer, buf)); err != nil {
		return MACKey{}, err
	}
	return k, nil
}

// chain writes the chaining value after one block to dst, by way of buf.
func chain(dst []byte, block *[sha256.BlockSize]byte, buf []byte) error {
	digest := sha256.New()
	digest.Write(block[:])
	m, ok := digest.(encoding.BinaryAppender)
	if !ok {
		return errHashState
	}
	state, err := m.AppendBinary(buf)
	if err != nil || len(state) != stateSize || string(state[:len(stateMagic)]) != stateMagic {
		return errHashState
	}
	copy(dst, state[len(stateMagic):])
	return nil
}

// SumBytes returns the HMAC-SHA256 of text. The result is all zeroes for the
// zero key; use the Verify functions to check a MAC, never a comparison with
// this.
func (k *MACKey) SumBytes(text []byte) [sha256.Size]byte {
	mac, _ := k.sum(text)
	return mac
}

// VerifyBytes reports in constant time whether mac is the HMAC-SHA256 of text.
func (k *MACKey) VerifyBytes(text []byte, mac [sha256.Size]byte) bool {
	want, ok := k.sum(text)
	return subtle.ConstantTimeCompare(want[:], mac[:]) == 1 && ok
}

// sum stays one function: the compiler keeps the digest on the stack only
// while it can see its concrete type.
func (k *MACKey) sum(text []byte) (mac [sha256.Size]byte, ok bool) {
	if *k == (MACKey{}) {
		return mac, false
	}
	var state [stateSize]byte
	copy(state[:], stateMagic)
	state[stateSize-1] = sha256.BlockSize // bytes hashed so far
	digest := sha256.New()
	u, ok := digest.(encoding.BinaryUnmarshaler)
	if !ok {
		return mac, false
	}
	copy(state[len(stateMagic):], k[:sha256.Size])
	if u.UnmarshalBinary(state[:]) != nil {
		return mac, false
	}
	digest.Write(text)
	var inner [sha256.Size]byte
	digest.Sum(inner[:0])
	copy(state[len(stateMagic):], k[sha256.Size:])
	if u.UnmarshalBinary(state[:]) != nil {
		return mac, false
	}
	digest.Write(inner[:])
	digest.Sum(mac[:0])
	return mac, true
}

// Format keeps the key out of logs and error texts, whatever the verb.
func (MACKey) Format(s fmt.State, _ rune) {
	fmt.Fprint(s, "[redacted]")
}

// MarshalText keeps the key out of JSON and structured logs.
func (MACKey) MarshalText() ([]byte, error) {
	return []byte("[redacted]"), nil
}
