package delivery

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"pgregory.net/rapid"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

func TestSignVectors(t *testing.T) {
	raw, err := os.ReadFile("testdata/standard-webhooks.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct {
		Cases []struct {
			Name, Secret, ID, Payload, Signature string
			Timestamp                            int64
		}
	}
	if err := json.Unmarshal(raw, &vectors); err != nil {
		t.Fatal(err)
	}
	if len(vectors.Cases) != 2 {
		t.Fatalf("%d vectors, want 2", len(vectors.Cases))
	}
	for _, v := range vectors.Cases {
		t.Run(v.Name, func(t *testing.T) {
			secrets := []controlplane.Secret{controlplane.NewSecret(v.Secret)}
			got, err := Sign(secrets, v.ID, time.Unix(v.Timestamp, 0), []byte(v.Payload))
			if err != nil || got != v.Signature {
				t.Errorf("got %q, %v, want %q", got, err, v.Signature)
			}
		})
	}
}

func TestSignRefusesSecrets(t *testing.T) {
	key := func(n int) string { return base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("k"), n)) }
	for name, text := range map[string]string{
		"empty":            "",
		"prefix only":      "whsec_",
		"no prefix":        key(32),
		"other prefix":     "WHSEC_" + key(32),
		"not base64":       "whsec_" + strings.Repeat("!", 44),
		"cut base64":       "whsec_" + key(32)[:42],
		"too short":        "whsec_" + key(minKeyBytes-1),
		"too long":         "whsec_" + key(maxKeyBytes+1),
		"text of API keys": "unks_test_" + key(32),
	} {
		t.Run(name, func(t *testing.T) {
			good := testSecret(1)
			for _, secrets := range [][]controlplane.Secret{{controlplane.NewSecret(text)}, {good, controlplane.NewSecret(text)}} {
				got, err := Sign(secrets, "evt_1", time.Unix(1, 0), nil)
				if err == nil || got != "" {
					t.Fatalf("signed: %q", got)
				}
				if len(text) > 6 && strings.Contains(err.Error(), text[6:]) {
					t.Errorf("the error quotes the secret: %v", err)
				}
			}
		})
	}
	if _, err := Sign(nil, "evt_1", time.Unix(1, 0), nil); err == nil {
		t.Error("signed without a secret")
	}
}

func TestSignRefusesIDs(t *testing.T) {
	for _, id := range []string{"", "evt.1", "evt 1", "evt_1\r\nX: y", "évt", strings.Repeat("x", 65)} {
		if got, err := Sign([]controlplane.Secret{testSecret(1)}, id, time.Unix(1, 0), nil); err == nil {
			t.Errorf("%q was signed: %q", id, got)
		}
	}
}

func secretGen() *rapid.Generator[controlplane.Secret] {
	return rapid.Custom(func(t *rapid.T) controlplane.Secret {
		key := rapid.SliceOfN(rapid.Byte(), minKeyBytes, maxKeyBytes).Draw(t, "key")
		return controlplane.NewSecret(controlplane.WebhookSecretPrefix + base64.StdEncoding.EncodeToString(key))
	})
}

// accepts asks the reference library of Standard Webhooks, as a receiver with that
// secret.
func accepts(t rapid.TB, secret controlplane.Secret, header http.Header, body []byte) bool {
	wh, err := standardwebhooks.NewWebhook(secret.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	return wh.VerifyIgnoringTimestamp(body, header) == nil
}

func TestSignProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secrets := rapid.SliceOfN(secretGen(), 1, 2).Draw(t, "secrets")
		id := rapid.StringMatching(`evt_[A-Za-z0-9]{1,40}`).Draw(t, "id")
		at := time.Unix(rapid.Int64Range(1, 1<<40).Draw(t, "at"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns"))
		body := rapid.SliceOf(rapid.Byte()).Draw(t, "body")
		got, err := Sign(secrets, id, at, body)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(strings.Split(got, " ")); n != len(secrets) {
			t.Fatalf("%d signatures for %d secrets: %q", n, len(secrets), got)
		}
		header := http.Header{}
		header.Set(headerID, id)
		header.Set(headerTimestamp, timestamp(at))
		header.Set(headerSignature, got)
		for _, s := range secrets {
			if !accepts(t, s, header, body) {
				t.Fatalf("a receiver with one of the secrets refuses %q", got)
			}
		}
		if other := secretGen().Draw(t, "other"); other.Reveal() != secrets[0].Reveal() && other.Reveal() != secrets[len(secrets)-1].Reveal() && accepts(t, other, header, body) {
			t.Fatal("a receiver with another secret accepts")
		}
		if accepts(t, secrets[0], header, append(bytes.Clone(body), 'x')) {
			t.Fatal("a longer body is accepted")
		}
		header.Set(headerTimestamp, timestamp(at.Add(time.Second)))
		if accepts(t, secrets[0], header, body) {
			t.Fatal("another time is accepted")
		}
	})
}
