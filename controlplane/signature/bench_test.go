package signature_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
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
	r := signature.Request{Method: c.Method, Scheme: "https", Header: h}
	if r.Host, err = signature.Host(c.Host, r.Scheme); err != nil {
		return err
	}
	if r.Target, err = signature.Target(c.Target); err != nil {
		return err
	}
	r.Body = signature.Body{Length: int64(len(body)), SHA256: sha256.Sum256(body)}
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
	c := loadUNK1(t).Cases[0]
	k, h := mustKey(t, testSecret), c.header(testKeyID)
	if n := testing.AllocsPerRun(100, func() {
		if err := verifyAll(k, h, &c, c.Body); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations per verified request", n)
	}
}
