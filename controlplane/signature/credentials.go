package signature

import (
	"crypto/sha256"
	"crypto/sha512"
	"net/http"
)

// Scheme is one of the ways to sign.
type Scheme uint8

// The schemes.
const (
	UNK1 Scheme = iota + 1
	RFC9421
)

// String returns the name of the scheme as WWW-Authenticate and logs carry it.
func (s Scheme) String() string {
	switch s {
	case UNK1:
		return "UNK1"
	case RFC9421:
		return "RFC9421"
	}
	return "unknown"
}

// Credentials is what a request claims in its headers: nothing of it is proven
// until [Credentials.Verify] returns nil.
type Credentials struct {
	Scheme      Scheme
	KeyID       string
	Environment Environment // the one that KeyID names
	Timestamp   string      // as sent, ten digits
	Created     int64       // Timestamp in Unix seconds
	Expires     int64       // in Unix seconds, or 0; only RFC 9421 has it
	Nonce       string
	MAC         [sha256.Size]byte

	input *input // of RFC 9421; nil for UNK1
}

// Body is what is known of a request's body after it was read to its end.
type Body struct {
	Length int64             // bytes; anything but 0, also an unknown -1, counts as a body
	SHA256 [sha256.Size]byte // of the bytes as sent; of nothing when there is no body
	SHA512 [sha512.Size]byte // likewise; both only as [Credentials.BodyHashes] demands
}

// Request is what Verify has to know of the request besides the headers given
// to [Parse]: all of it as received, before any rewriting.
type Request struct {
	Method string
	Scheme string // https or http
	Host   string // by [Host]
	Target string // by [Target]
	Body   Body
}

// Parse reads the credentials from the headers, without looking at anything
// else. Keys of h must be canonical, as net/http makes them. For RFC 9421 the
// result keeps h, so that the headers parsed are the headers verified.
//
// Errors are *[Error] with CodeAuthRequired (no auth header at all),
// CodeAuthMalformed (Header and Reason say which and why) or
// CodeTimestampInvalid. When it succeeds it allocates nothing for UNK1, and
// once for RFC 9421.
func Parse(h http.Header) (Credentials, error) {
	fields := [fieldCount][]string{h[HeaderKey], h[HeaderTimestamp], h[HeaderNonce], h[HeaderSignature]}
	native := len(fields[0])+len(fields[1])+len(fields[2])+len(fields[3]) > 0
	standard := len(h[headerSignature])+len(h[headerSignatureInput]) > 0
	switch {
	case native && standard:
		return Credentials{}, malformed("", ReasonMixed,
			"Sign with the X-Unk-* headers or with Signature and Signature-Input, not with both.")
	case native:
		return parseUNK1(&fields)
	case standard:
		return parseRFC9421(h)
	}
	return Credentials{}, &Error{
		Code: CodeAuthRequired,
		Message: "Sign the request: send X-Unk-Key, X-Unk-Timestamp, X-Unk-Nonce and X-Unk-Signature, each once, " +
			"or Signature-Input and Signature (RFC 9421).",
	}
}

// Verify checks the MAC against the request as it was received. A nil error
// means that the holder of the secret behind k sent this method, host, target
// and body with this timestamp and nonce. It is for the caller to check those
// two, and [Credentials.Expired].
//
// Errors are *[Error] with CodeSignatureMismatch and, for RFC 9421 only,
// CodeCoverageInsufficient, CodeDigestMismatch, or CodeAuthMalformed when a
// covered header was not sent. It allocates nothing when it succeeds.
func (c *Credentials) Verify(k *MACKey, r *Request) error {
	if c.input != nil {
		return c.input.verify(c, k, r)
	}
	m := c.message(r)
	if !k.Verify(&m, c.MAC) {
		return mismatch()
	}
	return nil
}

// AppendStringToSign appends to dst the text whose MAC the request should
// carry: for RFC 9421 the signature base, which fails with CodeAuthMalformed
// when a covered header was not sent.
func (c *Credentials) AppendStringToSign(dst []byte, r *Request) ([]byte, error) {
	if c.input != nil {
		return c.input.appendBase(dst, r)
	}
	m := c.message(r)
	return m.AppendStringToSign(dst), nil
}

func (c *Credentials) message(r *Request) Message {
	return Message{
		Timestamp: c.Timestamp,
		Nonce:     c.Nonce,
		Method:    r.Method,
		Host:      r.Host,
		Target:    r.Target,
		BodyHash:  r.Body.SHA256,
	}
}
