package gate

import (
	"crypto/sha256"
	"crypto/sha512"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/signature"
)

// Case is a request that a merchant's developer shows, to be told what a gateway
// says of its signature.
type Case struct {
	// Request is as it was, or would be, received. Its address does not count.
	Request
	Body []byte
	// MerchantID is whose keys count: anybody else's is as good as unknown.
	MerchantID string
	// Environment is the one that the request is meant for.
	Environment controlplane.Environment
}

// Diagnosis is what a gateway says of a signature.
type Diagnosis struct {
	// Refusal is nil for a signature that is good.
	Refusal *Refusal
	// Scheme is empty when the headers say nothing that can be read.
	Scheme string
	Facts  Facts
	// Expired: the end that the signature itself names has passed.
	Expired bool
	// StringToSign is the text that has to be signed. It is made of the request
	// alone, without a secret.
	StringToSign []byte
}

// Diagnose checks the shape, the key and the signature of a request as a [Gate]
// does, by the same code, and leaves out what depends on the moment and the place:
// the address, the time, the rate and the nonce, which it does not use up.
//
// Whoever asks learns whether a MAC that they have is the right one, which a request
// to the gateway tells as well, and with 256 bits nobody gets anywhere by guessing.
// They learn nothing of a MAC that they do not have. For live keys no other reading
// of the request is tried, as the gateway tries none.
func Diagnose(s *controlplane.Snapshot, c *Case, now time.Time) Diagnosis {
	a := Admission{rawHost: c.Host}
	if refusal := c.shape(&a); refusal != nil {
		return Diagnosis{Refusal: refusal, Facts: a.facts}
	}
	body := signature.Body{Length: int64(len(c.Body)), SHA256: sha256.Sum256(c.Body), SHA512: sha512.Sum512(c.Body)}
	a.request.Body = body
	out := Diagnosis{Scheme: a.credentials.Scheme.String(), Expired: a.credentials.Expired(now)}
	// It fails when a covered header was not sent, which Verify says again below.
	if text, err := a.credentials.AppendStringToSign(nil, &a.request); err == nil {
		out.StringToSign = text
	}
	out.Refusal = diagnoseKey(s, c, &a, now)
	out.Facts = a.facts
	return out
}

// diagnoseKey is what takes the key. Of their own key, whoever is signed in as its
// merchant is told why it does not work, whether or not the signature is good.
func diagnoseKey(s *controlplane.Snapshot, c *Case, a *Admission, now time.Time) *Refusal {
	f := &a.facts
	var known bool
	a.credential, known = s.Key(a.credentials.KeyID)
	merchant := Facts{}
	if known {
		merchant.Merchant = a.credential.Merchant().Raw()
	}
	if !known || merchant.MerchantID() != c.MerchantID {
		return keyInvalid(f)
	}
	f.Merchant, f.KeyID, f.Environment = merchant.Merchant, a.credentials.KeyID, a.credential.Environment()
	if f.Environment != c.Environment {
		return envMismatch(f, c.Environment)
	}
	if a.dead = deadness(a.credential, a.credential.Merchant(), now); a.dead != "" {
		return keyDead(a)
	}
	mac := a.credential.MAC()
	if err := a.credentials.Verify(&mac, &a.request); err != nil {
		return oneCase().wrongSignature(a, err, c.Body, now)
	}
	return nil
}

// oneCase is a gate with the budget for one hint: how often somebody may ask is
// limited by who lets them.
func oneCase() *Gate {
	return &Gate{hints: budget{schedule: schedule{interval: time.Second, burst: time.Second}}}
}
