package signature

import (
	"crypto/subtle"
	"net/http"
	"strings"
	"time"
)

// AcceptSignature is the value of Accept-Signature (RFC 9421 §5.1) that asks
// for the profile. It belongs on the answer to a request without credentials.
const AcceptSignature = `sig=("@method" "@authority" "@path" "@query" "content-digest");created;alg="hmac-sha256"`

// algorithmHMAC is the only alg, RFC 9421 §3.3.3.
const algorithmHMAC = "hmac-sha256"

// headerIdempotencyKey decides whether a payment is made twice, so it must not
// be free to change on the way.
const headerIdempotencyKey = "Idempotency-Key"

func parseRFC9421(h http.Header) (Credentials, error) {
	inputs, signatures := h[headerSignatureInput], h[headerSignature]
	if len(inputs) != 1 {
		return Credentials{}, notOnce(headerSignatureInput, len(inputs))
	}
	if len(signatures) != 1 {
		return Credentials{}, notOnce(headerSignature, len(signatures))
	}
	in, err := parseInput(inputs[0])
	if err != nil {
		return Credentials{}, err
	}
	c := Credentials{Scheme: RFC9421, input: in}
	if c.MAC, err = parseSignature(signatures[0], in.label); err != nil {
		return Credentials{}, err
	}
	if err = c.takeParams(in); err != nil {
		return Credentials{}, err
	}
	in.header = h
	if err = in.digests.parse(h[headerContentDigest]); err != nil {
		return Credentials{}, err
	}
	return c, nil
}

// takeParams reads the parameters that the profile demands.
func (c *Credentials) takeParams(in *input) error {
	ok := false
	if c.KeyID, ok = in.text("keyid"); !ok {
		return paramMissing("keyid")
	}
	if c.Environment, ok = EnvironmentOf(c.KeyID); !ok {
		return inputError(ReasonSyntax, keyIDMessage("keyid", c.KeyID))
	}
	if alg, sent := in.text("alg"); sent && alg != algorithmHMAC {
		return inputError(ReasonSyntax, `alg must be "hmac-sha256" or be left out.`)
	}
	if c.Nonce, ok = in.text("nonce"); !ok {
		return paramMissing("nonce")
	}
	if !validStandardNonce(c.Nonce) {
		return inputError(ReasonSyntax, nonceMessage("nonce", "-, _, +, / and ="))
	}
	return c.takeTimes(in)
}

func (c *Credentials) takeTimes(in *input) error {
	ok := false
	if c.Timestamp, ok = in.param("created"); !ok {
		return paramMissing("created")
	}
	if c.Created, ok = parseInteger(c.Timestamp); !ok {
		return timestampInvalid(headerSignatureInput, "created", c.Timestamp)
	}
	expires, sent := in.param("expires")
	if !sent {
		return nil
	}
	if c.Expires, ok = parseInteger(expires); !ok {
		return timestampInvalid(headerSignatureInput, "expires", expires)
	}
	return nil
}

// parseInteger refuses a leading zero, which the signature base of another
// implementation would not have.
func parseInteger(s string) (seconds int64, ok bool) {
	seconds, ok = parseTimestamp(s)
	return seconds, ok && s[0] != '0'
}

func paramMissing(key string) *Error {
	return inputError(ReasonMissing, "The signature parameters created, keyid and nonce are required; "+key+" is missing.")
}

// Expired reports whether the signature's own end, the expires parameter of
// RFC 9421, has passed. UNK1 has none.
func (c *Credentials) Expired(now time.Time) bool {
	return c.Expires != 0 && now.Unix() > c.Expires
}

// BodyHashes returns the hashes of the body that [Credentials.Verify] needs, so
// that they can be computed while the body is read.
func (c *Credentials) BodyHashes() Hashes {
	if c.input == nil {
		return HashSHA256
	}
	return c.input.digests.known
}

// CheckCoverage checks that the signature covers what the profile demands:
// @method; @authority, @path and @query, or @target-uri in their place;
// content-digest when there is a body; idempotency-key when it is sent.
// [Credentials.Verify] does the same; this is for refusing before a body is
// read. The error is an *[Error] with CodeCoverageInsufficient. UNK1 covers
// everything always.
func (c *Credentials) CheckCoverage(hasBody bool) error {
	if c.input == nil {
		return nil
	}
	return c.input.checkCoverage(hasBody)
}

func (in *input) checkCoverage(hasBody bool) error {
	var missing []string
	require := func(name string) {
		if !in.covers(name) {
			missing = append(missing, name)
		}
	}
	require("@method") // @target-uri does not hold it
	if !in.covers("@target-uri") {
		require("@authority")
		require("@path")
		require("@query")
	}
	if hasBody {
		require("content-digest")
	}
	if len(in.header[headerIdempotencyKey]) > 0 {
		require("idempotency-key")
	}
	if missing == nil {
		return nil
	}
	return &Error{
		Code:    CodeCoverageInsufficient,
		Header:  headerSignatureInput,
		Message: `The signature must also cover "` + strings.Join(missing, `" "`) + `".`,
		Missing: missing,
	}
}

// verify goes from what the client can correct most easily to the MAC.
func (in *input) verify(c *Credentials, k *MACKey, r *Request) error {
	if err := in.checkCoverage(r.Body.Length != 0); err != nil {
		return err
	}
	if err := in.digests.check(&r.Body); err != nil {
		return err
	}
	var buf [stackText]byte
	base, err := in.appendBase(buf[:0], r)
	if err != nil {
		return err
	}
	mac, ok := k.sum(base)
	if subtle.ConstantTimeCompare(mac[:], c.MAC[:]) != 1 || !ok {
		return mismatch()
	}
	return nil
}
