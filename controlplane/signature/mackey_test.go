package signature_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/unknownpay/merchant-gateway/controlplane/signature"
	"pgregory.net/rapid"
)

func hmacSHA256(secret, text []byte) (mac [32]byte) {
	h := hmac.New(sha256.New, secret)
	h.Write(text)
	h.Sum(mac[:0])
	return mac
}

func TestMACKeyAgreesWithCryptoHMAC(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.SliceOfN(rapid.Byte(), 1, 200).Draw(t, "secret")
		text := rapid.SliceOfN(rapid.Byte(), 0, 2000).Draw(t, "text")
		k, err := signature.NewMACKey(secret)
		if err != nil {
			t.Fatal(err)
		}
		mac := hmacSHA256(secret, text)
		if k.SumBytes(text) != mac || !k.VerifyBytes(text, mac) {
			t.Fatalf("MAC %x, want %x", k.SumBytes(text), mac)
		}
		mac[rapid.IntRange(0, 31).Draw(t, "byte")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if k.VerifyBytes(text, mac) {
			t.Fatal("a MAC with one wrong bit is accepted")
		}
	})
}

// The lengths at which a block or the padding is full.
func TestMACKeyAgreesAtTheEdgesOfBlocks(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789abcdef"), 100)
	for _, secret := range []int{1, 31, 32, 33, 63, 64, 65, 128, 1000} {
		k := mustKey(t, string(data[:secret]))
		for text := range 200 {
			if k.SumBytes(data[:text]) != hmacSHA256(data[:secret], data[:text]) {
				t.Errorf("secret of %d bytes, text of %d: another MAC", secret, text)
			}
		}
	}
}

func TestMACKeyIsUsableInPlaceOfAPackedSlice(t *testing.T) {
	k := mustKey(t, testSecret)
	slab := append(make([]byte, 64), k[:]...)
	text := []byte("text")
	if (*signature.MACKey)(slab[64:128]).SumBytes(text) != hmacSHA256([]byte(testSecret), text) {
		t.Error("a key in a slab signs differently")
	}
}

func TestEmptySecretIsRefused(t *testing.T) {
	if _, err := signature.NewMACKey(nil); !errors.Is(err, signature.ErrEmptySecret) {
		t.Errorf("NewMACKey(nil): %v", err)
	}
	if _, err := signature.NewSigner(testKeyID, ""); !errors.Is(err, signature.ErrEmptySecret) {
		t.Errorf("NewSigner with no secret: %v", err)
	}
	if _, err := signature.NewTransport(nil, "https://api.example.com", testKeyID, ""); !errors.Is(err, signature.ErrEmptySecret) {
		t.Errorf("NewTransport with no secret: %v", err)
	}
}

func TestZeroKeyVerifiesNothing(t *testing.T) {
	var zero signature.MACKey
	c := loadUNK1(t).Cases[0]
	m := c.message()
	if zero.Sum(&m) != [32]byte{} || zero.Verify(&m, [32]byte{}) || zero.VerifyBytes(nil, [32]byte{}) {
		t.Error("the zero key made or accepted a MAC")
	}
}

func TestFieldsWithLineFeedAreRefused(t *testing.T) {
	k := mustKey(t, testSecret)
	c := loadUNK1(t).Cases[0]
	for name, field := range map[string]func(*signature.Message) *string{
		"timestamp": func(m *signature.Message) *string { return &m.Timestamp },
		"nonce":     func(m *signature.Message) *string { return &m.Nonce },
		"method":    func(m *signature.Message) *string { return &m.Method },
		"host":      func(m *signature.Message) *string { return &m.Host },
		"target":    func(m *signature.Message) *string { return &m.Target },
	} {
		m := c.message()
		*field(&m) += "\nx"
		honest := hmacSHA256([]byte(testSecret), m.AppendStringToSign(nil))
		if k.Verify(&m, honest) || k.Verify(&m, [32]byte{}) || k.Sum(&m) != [32]byte{} {
			t.Errorf("a %s with LF is accepted", name)
		}
	}
}

func TestKeysNeverShow(t *testing.T) {
	k := mustKey(t, testSecret)
	s, err := signature.NewSigner(testKeyID, testSecret)
	if err != nil {
		t.Fatal(err)
	}
	tr, err := signature.NewTransport(nil, "https://api.example.com", testKeyID, testSecret)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for _, v := range []any{k, *k, s, *s, tr, *tr, []any{*k}, struct{ K signature.MACKey }{*k}} {
		fmt.Fprintf(&out, "%v %+v %#v %s %x %d\n", v, v, v, v, v, v)
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "v", v)
	}
	if err := json.NewEncoder(&out).Encode(map[string]any{"k": k, "v": *k}); err != nil {
		t.Fatal(err)
	}
	for _, canary := range []string{testSecret, fmt.Sprintf("%x", k[:4]), fmt.Sprintf("%d %d %d", k[0], k[1], k[2]), fmt.Sprintf("%#x, %#x", k[0], k[1])} {
		if strings.Contains(out.String(), canary) {
			t.Errorf("the output holds %q", canary)
		}
	}
}
