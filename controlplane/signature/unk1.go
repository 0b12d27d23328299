package signature

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"strings"
)

// The four headers of UNK1, each sent exactly once, in canonical form.
const (
	HeaderKey       = "X-Unk-Key"
	HeaderTimestamp = "X-Unk-Timestamp"
	HeaderNonce     = "X-Unk-Nonce"
	HeaderSignature = "X-Unk-Signature"
)

// Algorithm is the first line of the string to sign. It keeps a MAC of this
// scheme from ever being one of RFC 9421, so that one secret serves both.
const Algorithm = "UNK1-HMAC-SHA256"

// macPrefix begins the value of X-Unk-Signature.
const macPrefix = "v1="

// stackText is the longest string to sign that is built without the heap. A
// usual one has 200 to 300 bytes.
const stackText = 1024

// Message is what UNK1 signs. Every field is taken verbatim: Host is to be
// normalised by [Host] and Target checked by [Target] before.
type Message struct {
	Timestamp string // Unix seconds, ten digits
	Nonce     string // 16 to 64 of A-Z a-z 0-9 - _
	Method    string
	Host      string
	Target    string
	BodyHash  [sha256.Size]byte // SHA-256 of the body as sent; of nothing when there is none
}

// AppendStringToSign appends the seven lines, joined by LF, to dst.
func (m *Message) AppendStringToSign(dst []byte) []byte {
	dst = append(dst, Algorithm...)
	dst = append(dst, '\n')
	dst = append(dst, m.Timestamp...)
	dst = append(dst, '\n')
	dst = append(dst, m.Nonce...)
	dst = append(dst, '\n')
	dst = append(dst, m.Method...)
	dst = append(dst, '\n')
	dst = append(dst, m.Host...)
	dst = append(dst, '\n')
	dst = append(dst, m.Target...)
	dst = append(dst, '\n')
	return hex.AppendEncode(dst, m.BodyHash[:])
}

// Sum returns the MAC of m. It is all zeroes, which no gateway accepts, when a
// field of m holds an LF or k is the zero key.
func (k *MACKey) Sum(m *Message) [sha256.Size]byte {
	mac, _ := k.sumMessage(m)
	return mac
}

// Verify reports in constant time whether mac is the MAC of m.
func (k *MACKey) Verify(m *Message, mac [sha256.Size]byte) bool {
	want, ok := k.sumMessage(m)
	return subtle.ConstantTimeCompare(want[:], mac[:]) == 1 && ok
}

func (k *MACKey) sumMessage(m *Message) (mac [sha256.Size]byte, ok bool) {
	if m.slides() {
		return mac, false
	}
	var buf [stackText]byte
	return k.sum(m.AppendStringToSign(buf[:0]))
}

// slides reports whether a field holds an LF and could pass for two. No header
// and no request line can carry one; a caller that takes the fields from
// elsewhere must not weaken the scheme.
func (m *Message) slides() bool {
	return strings.IndexByte(m.Timestamp, '\n') >= 0 ||
		strings.IndexByte(m.Nonce, '\n') >= 0 ||
		strings.IndexByte(m.Method, '\n') >= 0 ||
		strings.IndexByte(m.Host, '\n') >= 0 ||
		strings.IndexByte(m.Target, '\n') >= 0
}

// FormatMAC returns the value of X-Unk-Signature for mac.
func FormatMAC(mac [sha256.Size]byte) string {
	return macPrefix + hex.EncodeToString(mac[:])
}
