package account

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"io"
	"strings"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

const (
	recoveryCodes = 10
	// recoveryBytes make 24 characters of base32. At 120 random bits, a plain hash
	// is as good as a slow one.
	recoveryBytes = 15
	recoveryGroup = 6
)

// crockford has no i, l, o or u to misread.
var crockford = base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)

// newRecoveryCodes draws ten codes as people will read them, in four groups of
// six, and the hashes to store.
func newRecoveryCodes(random io.Reader) (codes []controlplane.Secret, hashes [][32]byte, err error) {
	for range recoveryCodes {
		var raw [recoveryBytes]byte
		if _, err := io.ReadFull(random, raw[:]); err != nil {
			return nil, nil, fmt.Errorf("read randomness for recovery codes: %w", err)
		}
		text := crockford.EncodeToString(raw[:])
		codes = append(codes, controlplane.NewSecret(grouped(text)))
		hashes = append(hashes, sha256.Sum256([]byte(text)))
	}
	return codes, hashes, nil
}

func grouped(text string) string {
	var groups []string
	for ; len(text) > recoveryGroup; text = text[recoveryGroup:] {
		groups = append(groups, text[:recoveryGroup])
	}
	return strings.Join(append(groups, text), "-")
}

// recoveryHash reads a code as people type it: in any case, with or without the
// dashes, and with the letters that Crockford's alphabet left out.
func recoveryHash(code controlplane.Secret) (hash [32]byte, ok bool) {
	const endless = 256
	if len(code.Reveal()) > endless {
		return hash, false
	}
	text := strings.NewReplacer("-", "", " ", "", "\t", "", "O", "0", "I", "1", "L", "1").Replace(strings.ToUpper(code.Reveal()))
	raw, err := crockford.DecodeString(text)
	if err != nil || len(raw) != recoveryBytes || crockford.EncodeToString(raw) != text {
		return hash, false
	}
	return sha256.Sum256([]byte(text)), true
}
