package keyring

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"testing"
)

// Made once and kept: what is stored today must stay readable.
const (
	goldenRoot    = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n"
	goldenID      = "ff916ecb6a1bc6d7"
	goldenWrapped = "01715a30000b6dd13efc640617ad862dd1d56795ec4ce42d46d5d083a328ea33b7091742acb4fb4a62dc055699f074cf4cd5a3e88b1a742ce36f48db68"
	goldenRecord  = "0100000001705fe2e4a5a9d9995aefbec6707063cdab37530cd6362dac53de82551cae34cad4e6e2c9d8b6739c03"
	goldenPlain   = "golden secret"
)

var goldenPlace = Location{"api_key", "secret", "1", "mer_1", "live"}

func goldenRing(t testing.TB) *Ring {
	t.Helper()
	root, err := parseRoot([]byte(goldenRoot))
	if err != nil {
		t.Fatal(err)
	}
	if root.ID() != goldenID {
		t.Fatalf("fingerprint %s, want %s", root.ID(), goldenID)
	}
	r, err := Open(root, []WrappedKey{{ID: 1, Purpose: "api", RootID: goldenID, Wrapped: unhex(t, goldenWrapped)}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestStoredFormatStaysReadable(t *testing.T) {
	wantUnsealed(t, goldenRing(t), "api", string(goldenPlace.AAD()), unhex(t, goldenRecord), goldenPlain)
}

// TestFormatIsTheDocumentedOne opens the golden record with nothing but the
// standard library and the documented layout.
func TestFormatIsTheDocumentedOne(t *testing.T) {
	root := make([]byte, 32)
	for i := range root {
		root[i] = 7
	}
	kek, err := hkdf.Key(sha256.New, root, nil, "merchant-gateway keyring v1 key encryption", 32)
	if err != nil {
		t.Fatal(err)
	}
	key := openGCM(t, kek, unhex(t, goldenWrapped)[1:], "\x08data key\x011\x03api")
	plain := openGCM(t, key, unhex(t, goldenRecord)[5:], "\x07api_key\x06secret\x011\x05mer_1\x04live")
	if string(plain) != goldenPlain {
		t.Fatalf("opened %q", plain)
	}
}

func openGCM(t *testing.T, key, sealed []byte, aad string) []byte {
	t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := gcm.Open(nil, sealed[:12], sealed[12:], []byte(aad))
	if err != nil {
		t.Fatal(err)
	}
	return plain
}
