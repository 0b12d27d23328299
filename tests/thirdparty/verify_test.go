package thirdparty

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	dadrus "github.com/dadrus/httpsig"
	remitly "github.com/remitly-oss/httpsig-go"
	"github.com/unknownpay/merchant-gateway/controlplane/signature"
	yaronf "github.com/yaronf/httpsign"
)

var benchKey = key{"unk_test_4f9K2mQ7xR1cT8bW3nLzVa", "unks_test_7Qm2vX9LrT4cWb8NzKd3FhJ6pYs1GaEu5MqZ0xVtRkC"}

// received is a request as a server has it, signed by our signer: the full profile,
// an idempotency key, and 512 bytes of body.
type received struct {
	request *http.Request
	raw     []byte
	body    *bytes.Reader
}

func newReceived(t testing.TB) *received {
	t.Helper()
	raw := bytes.Repeat([]byte("x"), 512)
	body := bytes.NewReader(raw)
	r, err := http.NewRequest("POST", "https://api.example.com/v1/payments?expand=customer", body)
	check(t, err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", "7e0b1b4d-7a57-4a6e-b8fb-0a3a1f1d7a11")
	r.TLS, r.GetBody = new(tls.ConnectionState), nil
	signer, err := signature.NewSigner(benchKey.id, benchKey.secret)
	check(t, err)
	nonce, err := signature.NewNonce(rand.Reader)
	check(t, err)
	check(t, signer.SignRFC9421(r, sha256.Sum256(raw), time.Now(), nonce))
	return &received{r, raw, body}
}

// rewound gives the request its body back.
func (r *received) rewound() *http.Request {
	r.body.Reset(r.raw)
	r.request.Body = io.NopCloser(r.body)
	return r.request
}

// verifiers check digest, coverage and MAC. Where a library can be told to leave the
// clock alone it is, so that none pays for what the others do not do.
func verifiers(t testing.TB) map[string]func(*received) error {
	t.Helper()
	return map[string]func(*received) error{
		"unknownpay": verifyOurs(t), "yaronf": verifyYaronf(t), "remitly": verifyRemitly(t), "dadrus": verifyDadrus(t),
	}
}

func verifyOurs(t testing.TB) func(*received) error {
	mac, err := signature.NewMACKey([]byte(benchKey.secret))
	check(t, err)
	return func(r *received) error {
		credentials, err := signature.Parse(r.request.Header)
		if err != nil {
			return err
		}
		facts := signature.Request{Method: r.request.Method, Scheme: "https", Body: signature.Body{Length: int64(len(r.raw))}}
		if facts.Host, err = signature.Host(r.request.Host, facts.Scheme); err != nil {
			return err
		}
		if facts.Target, err = signature.Target(r.request.URL.RequestURI()); err != nil {
			return err
		}
		facts.Body.SHA256 = sha256.Sum256(r.raw)
		return credentials.Verify(&mac, &facts)
	}
}

var coverage = []string{"@method", "@authority", "@path", "@query", "content-digest", "idempotency-key"}

func verifyYaronf(t testing.TB) func(*received) error {
	padded := append([]byte(benchKey.secret), make([]byte, 64-len(benchKey.secret))...)
	verifier, err := yaronf.NewHMACSHA256Verifier(padded, yaronf.NewVerifyConfig().SetVerifyCreated(false), yaronf.Headers(coverage...))
	check(t, err)
	return func(r *received) error {
		request := r.rewound()
		if err := yaronf.ValidateContentDigestHeader(request.Header.Values("Content-Digest"), &request.Body, []string{yaronf.DigestSha256}); err != nil {
			return err
		}
		return yaronf.VerifyRequest("sig", *verifier, request)
	}
}

// oneKey is remitly's way to find the key.
type oneKey struct{}

func (oneKey) FetchByKeyID(context.Context, http.Header, string) (remitly.KeySpecer, error) {
	return remitly.KeySpec{KeyID: benchKey.id, Algo: remitly.Algo_HMAC_SHA256, Secret: []byte(benchKey.secret)}, nil
}

func (oneKey) Fetch(context.Context, http.Header, remitly.MetadataProvider) (remitly.KeySpecer, error) {
	return nil, errors.New("no keyid")
}

func verifyRemitly(t testing.TB) func(*received) error {
	verifier, err := remitly.NewVerifier(oneKey{}, remitly.VerifyProfile{
		SignatureLabel: "sig", RequiredFields: remitly.Fields(coverage...), DisableTimeEnforcement: true,
	})
	check(t, err)
	return func(r *received) error {
		_, err := verifier.Verify(r.rewound())
		return err
	}
}

func verifyDadrus(t testing.TB) func(*received) error {
	verifier, err := dadrus.NewVerifier(dadrus.Key{KeyID: benchKey.id, Algorithm: dadrus.HmacSha256, Key: []byte(benchKey.secret)},
		dadrus.WithValidateAllSignatures(), dadrus.WithRequiredComponents(coverage...), dadrus.WithMaxAge(time.Hour), dadrus.WithExpiredTimestampRequired(false))
	check(t, err)
	return func(r *received) error { return verifier.Verify(dadrus.MessageFromRequest(r.rewound())) }
}

// TestLibrariesVerifyOurSignatures is the other direction, and holds the benchmark to
// verifiers that say no.
func TestLibrariesVerifyOurSignatures(t *testing.T) {
	for name, verify := range verifiers(t) {
		r := newReceived(t)
		if err := verify(r); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		r.request.Header.Set("Idempotency-Key", "another")
		if verify(r) == nil {
			t.Errorf("%s accepts another idempotency key", name)
		}
		r = newReceived(t)
		r.raw[0] = 'y'
		if verify(r) == nil {
			t.Errorf("%s accepts another body", name)
		}
	}
}

// BenchmarkVerify is everything that is done for one request: parsing, the digest of
// 512 bytes, coverage and MAC.
func BenchmarkVerify(b *testing.B) {
	all := verifiers(b)
	for _, name := range []string{"unknownpay", "yaronf", "remitly", "dadrus"} {
		b.Run(name, func(b *testing.B) {
			r, verify := newReceived(b), all[name]
			b.ReportAllocs()
			for b.Loop() {
				if err := verify(r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
