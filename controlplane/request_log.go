package controlplane

import (
	"net/netip"
	"time"
)

// RequestOutcome is what became of a request that a gateway decided.
type RequestOutcome string

const (
	RequestAccepted RequestOutcome = "accepted"
	RequestRefused  RequestOutcome = "refused"
	// RequestReported: it would have been refused, and passed because its site only
	// reports.
	RequestReported RequestOutcome = "reported"
)

// RequestOK is the code of an accepted request; the others are those of refusals.
const RequestOK = "OK"

// Retention of the request log.
const (
	KeepRefusedRequests  = 30 * 24 * time.Hour
	KeepAcceptedRequests = 7 * 24 * time.Hour
	KeepRequestCounts    = 90 * 24 * time.Hour
	// KeepRequestAddresses is what [Service.SimulateAllowlist] looks back, and a day
	// for gateways whose clocks differ.
	KeepRequestAddresses = 48 * time.Hour
	// MaxLoggedRequests bounds the disk whatever is sent: about 1 GB.
	MaxLoggedRequests = 2_000_000
	// MaxRequestAddresses is how many addresses of a merchant are counted one by one
	// in an hour; the others are counted together, without an address.
	MaxRequestAddresses = 2_000
	// MaxLoggedString is how much of a string to sign is kept, in bytes: one of an
	// ordinary request has 250.
	MaxLoggedString = 2 << 10
)

// LoggedRequest is one request as the request log keeps it. It holds no body, no
// signature, no value of a query, except for those in the string to sign of a test
// key, and never a MAC that would have been right.
type LoggedRequest struct {
	Row int64 `json:"-"`
	// ID is the request id that the caller was told.
	ID string    `json:"id"`
	At time.Time `json:"at"`
	// MerchantID, Environment and KeyID are those of the key that the request
	// names; empty if no such key is known. Of a refused request they prove nothing.
	MerchantID  string         `json:"merchant_id,omitempty"`
	Environment Environment    `json:"environment,omitempty"`
	KeyID       string         `json:"key_id,omitempty"`
	ClientIP    netip.Addr     `json:"client_ip,omitzero"`
	Method      string         `json:"method"`
	Path        string         `json:"path"`
	Outcome     RequestOutcome `json:"outcome"`
	Code        string         `json:"code"`
	Why         RequestWhy     `json:"why"`
	// StringToSign is what the gateway expected to be signed; of test keys only,
	// and only for those who may see it.
	StringToSign string `json:"string_to_sign,omitempty"`
}

// RequestWhy is what the gateway found out about a request. What does not apply is
// zero.
type RequestWhy struct {
	// Cause is the id of the mistake that was recognised.
	Cause string `json:"cause,omitempty"`
	// Header is the header at fault, Reason what is wrong with it.
	Header string `json:"header,omitempty"`
	Reason string `json:"reason,omitempty"`
	// Missing are the components that the signature should cover.
	Missing []string `json:"missing,omitempty"`
	// Signed: the request named a time of signing; Difference is how many seconds
	// that is ahead of the gateway's clock.
	Signed     bool  `json:"signed,omitempty"`
	Difference int64 `json:"difference_seconds,omitempty"`
	MaxSeconds int64 `json:"max_seconds,omitempty"`
	// EntryRow is the Row of the allowlist entry that let the address in.
	EntryRow int64 `json:"entry_row,omitempty"`
	// RouteEnvironment is the one that the address that was called is for.
	RouteEnvironment Environment `json:"route_environment,omitempty"`
	MaxBytes         int64       `json:"max_bytes,omitempty"`
	// BodyBytes, BodySHA256 and StringSHA256 are of what was received.
	BodyBytes    int64  `json:"body_bytes,omitempty"`
	BodySHA256   string `json:"body_sha256,omitempty"`
	StringSHA256 string `json:"string_to_sign_sha256,omitempty"`
	// StringCut: the string to sign is longer than what is kept.
	StringCut bool `json:"string_cut,omitempty"`
}

// RequestFilter selects logged requests of a merchant and environment, newest
// first.
type RequestFilter struct {
	MerchantID  string      `json:"merchant_id" validate:"required"`
	Environment Environment `json:"environment" validate:"required,env"`
	// Outcome and those below: empty means all.
	Outcome RequestOutcome `json:"outcome,omitempty" validate:"omitempty,oneof=accepted refused reported"`
	Code    string         `json:"code,omitempty" validate:"max=64"`
	KeyID   string         `json:"key_id,omitempty" validate:"max=64"`
	IP      netip.Addr     `json:"ip,omitzero"`
	// PathPrefix is how the path begins.
	PathPrefix string    `json:"path_prefix,omitempty" validate:"max=256"`
	Since      time.Time `json:"since,omitzero"`
	Until      time.Time `json:"until,omitzero"`
	// Before is the request that ended the page before; empty starts at the newest.
	Before string `json:"before,omitempty" validate:"max=64"`
	// Limit is the number of rows, 1 to 1,000; 0 means 100.
	Limit int `json:"limit,omitempty" validate:"min=0,max=1000"`
}

// Rows returns the number of rows the filter asks for.
func (f RequestFilter) Rows() int { return Page{Limit: f.Limit}.Rows() }

// RequestRef names one logged request.
type RequestRef struct {
	MerchantID string `json:"merchant_id" validate:"required"`
	RequestID  string `json:"request_id" validate:"required,max=64"`
}

// RequestSpan is the stretch of time that a count is about.
type RequestSpan int64

// The spans, in seconds.
const (
	SpanMinute RequestSpan = 60
	SpanHour   RequestSpan = 3600
)

// Of is the beginning of the span that a moment is in.
func (s RequestSpan) Of(t time.Time) time.Time {
	return t.UTC().Truncate(time.Duration(s) * time.Second)
}

// RequestCount is how many requests of one kind came in one span. Every request
// is counted, whether or not it is listed.
type RequestCount struct {
	MerchantID  string         `json:"-"`
	Environment Environment    `json:"-"`
	Span        RequestSpan    `json:"-"`
	At          time.Time      `json:"at"`
	Outcome     RequestOutcome `json:"outcome"`
	Code        string         `json:"code"`
	Count       int64          `json:"count"`
	// Unlisted is how many of the refused ones are not in the log, because there
	// were too many at once.
	Unlisted int64 `json:"unlisted"`
}

// RequestCountFilter selects counts of a merchant and environment, in order of
// time.
type RequestCountFilter struct {
	MerchantID  string      `json:"merchant_id" validate:"required"`
	Environment Environment `json:"environment" validate:"required,env"`
	Span        RequestSpan `json:"span" validate:"oneof=60 3600"`
	Since       time.Time   `json:"since" validate:"required"`
}

// RequestAddress is how many accepted requests came from an address in an hour.
type RequestAddress struct {
	MerchantID  string
	Environment Environment
	Hour        time.Time
	// IP is the zero value for the addresses beyond [MaxRequestAddresses].
	IP    netip.Addr
	Count int64
}

// RequestBatch is what a gateway saw since it last wrote.
type RequestBatch struct {
	Requests  []LoggedRequest
	Counts    []RequestCount
	Addresses []RequestAddress
}

// Len is the number of rows.
func (b RequestBatch) Len() int { return len(b.Requests) + len(b.Counts) + len(b.Addresses) }
