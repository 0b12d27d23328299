package signature

// Code is the error code that a refused caller gets.
type Code string

// The codes this package answers with.
const (
	CodeAuthRequired         Code = "AUTH_REQUIRED"
	CodeAuthMalformed        Code = "AUTH_MALFORMED"
	CodeTimestampInvalid     Code = "TIMESTAMP_INVALID"
	CodeCoverageInsufficient Code = "COVERAGE_INSUFFICIENT"
	CodeDigestMismatch       Code = "DIGEST_MISMATCH"
	CodeSignatureMismatch    Code = "SIGNATURE_MISMATCH"
)

// Reason says what is wrong with a header.
type Reason string

// The reasons of AUTH_MALFORMED and TIMESTAMP_INVALID.
const (
	ReasonMissing  Reason = "missing"
	ReasonRepeated Reason = "repeated"
	ReasonSyntax   Reason = "syntax"
	ReasonMixed    Reason = "mixed_schemes"
)

// Error is a refusal that a merchant's developer can act on. It quotes nothing
// of the request but names of headers, so it may be logged and sent back.
type Error struct {
	Code    Code
	Header  string   // the header at fault, canonical, or empty
	Reason  Reason   // empty unless Header is set or the schemes are mixed
	Message string   // one or two sentences: what was expected, what to send
	Missing []string // COVERAGE_INSUFFICIENT: the components to add, as in Signature-Input
}

// Error returns the code and the message.
func (e *Error) Error() string {
	return string(e.Code) + ": " + e.Message
}

func malformed(header string, reason Reason, message string) *Error {
	return &Error{Code: CodeAuthMalformed, Header: header, Reason: reason, Message: message}
}

func mismatch() *Error {
	return &Error{
		Code:    CodeSignatureMismatch,
		Message: "The signature does not match the request as it was received.",
	}
}
