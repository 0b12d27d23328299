package signature_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/unknownpay/merchant-gateway/controlplane/signature"
)

// BenchmarkVerifyUNK1 is everything that is done for a request with 512 bytes
// of body: four headers, host, target, body hash, MAC.
func BenchmarkVerifyUNK1(b *testing.B) {
	c, body := loadUNK1(b).Cases[0], bytes.Repeat([]byte("x"), 512)
	k := mustKey(b, testSecret)
	m := c.message()
	m.BodyHash = sha256.Sum256(body)
	h := c.header(testKeyID)
	h[signature.HeaderSignature] = []string{signature.FormatMAC(k.Sum(&m))}
	b.ReportAllocs()
	for b.Loop() {
		if err := verifyAll(k, h, &c, body); err != nil {
			b.Fatal(err)
		}
	}
}

func verifyAll(k *signature.MACKey, h map[string][]string, c *unk1Case, body []byte) error {
	creds, err := signature.Parse(h)
	if err != nil {
		return err
	}
	r := signature.Request{Method: c.Method, Scheme: "https"}
	if r.Host, err = signature.Host(c.Host, r.Scheme); err != nil {
		return err
	}
	if r.Target, err = signature.Target(c.Target); err != nil {
		return err
	}
	r.Body = signature.Body{Length: int64(len(body)), SHA256: sha256.Sum256(body)}
	return creds.Verify(k, &r)
}

// BenchmarkVerifyRFC9421 is the same for the full profile.
func BenchmarkVerifyRFC9421(b *testing.B) {
	s, k := benchStandard(), mustKey(b, testSecret)
	body := []byte(s.body)
	b.ReportAllocs()
	for b.Loop() {
		if err := s.verifyAll(k, body); err != nil {
			b.Fatal(err)
		}
	}
}

func benchStandard() *standard {
	s := validStandard()
	s.body = strings.Repeat("x", 512)
	sum := sha256.Sum256([]byte(s.body))
	s.header.Set("Content-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(sum[:])+":")
	s.header.Set("Idempotency-Key", "7e0b1b4d-7a57-4a6e-b8fb-0a3a1f1d7a11")
	s.inner += ` "idempotency-key"`
	s.sign()
	return s
}

func (s *standard) verifyAll(k *signature.MACKey, body []byte) error {
	creds, err := signature.Parse(s.header)
	if err != nil {
		return err
	}
	r := s.facts
	if r.Host, err = signature.Host(s.host, r.Scheme); err != nil {
		return err
	}
	if r.Target, err = signature.Target(s.target); err != nil {
		return err
	}
	if creds.BodyHashes()&signature.HashSHA256 != 0 {
		r.Body = signature.Body{Length: int64(len(body)), SHA256: sha256.Sum256(body)}
	}
	return creds.Verify(k, &r)
}

func BenchmarkParseUNK1(b *testing.B) {
	c := loadUNK1(b).Cases[0]
	h := c.header(testKeyID)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := signature.Parse(h); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSumMACKey(b *testing.B) {
	c := loadUNK1(b).Cases[0]
	k, text := mustKey(b, testSecret), []byte(c.StringToSign)
	b.ReportAllocs()
	for b.Loop() {
		k.SumBytes(text)
	}
}

func BenchmarkSumCryptoHMAC(b *testing.B) {
	c := loadUNK1(b).Cases[0]
	secret, text := []byte(testSecret), []byte(c.StringToSign)
	b.ReportAllocs()
	for b.Loop() {
		h := hmac.New(sha256.New, secret)
		h.Write(text)
		h.Sum(nil)
	}
}

func TestVerifyingAllocatesNothing(t *testing.T) {
	c, s := loadUNK1(t).Cases[0], benchStandard()
	k, h, body := mustKey(t, testSecret), c.header(testKeyID), []byte(s.body)
	for name, verify := range map[string]struct {
		run  func() error
		want float64
	}{
		"UNK1":     {func() error { return verifyAll(k, h, &c, c.Body) }, 0},
		"RFC 9421": {func() error { return s.verifyAll(k, body) }, 1}, // the parsed Signature-Input
	} {
		n := testing.AllocsPerRun(100, func() {
			if err := verify.run(); err != nil {
				t.Fatal(err)
			}
		})
		if n != verify.want {
			t.Errorf("%s: %v allocations per verified request, want %v", name, n, verify.want)
		}
	}
}
