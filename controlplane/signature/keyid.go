package signature

import "strings"

// Environment is what a key may reach: real money or none.
type Environment string

// The two environments, as X-Unk-Environment carries them.
const (
	Live Environment = "live"
	Test Environment = "test"
)

// The parts of a key id: one of two prefixes, then 22 of A-Z a-z 0-9.
const (
	LivePrefix   = "unk_live_"
	TestPrefix   = "unk_test_"
	keyIDLength  = len(LivePrefix) + keyIDRandoms
	keyIDRandoms = 22
)

// EnvironmentOf returns the environment that a key id names, and false when
// the text is not a key id.
func EnvironmentOf(keyID string) (Environment, bool) {
	if len(keyID) != keyIDLength {
		return "", false
	}
	for i := len(LivePrefix); i < len(keyID); i++ {
		if !alphanumeric(keyID[i]) {
			return "", false
		}
	}
	switch keyID[:len(LivePrefix)] {
	case LivePrefix:
		return Live, true
	case TestPrefix:
		return Test, true
	}
	return "", false
}

func alphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// Nonces are long enough to be unique without a counter, and short enough for
// a store of millions.
const (
	nonceMin = 16
	nonceMax = 64
)

func validNonce(s string) bool { return nonceOf(s, "-_") }

// validStandardNonce also accepts the other letters of base64: libraries for
// RFC 9421 make nonces in base64 and do not let their users choose.
func validStandardNonce(s string) bool { return nonceOf(s, "-_+/=") }

func nonceOf(s, punctuation string) bool {
	if len(s) < nonceMin || len(s) > nonceMax {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !alphanumeric(c) && strings.IndexByte(punctuation, c) < 0 {
			return false
		}
	}
	return true
}
