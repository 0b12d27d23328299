package delivery

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// Bounds of a signing key in bytes, from Standard Webhooks 1.0.0. A key that is
// shorter could be searched for by whoever has seen one delivery.
const (
	minKeyBytes = 24
	maxKeyBytes = 64
)

// A "." in the id would move the border between id and timestamp in what is
// signed.
var eventIDForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// Sign returns the value of the webhook-signature header as Standard Webhooks
// 1.0.0 has it: for each secret "v1," and the base64 of HMAC-SHA256 over
// "id.timestamp.body", separated by spaces. Receivers accept a delivery if any of
// the signatures is right, so two secrets let a rotation go unnoticed.
//
// A secret is "whsec_" and the base64 of 24 to 64 bytes, and these bytes are the
// key, not the text. Anything else, no secret at all, or an id with other than
// letters, digits, "_" and "-" is an error; it does not quote the secret.
func Sign(secrets []controlplane.Secret, id string, at time.Time, body []byte) (string, error) {
	if len(secrets) == 0 {
		return "", errors.New("no secret to sign with")
	}
	if !eventIDForm.MatchString(id) {
		return "", fmt.Errorf("id %q cannot be signed: want 1 to 64 letters, digits, _ or -", id)
	}
	head := []byte(id + "." + timestamp(at) + ".")
	signatures := make([]string, len(secrets))
	for i, s := range secrets {
		key, err := signingKey(s)
		if err != nil {
			return "", err
		}
		mac := hmac.New(sha256.New, key)
		mac.Write(head)
		mac.Write(body)
		signatures[i] = "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	return strings.Join(signatures, " "), nil
}

func timestamp(at time.Time) string { return strconv.FormatInt(at.Unix(), 10) }

func signingKey(s controlplane.Secret) ([]byte, error) {
	text, found := strings.CutPrefix(s.Reveal(), controlplane.WebhookSecretPrefix)
	if !found {
		return nil, fmt.Errorf("a signing secret does not begin with %q", controlplane.WebhookSecretPrefix)
	}
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("a signing secret is not base64 after %q", controlplane.WebhookSecretPrefix)
	}
	if len(key) < minKeyBytes || len(key) > maxKeyBytes {
		return nil, fmt.Errorf("a signing secret has %d bytes, want %d to %d", len(key), minKeyBytes, maxKeyBytes)
	}
	return key, nil
}
