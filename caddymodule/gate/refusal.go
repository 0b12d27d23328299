package gate

import (
	"errors"
	"math"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane/signature"
)

// Detail is one member of a refusal's details. Value is a string, an int64 or a
// []string.
type Detail struct {
	Name  string
	Value any
}

// Refusal is the answer to a request that may not pass.
type Refusal struct {
	Code    Code
	Message string // for the caller's developer: what is wrong and what to do
	Details []Detail
	// RetryAfter is when trying again makes sense; 0 says nothing about it. It is
	// sent in whole seconds, rounded up: see RetryAfterSeconds.
	RetryAfter time.Duration

	// Facts is what is known of the caller, for logs and metrics. The key and the
	// merchant are set only when the key is in the snapshot, so they are bounded.
	Facts Facts
	// Hint is the id of the near miss or syntax mistake that was recognised.
	Hint string
	// Because is the id of what stands behind the code, for logs only: the caller
	// may not be told that a key was revoked, say.
	Because string
	// Cause is what failed on our side, for the log only.
	Cause error
}

// Status is the HTTP status of the answer.
func (r *Refusal) Status() int { return infoOf(r.Code).Status }

// WWWAuthenticate is the value of that header, which RFC 9110 §11.6.1 demands of
// every 401; empty for other statuses.
func (r *Refusal) WWWAuthenticate() string {
	if r.Status() == 401 {
		return signature.UNK1.String()
	}
	return ""
}

// AcceptSignature is the value of that header, RFC 9421 §5.1: to a request without
// any credentials it says what a signature has to cover. Empty for other refusals.
func (r *Refusal) AcceptSignature() string {
	if r.Code == AuthRequired {
		return signature.AcceptSignature
	}
	return ""
}

// RetryAfterSeconds is the value of Retry-After, 0 for none.
func (r *Refusal) RetryAfterSeconds() int64 { return int64(math.Ceil(r.RetryAfter.Seconds())) }

func refuse(c Code, f *Facts, message string, details ...Detail) *Refusal {
	return &Refusal{Code: c, Message: message, Details: details, Facts: *f}
}

// fromSignature turns a refusal of the signature package into one of ours.
func fromSignature(err error, f *Facts) *Refusal {
	var e *signature.Error
	if !errors.As(err, &e) {
		return unavailable(f, err)
	}
	r := refuse(Code(e.Code), f, e.Message)
	if e.Header != "" {
		r.Details = append(r.Details, Detail{"header", e.Header})
	}
	if e.Reason != "" {
		r.Details = append(r.Details, Detail{"reason", string(e.Reason)})
	}
	if len(e.Missing) > 0 {
		r.Details = append(r.Details, Detail{"missing", e.Missing})
	}
	return r
}

func (r *Refusal) setHint(h hint) {
	r.Hint = h.id
	r.Details = append(r.Details, Detail{"hint", h.id})
	if h.advice != "" {
		r.Message += " " + h.advice
	}
}
