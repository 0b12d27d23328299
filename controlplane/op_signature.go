package controlplane

import (
	"cmp"
	"context"
	"time"
)

// CheckSignature is the input of [Service.CheckSignature]: a request as it was, or
// would be, sent.
type CheckSignature struct {
	MerchantID string `json:"merchant_id" validate:"required"`
	// Environment is the one that the request is meant for.
	Environment Environment `json:"environment" validate:"required,env"`
	Method      string      `json:"method" validate:"required,max=32"`
	// Scheme is https or http; it says which port is the default one.
	Scheme string `json:"scheme" validate:"oneof=https http"`
	Host   string `json:"host" validate:"required,max=300"`
	// Target is path and query, exactly as sent.
	Target string `json:"target" validate:"required,max=16384"`
	// Headers has every one, in order. A Host among them is none: it is Host.
	Headers []Header `json:"headers" validate:"max=100"`
	Body    []byte   `json:"body" validate:"max=65536"`
}

// SignatureVerdict is what a gateway says of the signature of a request. It never
// holds a MAC: the one that would have been right would let whoever asks sign
// anything.
type SignatureVerdict struct {
	// Code is that of the refusal; empty: the signature is good.
	Code string     `json:"code,omitempty"`
	Why  RequestWhy `json:"why"`
	// Scheme is empty when the headers say nothing that can be read.
	Scheme string `json:"scheme,omitempty"`
	// KeyID is set for a key of the merchant's own.
	KeyID string `json:"key_id,omitempty"`
	// StringToSign is the text that has to be signed, made of the request alone.
	StringToSign string `json:"string_to_sign,omitempty"`
	// SignedAt is when the request says that it was signed; zero: it does not.
	SignedAt time.Time `json:"signed_at,omitzero"`
	// Expired: the end that the signature itself names has passed.
	Expired bool `json:"expired,omitempty"`
}

// Good reports whether the signature is that of the request.
func (v SignatureVerdict) Good() bool { return v.Code == "" }

// Stale reports whether the request, sent now, would be refused for its time. A
// request that is looked at later usually is.
func (v SignatureVerdict) Stale() bool {
	d := v.Why.Difference
	return v.Expired || v.Why.Signed && (d > v.Why.MaxSeconds || -d > v.Why.MaxSeconds)
}

const (
	// checksPerMinute of one merchant. A check costs up to a few milliseconds and a
	// row of the audit trail; people paste a few in a minute.
	checksPerMinute = 60
	checksWindow    = time.Minute
)

// CheckSignature says what the gateway says of the signature of a request that
// somebody shows: whether it is good, or else why not. It looks at neither the
// address nor the nonce, and uses no nonce up. CodeLimit beyond 60 in a minute,
// CodeUnavailable where no gateway runs.
//
// The audit trail names the key and the verdict, and nothing of the request.
func (s *Service) CheckSignature(ctx context.Context, a Actor, in CheckSignature) (SignatureVerdict, error) {
	r := request{actor: a, op: OpSignatureCheck, merchantID: in.MerchantID, input: in}
	if err := s.admit(ctx, r); err != nil {
		return SignatureVerdict{}, err
	}
	if err := s.countCheck(ctx, in.MerchantID); err != nil {
		return SignatureVerdict{}, err
	}
	if s.diagnose == nil {
		return SignatureVerdict{}, Errorf(CodeUnavailable, "no gateway runs here that could check a signature")
	}
	// Outside of any transaction: it takes milliseconds.
	v, err := s.diagnose(in, s.now())
	if err != nil {
		return SignatureVerdict{}, asError(err)
	}
	return change(ctx, s, r, func(_ Tx, rec *record) (SignatureVerdict, error) {
		rec.target = cmp.Or(v.KeyID, "no key of the merchant")
		rec.diff = map[string]Change{"environment": {To: in.Environment}, "verdict": {To: cmp.Or(v.Code, "good")}}
		return v, nil
	})
}

// countCheck counts before the work, in a transaction of its own, so that what fails
// counts too.
func (s *Service) countCheck(ctx context.Context, merchantID string) error {
	var made Attempts
	now := s.now()
	err := s.store.Update(ctx, func(tx Tx) (err error) {
		if _, err := tx.Merchant(ctx, merchantID); err != nil {
			return orNotFound(err, "merchant", merchantID)
		}
		made, err = tx.CountAttempt(ctx, "signature:"+merchantID, now, checksWindow)
		return err
	})
	if err != nil {
		return asError(err)
	}
	if made.Count > checksPerMinute {
		e := Errorf(CodeLimit, "%d signatures were checked within a minute; wait", checksPerMinute)
		e.RetryAfter = made.EndsAt.Sub(now)
		return e
	}
	return nil
}
