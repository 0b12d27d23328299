package signature_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane/signature"
)

const (
	testKeyID  = "unk_test_4f9K2mQ7xR1cT8bW3nLzVa"
	testSecret = "unks_test_7Qm2vX9LrT4cWb8NzKd3FhJ6pYs1GaEu5MqZ0xVtRkC"
)

type unk1Vectors struct {
	Scheme string
	KeyID  string `json:"key_id"`
	Secret string
	Cases  []unk1Case
}

type unk1Case struct {
	Name         string
	Timestamp    int64
	Nonce        string
	Method       string
	Host         string
	Target       string
	Body         []byte `json:"body_base64"`
	BodySHA256   string `json:"body_sha256"`
	StringToSign string `json:"string_to_sign"`
	Signature    string
}

func loadUNK1(t testing.TB) unk1Vectors {
	t.Helper()
	var v unk1Vectors
	loadJSON(t, "testdata/unk1.json", &v)
	if len(v.Cases) != 5 {
		t.Fatalf("%d cases in the vectors, want 5", len(v.Cases))
	}
	return v
}

func loadJSON(t testing.TB, path string, into any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}

func (c *unk1Case) message() signature.Message {
	return signature.Message{
		Timestamp: strconv.FormatInt(c.Timestamp, 10),
		Nonce:     c.Nonce,
		Method:    c.Method,
		Host:      c.Host,
		Target:    c.Target,
		BodyHash:  sha256.Sum256(c.Body),
	}
}

func mustKey(t testing.TB, secret string) *signature.MACKey {
	t.Helper()
	k, err := signature.NewMACKey([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return &k
}

func TestVectorsBuildTheStringToSign(t *testing.T) {
	for _, c := range loadUNK1(t).Cases {
		m := c.message()
		if got := string(m.AppendStringToSign([]byte("kept "))); got != "kept "+c.StringToSign {
			t.Errorf("%s: string to sign %q, want %q", c.Name, got, c.StringToSign)
		}
		if got := hex.EncodeToString(m.BodyHash[:]); got != c.BodySHA256 {
			t.Errorf("%s: body hash %s, want %s", c.Name, got, c.BodySHA256)
		}
	}
}

func TestVectorsSumAndVerify(t *testing.T) {
	v := loadUNK1(t)
	k := mustKey(t, v.Secret)
	for _, c := range v.Cases {
		m := c.message()
		mac := k.Sum(&m)
		if got := signature.FormatMAC(mac); got != c.Signature {
			t.Errorf("%s: signature %s, want %s", c.Name, got, c.Signature)
		}
		if !k.Verify(&m, mac) {
			t.Errorf("%s: its own MAC is refused", c.Name)
		}
		if k.SumBytes([]byte(c.StringToSign)) != mac || !k.VerifyBytes([]byte(c.StringToSign), mac) {
			t.Errorf("%s: the MAC of the text differs from that of the message", c.Name)
		}
	}
}

func TestVectorsSignARequest(t *testing.T) {
	v := loadUNK1(t)
	s, err := signature.NewSigner(v.KeyID, v.Secret)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range v.Cases {
		req, err := http.NewRequest(c.Method, "https://"+c.Host+c.Target, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Sign(req, sha256.Sum256(c.Body), time.Unix(c.Timestamp, 0), c.Nonce); err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		if got := req.Header.Get(signature.HeaderSignature); got != c.Signature {
			t.Errorf("%s: signed %s, want %s", c.Name, got, c.Signature)
		}
	}
}

func TestVectorsParseAndVerify(t *testing.T) {
	v := loadUNK1(t)
	k := mustKey(t, v.Secret)
	for _, c := range v.Cases {
		creds, err := signature.Parse(c.header(v.KeyID))
		if err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		r := c.request()
		if err := creds.Verify(k, &r); err != nil {
			t.Errorf("%s: %v", c.Name, err)
		}
		if got := mustText(t, &creds, &r); got != c.StringToSign {
			t.Errorf("%s: string to sign %q", c.Name, got)
		}
		r.Body.SHA256[0] ^= 1
		if err := creds.Verify(k, &r); codeOf(err) != signature.CodeSignatureMismatch {
			t.Errorf("%s with another body: %v", c.Name, err)
		}
	}
}

func (c *unk1Case) header(keyID string) http.Header {
	return http.Header{
		signature.HeaderKey:       {keyID},
		signature.HeaderTimestamp: {strconv.FormatInt(c.Timestamp, 10)},
		signature.HeaderNonce:     {c.Nonce},
		signature.HeaderSignature: {c.Signature},
	}
}

func (c *unk1Case) request() signature.Request {
	return signature.Request{
		Method: c.Method,
		Scheme: "https",
		Host:   c.Host,
		Target: c.Target,
		Body:   signature.Body{Length: int64(len(c.Body)), SHA256: sha256.Sum256(c.Body)},
	}
}

func mustText(t testing.TB, c *signature.Credentials, r *signature.Request) string {
	t.Helper()
	text, err := c.AppendStringToSign(nil, r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
