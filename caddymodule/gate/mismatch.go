package gate

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/signature"
)

// maxStringToSign is how much of the string to sign a response shows, in bytes.
const maxStringToSign = 8 << 10

// maxHintBody is the largest body of which variants are hashed, in bytes.
const maxHintBody = 64 << 10

// wrongSignature explains a signature, or a digest of the body, that does not fit.
// For a live key, whose responses end in logs that hold nothing worth stealing, it
// gives hashes to compare with; for a test key the string itself, and the mistake
// if it is a usual one. The MAC that would have been right is in neither.
func (g *Gate) wrongSignature(a *Admission, err error, raw []byte, now time.Time) *Refusal {
	r := fromSignature(err, &a.facts)
	if r.Code != SignatureMismatch && r.Code != DigestMismatch || a.dead != "" {
		return r
	}
	text, err := a.credentials.AppendStringToSign(nil, &a.request)
	if err != nil {
		return fromSignature(err, &a.facts)
	}
	if r.Code == SignatureMismatch {
		r.Details = append(r.Details, stringDetails(text, a.facts.Environment)...)
	}
	if a.BodyHashes()&signature.HashSHA256 != 0 {
		r.Details = append(r.Details, Detail{"body_sha256", hex.EncodeToString(a.request.Body.SHA256[:])})
	}
	r.Details = append(r.Details, Detail{"body_bytes", a.request.Body.Length})
	if a.facts.Environment == controlplane.Test && g.hints.take(now) {
		if h := g.search(newAttempt(a, text, raw)); h.id != "" {
			r.setHint(h)
		}
	}
	return r
}

func (g *Gate) search(t *attempt) hint {
	g.searching.Lock()
	defer g.searching.Unlock()
	return t.explain()
}

func stringDetails(text []byte, env controlplane.Environment) (details []Detail) {
	if env == controlplane.Test {
		shown := text[:min(len(text), maxStringToSign)]
		details = append(details, Detail{"string_to_sign", string(shown)})
	}
	sum := sha256.Sum256(text)
	return append(details, Detail{"string_to_sign_sha256", hex.EncodeToString(sum[:])})
}

// hint is a recognised mistake.
type hint struct{ id, advice string }

// attempt is a request whose signature is wrong, to be tried in other readings.
type attempt struct {
	credentials signature.Credentials
	request     signature.Request
	credential  controlplane.Credential
	mac         signature.MACKey // of the credential
	rawHost     string
	rawInput    string // Signature-Input as sent
	text        string // to sign, as the gateway built it
	raw         []byte // the body, nil when it is not at hand
}

func newAttempt(a *Admission, text, raw []byte) *attempt {
	t := &attempt{
		credentials: a.credentials, request: a.request, credential: a.credential, mac: a.credential.MAC(),
		rawHost: a.rawHost, rawInput: a.rawInput, text: string(text),
	}
	if len(raw) <= maxHintBody && int64(len(raw)) == a.request.Body.Length {
		t.raw = raw
	}
	return t
}

// fits reports whether the signature is that of another request.
func (t *attempt) fits(change func(r *signature.Request)) bool {
	r := t.request
	change(&r)
	return t.credentials.Verify(&t.mac, &r) == nil
}

// fitsKey reports whether the signature is that of this request under another
// secret.
func (t *attempt) fitsKey(k *signature.MACKey) bool {
	return t.credentials.Verify(k, &t.request) == nil
}

// fitsText reports whether the signature is that of another string to sign.
func (t *attempt) fitsText(text string) bool {
	return text != t.text && t.mac.VerifyBytes([]byte(text), t.credentials.MAC)
}

func (t *attempt) fitsSecret(secret []byte) bool {
	k, err := signature.NewMACKey(secret)
	if errors.Is(err, signature.ErrEmptySecret) {
		// HMAC pads with zero bytes: no bytes and one zero byte are one key.
		k, err = signature.NewMACKey([]byte{0})
	}
	return err == nil && t.fitsKey(&k)
}

func (t *attempt) fitsTarget(target string) bool {
	return target != t.request.Target && t.fits(func(r *signature.Request) { r.Target = target })
}

func (t *attempt) fitsHost(host string) bool {
	return host != t.request.Host && t.fits(func(r *signature.Request) { r.Host = host })
}

func (t *attempt) fitsBody(body []byte) bool {
	return t.fits(func(r *signature.Request) {
		r.Body.SHA256, r.Body.SHA512 = sha256.Sum256(body), sha512.Sum512(body)
	})
}
