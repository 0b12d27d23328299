// Package signature builds, signs and verifies the requests that merchants'
// servers send to the gateway.
//
// A merchant's Go server needs only [NewTransport]: an http.RoundTripper that
// signs what an http.Client sends. The gateway uses [Parse] before it reads a
// body, and [Credentials.Verify] after.
//
// The native scheme, UNK1, signs seven lines joined by LF:
//
//	UNK1-HMAC-SHA256
//	<Unix seconds, ten digits>
//	<nonce>
//	<method>
//	<host, lower-case, without the default port>
//	<request target exactly as sent>
//	<lower-case hex SHA-256 of the body>
//
// with HMAC-SHA256 under the secret exactly as it was shown.
//
// The standard scheme is RFC 9421 with hmac-sha256 and RFC 9530 Content-Digest
// under a profile that fixes what must be covered; see [Credentials.Verify] and
// [Credentials.CheckCoverage]. Parsing is stricter than the RFCs where they
// leave a choice: one signature, no component parameters, no parameter twice or
// unknown, one spelling of base64. Paths and queries are compared raw.
//
// Both schemes use the same secret, and line one of UNK1 can never begin a
// signature base, so a MAC of one is never a MAC of the other.
//
// The package refuses to hold policy: it knows no clock skew, no nonce store
// and no merchant, and it imports only the standard library. It never decodes,
// sorts or re-encodes what it signs, and no error or formatted value of it
// carries a secret or an expected MAC.
package signature
