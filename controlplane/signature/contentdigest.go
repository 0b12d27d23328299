package signature

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
)

const headerContentDigest = "Content-Digest"

// Hashes is a set of hash functions.
type Hashes uint8

// The hashes of a body.
const (
	HashSHA256 Hashes = 1 << iota
	HashSHA512
)

// digests are the known members of Content-Digest, RFC 9530 §2.
type digests struct {
	sent   bool
	known  Hashes
	sha256 [sha256.Size]byte
	sha512 [sha512.Size]byte
}

// parse reads the lines of Content-Digest. Other algorithms than sha-256 and
// sha-512 are skipped, as RFC 9530 §2 allows; the same one twice is refused,
// because receivers disagree on which of them counts.
func (d *digests) parse(lines []string) error {
	d.sent = len(lines) > 0
	for _, line := range lines {
		s := scanner{line}
		for s.spaces(); ; s.whitespace() {
			if !d.member(&s) {
				return digestSyntax()
			}
			if s.ended() {
				break
			}
			if !s.take(',') {
				return digestSyntax()
			}
		}
	}
	return nil
}

func (d *digests) member(s *scanner) bool {
	algorithm, ok := s.key()
	if !ok || !s.take('=') {
		return false
	}
	text, ok := s.bytes()
	return ok && d.add(algorithm, text)
}

func (d *digests) add(algorithm, text string) bool {
	switch algorithm {
	case "sha-256":
		return d.once(HashSHA256) && decodeBase64(d.sha256[:], text)
	case "sha-512":
		return d.once(HashSHA512) && decodeBase64(d.sha512[:], text)
	}
	return true
}

func (d *digests) once(h Hashes) bool {
	first := d.known&h == 0
	d.known |= h
	return first
}

// check compares every known digest with the body that arrived. A body's hash
// is no secret, so the comparison need not be constant-time.
func (d *digests) check(b *Body) error {
	if d.sent && d.known == 0 && b.Length != 0 {
		return malformed(headerContentDigest, ReasonSyntax, "Content-Digest must hold sha-256 or sha-512.")
	}
	if d.known&HashSHA256 != 0 && d.sha256 != b.SHA256 {
		return digestMismatch("sha-256")
	}
	if d.known&HashSHA512 != 0 && d.sha512 != b.SHA512 {
		return digestMismatch("sha-512")
	}
	return nil
}

// decodeBase64 fills dst from base64 of exactly its size, in its only spelling:
// no bits are set that do not count.
func decodeBase64(dst []byte, text string) bool {
	var in, out [88]byte // the base64 of 64 bytes
	if len(text) != base64.StdEncoding.EncodedLen(len(dst)) || len(text) > len(in) {
		return false
	}
	n, err := base64.StdEncoding.Strict().Decode(out[:], in[:copy(in[:], text)])
	if err != nil || n != len(dst) {
		return false
	}
	copy(dst, out[:n])
	return true
}

func digestSyntax() *Error {
	return malformed(headerContentDigest, ReasonSyntax,
		"Content-Digest must be sha-256=:<base64>: or sha-512=:<base64>:, each at most once, in padded standard base64 (RFC 9530).")
}

func digestMismatch(algorithm string) *Error {
	return &Error{
		Code:    CodeDigestMismatch,
		Header:  headerContentDigest,
		Message: "The " + algorithm + " of Content-Digest is not that of the body as it was received. Hash the very bytes that are sent.",
	}
}
