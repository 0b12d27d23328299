package signature_test

import (
	"crypto/sha256"
	"crypto/sha512"
	"net/http"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane/signature"
)

type rfc9421Case struct {
	Name           string
	SecretUTF8     string `json:"secret_utf8"`
	Method         string
	Scheme         string
	Host           string
	Target         string
	Headers        map[string]string
	Body           string
	SignatureInput string `json:"signature_input"`
	Signature      string
	SignatureBase  string `json:"signature_base"`
	ProfileAccepts bool   `json:"profile_accepts"`
}

func loadRFC9421(t testing.TB) []rfc9421Case {
	t.Helper()
	var v struct{ Cases []rfc9421Case }
	loadJSON(t, "testdata/rfc9421.json", &v)
	if len(v.Cases) != 2 {
		t.Fatalf("%d cases in the vectors, want 2", len(v.Cases))
	}
	return v.Cases
}

func (c *rfc9421Case) header() http.Header {
	h := http.Header{}
	for name, value := range c.Headers {
		h.Set(name, value)
	}
	h.Set("Signature-Input", c.SignatureInput)
	h.Set("Signature", c.Signature)
	return h
}

func bodyOf(text string) signature.Body {
	return signature.Body{
		Length: int64(len(text)),
		SHA256: sha256.Sum256([]byte(text)),
		SHA512: sha512.Sum512([]byte(text)),
	}
}

func (c *rfc9421Case) request() signature.Request {
	return signature.Request{Method: c.Method, Scheme: c.Scheme, Host: c.Host, Target: c.Target, Body: bodyOf(c.Body)}
}

// The cryptographic core's side of the first case is TestCoreVerifiesRFC9421.
func TestProfileDecidesTheRFC9421Vectors(t *testing.T) {
	for _, c := range loadRFC9421(t) {
		creds, err := signature.Parse(c.header())
		if (err == nil) != c.ProfileAccepts {
			t.Errorf("%s: %v, the vectors say %v", c.Name, err, c.ProfileAccepts)
		}
		if err != nil {
			continue
		}
		r := c.request()
		if err := creds.Verify(mustKey(t, c.SecretUTF8), &r); err != nil {
			t.Errorf("%s: %v", c.Name, err)
		}
		if got := mustText(t, &creds, &r); got != c.SignatureBase {
			t.Errorf("%s: signature base %q", c.Name, got)
		}
		if creds.Scheme != signature.RFC9421 || creds.KeyID != testKeyID || creds.Environment != signature.Test ||
			creds.Created != 1767225600 || creds.Timestamp != "1767225600" || creds.Expires != 0 ||
			creds.Nonce != "5f0c1d9e7b3a4c2d8e6f1a2b3c4d5e6f" || creds.BodyHashes() != signature.HashSHA256 {
			t.Errorf("%s: parsed %+v", c.Name, creds)
		}
	}
}

func TestSignerMakesTheProfileVector(t *testing.T) {
	c := loadRFC9421(t)[1]
	s, err := signature.NewSigner(testKeyID, c.SecretUTF8)
	if err != nil {
		t.Fatal(err)
	}
	req := newRequest(t, c.Method, c.Scheme+"://"+c.Host+c.Target, nil)
	body := bodyOf(c.Body)
	if err := s.SignRFC9421(req, body.SHA256, time.Unix(1767225600, 0), "5f0c1d9e7b3a4c2d8e6f1a2b3c4d5e6f"); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"Content-Digest": c.Headers["Content-Digest"], "Signature-Input": c.SignatureInput, "Signature": c.Signature,
	} {
		if got := req.Header.Get(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}
