package controlplane

import (
	"encoding/base32"
	"fmt"
	"io"
	"strings"
	"time"
)

// Prefixes of the ids. They tell a reader of a log what an id is.
const (
	PrefixMerchant = "mer_"
	PrefixUser     = "usr_"
	PrefixStaff    = "stf_"
	PrefixRequest  = "req_"
	PrefixEntry    = "ipa_"
	// PrefixEvent is that of the webhook-id.
	PrefixEvent          = "evt_"
	PrefixEndpoint       = "wep_"
	PrefixEndpointSecret = "whs_"
	PrefixDelivery       = "dlv_"
	PrefixReplay         = "rpl_"
	PrefixServiceToken   = "svt_"
	PrefixStaffToken     = "stt_"

	PrefixNode = "nod_"

	PrefixApproval         = "apr_"
	PrefixAllowlistRequest = "alr_"
)

// Crockford's alphabet, lower case: no i, l, o or u to misread, and in ASCII
// order, so that ids sort as their times do.
var idEncoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// idLastChars are the characters whose two low bits are zero.
const idLastChars = "048cgmrw"

// idLength is the length of an id after its prefix: 128 bits in base32.
const idLength = 26

// NewID returns prefix followed by 48 bits of Unix milliseconds and 80 random
// bits in 26 characters. Ids are time-ordered because random primary keys cut the
// measured insert rate of the store to a third.
func NewID(prefix string, now time.Time, random io.Reader) (string, error) {
	var b [16]byte
	ms := uint64(now.UnixMilli())
	for i := range 6 {
		b[i] = byte(ms >> (40 - 8*i))
	}
	if _, err := io.ReadFull(random, b[6:]); err != nil {
		return "", fmt.Errorf("read randomness for an id: %w", err)
	}
	return prefix + idEncoding.EncodeToString(b[:]), nil
}

// ParseID returns the 16 bytes of an id with the given prefix; ok is false for
// anything [NewID] could not have made.
func ParseID(prefix, id string) (raw [16]byte, ok bool) {
	if len(id) != len(prefix)+idLength || id[:len(prefix)] != prefix {
		return raw, false
	}
	n, err := idEncoding.Decode(raw[:], []byte(id[len(prefix):]))
	if err != nil || n != len(raw) {
		return raw, false
	}
	// 26 characters hold 130 bits; the two spare ones must be zero, or two texts
	// would name one thing.
	return raw, strings.IndexByte(idLastChars, id[len(id)-1]) >= 0
}

// FormatID is the inverse of [ParseID].
func FormatID(prefix string, raw [16]byte) string {
	var buf [64]byte // on the stack: two ids are made for each request
	return string(idEncoding.AppendEncode(append(buf[:0], prefix...), raw[:]))
}
