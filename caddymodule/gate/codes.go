package gate

import (
	"net/http"

	"github.com/unknownpay/merchant-gateway/controlplane/signature"
)

// Code is the machine-readable reason of a refusal. The set is closed and the
// names are part of the wire contract.
type Code string

// The codes, in the order in which the checks come.
const (
	TooEarly             Code = "TOO_EARLY"
	AuthRequired              = Code(signature.CodeAuthRequired)
	AuthMalformed             = Code(signature.CodeAuthMalformed)
	TimestampInvalid          = Code(signature.CodeTimestampInvalid)
	AuthUnavailable      Code = "AUTH_UNAVAILABLE"
	KeyInvalid           Code = "KEY_INVALID"
	EnvMismatch          Code = "ENV_MISMATCH"
	IPNotAllowed         Code = "IP_NOT_ALLOWED"
	TimestampOutOfRange  Code = "TIMESTAMP_OUT_OF_RANGE"
	RateLimited          Code = "RATE_LIMITED"
	BodyTooLarge         Code = "BODY_TOO_LARGE"
	BodyTimeout          Code = "BODY_TIMEOUT"
	CoverageInsufficient      = Code(signature.CodeCoverageInsufficient)
	DigestMismatch            = Code(signature.CodeDigestMismatch)
	SignatureMismatch         = Code(signature.CodeSignatureMismatch)
	RequestReplayed      Code = "REQUEST_REPLAYED"
)

// CodeInfo documents a code.
type CodeInfo struct {
	Code   Code
	Status int    // of HTTP
	Title  string // a few words, the same for every refusal with the code
	When   string // what makes the gateway answer it
	Remedy string // what the caller does about it
}

// Codes is the table of all codes. Responses, documentation and tests read it.
func Codes() []CodeInfo {
	return []CodeInfo{
		{TooEarly, http.StatusTooEarly, "Sent too early",
			"The request came as HTTP/3 early data (0-RTT), which an observer can send again.",
			"Send the request again after the handshake; clients do so by themselves."},
		{AuthRequired, http.StatusUnauthorized, "Authentication required",
			"The request carries none of the authentication headers.",
			"Sign the request."},
		{AuthMalformed, http.StatusBadRequest, "Malformed authentication",
			"An authentication header is missing, sent twice or not of its syntax; both schemes are used at once; Connection names a header of the gateway; or the host or request target is ambiguous.",
			"Correct the header that details.header names, as details.reason and the message say."},
		{TimestampInvalid, http.StatusBadRequest, "Invalid timestamp",
			"The timestamp is not ten digits: milliseconds and ISO dates are the usual mistakes.",
			"Send Unix time in whole seconds."},
		{AuthUnavailable, http.StatusServiceUnavailable, "Authentication unavailable",
			"The gateway cannot check requests at the moment: it has no current keys, or the replay store is away or full.",
			"Send the request again, newly signed, after Retry-After seconds."},
		{KeyInvalid, http.StatusUnauthorized, "Invalid API key",
			"The key is unknown, revoked or expired, or its merchant is suspended. Which of them is told in details.reason only to a caller whose signature is good.",
			"Check the key id; issue a new key if this one was revoked."},
		{EnvMismatch, http.StatusForbidden, "Wrong environment",
			"A test key was used where live requests go, or the reverse.",
			"Use the key of the other environment, or the other address."},
		{IPNotAllowed, http.StatusForbidden, "Address not allowed",
			"The address that the request came from is not in the merchant's allowlist. An empty allowlist refuses every address.",
			"Send from an address on the list, or have details.client_ip added to it."},
		{TimestampOutOfRange, http.StatusUnauthorized, "Timestamp out of range",
			"The timestamp is too far from the gateway's clock, or from before an unclean restart of the gateway.",
			"Set the clock by NTP; sign each attempt anew."},
		{RateLimited, http.StatusTooManyRequests, "Too many requests",
			"The key sends more requests per second than the gateway is configured to let it.",
			"Wait Retry-After seconds, then sign and send again."},
		{BodyTooLarge, http.StatusRequestEntityTooLarge, "Body too large",
			"The body is larger than details.max_bytes.",
			"Send less, or ask for a higher limit."},
		{BodyTimeout, http.StatusRequestTimeout, "Body too slow",
			"The body did not arrive in full within details.max_seconds.",
			"Send the request again, newly signed."},
		{CoverageInsufficient, http.StatusUnauthorized, "Signature covers too little",
			"RFC 9421 only: a required component is not covered by the signature.",
			"Add the components in details.missing to the signature."},
		{DigestMismatch, http.StatusUnauthorized, "Digest mismatch",
			"RFC 9421 only: Content-Digest is not that of the body as received.",
			"Compute the digest over the bytes that are sent."},
		{SignatureMismatch, http.StatusUnauthorized, "Signature mismatch",
			"The signature is not the one of this request under this key's secret.",
			"Compare your string to sign with details.string_to_sign (test keys), or its hash with details.string_to_sign_sha256."},
		{RequestReplayed, http.StatusConflict, "Request replayed",
			"This key has used this nonce before.",
			"Use a new nonce for every attempt. If this was a retry, the first attempt did reach the gateway."},
	}
}

// infoOf finds a code's row; there is one for every code, a test holds.
func infoOf(c Code) CodeInfo {
	for _, info := range Codes() {
		if info.Code == c {
			return info
		}
	}
	return CodeInfo{Code: AuthUnavailable, Status: http.StatusServiceUnavailable, Title: "Authentication unavailable"}
}
