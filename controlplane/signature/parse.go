package signature

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// The four headers in the order in which faults are reported.
const (
	fieldKey = iota
	fieldTimestamp
	fieldNonce
	fieldSignature
	fieldCount
)

func parseUNK1(fields *[fieldCount][]string) (Credentials, error) {
	names := [fieldCount]string{HeaderKey, HeaderTimestamp, HeaderNonce, HeaderSignature}
	for i, values := range fields {
		if len(values) != 1 {
			return Credentials{}, notOnce(names[i], len(values))
		}
	}
	c := Credentials{
		Scheme:    UNK1,
		KeyID:     fields[fieldKey][0],
		Timestamp: fields[fieldTimestamp][0],
		Nonce:     fields[fieldNonce][0],
	}
	if err := c.parseValues(fields[fieldSignature][0]); err != nil {
		return Credentials{}, err
	}
	return c, nil
}

func (c *Credentials) parseValues(signature string) error {
	ok := false
	if c.Environment, ok = EnvironmentOf(c.KeyID); !ok {
		return malformed(HeaderKey, ReasonSyntax, keyIDMessage(HeaderKey, c.KeyID))
	}
	if c.Created, ok = parseTimestamp(c.Timestamp); !ok {
		return timestampInvalid(HeaderTimestamp, HeaderTimestamp, c.Timestamp)
	}
	if !validNonce(c.Nonce) {
		return malformed(HeaderNonce, ReasonSyntax, nonceMessage(HeaderNonce, "- and _"))
	}
	if c.MAC, ok = parseMAC(signature); !ok {
		return malformed(HeaderSignature, ReasonSyntax, macMessage(signature))
	}
	return nil
}

func notOnce(header string, count int) *Error {
	if count == 0 {
		return malformed(header, ReasonMissing, header+" is missing. Send it exactly once.")
	}
	return malformed(header, ReasonRepeated, header+" was sent more than once. Send it exactly once.")
}

func keyIDMessage(field, value string) string {
	message := field + " must be a key id: " + LivePrefix + " or " + TestPrefix + " and 22 letters or digits"
	if strings.HasPrefix(value, "unks_") {
		return message + ". A secret was sent in its place: rotate that key now."
	}
	return message + "."
}

func nonceMessage(field, punctuation string) string {
	return field + " must have 16 to 64 characters of A-Z, a-z, 0-9, " + punctuation + ". Send a fresh random one with every request."
}

// parseMAC reads v1= and 64 lower-case hex digits. One spelling only, so that
// a signature has no second form that some log or cache would hold for another.
func parseMAC(s string) (mac [sha256.Size]byte, ok bool) {
	if len(s) != len(macPrefix)+2*sha256.Size || s[:len(macPrefix)] != macPrefix {
		return mac, false
	}
	s = s[len(macPrefix):]
	for i := range mac {
		high, low := hexDigit(s[2*i]), hexDigit(s[2*i+1])
		if high|low > 0xf {
			return mac, false
		}
		mac[i] = high<<4 | low
	}
	return mac, true
}

// hexDigit returns 0xff for anything but a lower-case digit.
func hexDigit(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	}
	return 0xff
}

// macMessage names the usual mistakes without quoting the value.
func macMessage(s string) string {
	const want = HeaderSignature + " must be v1= and the HMAC-SHA256 as 64 lower-case hex digits"
	value, prefixed := strings.CutPrefix(s, macPrefix)
	if _, ok := parseMAC(macPrefix + s); ok {
		return want + "; v1= is missing."
	}
	if _, ok := parseMAC(macPrefix + strings.ToLower(value)); ok && prefixed {
		return want + "; this is upper-case hex."
	}
	decoded, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(value), "="))
	if err == nil && len(decoded) == sha256.Size {
		return want + "; this looks like base64."
	}
	return want + "."
}
