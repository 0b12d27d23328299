// Package unknownpay signs requests to UnknownPay and verifies its webhooks. It
// needs nothing but the standard library: copy it, or import the gateway's
// signature package, whose transport signs every attempt of an http.Client.
package unknownpay

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Sign adds the four headers that sign r, whose body is body. Call it anew for
// every attempt.
func Sign(r *http.Request, keyID, secret string, body []byte) {
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	defaultPort := map[string]string{"https": ":443", "http": ":80"}[r.URL.Scheme]
	host = strings.TrimSuffix(strings.ToLower(host), defaultPort)
	nonce := rand.Text()
	timestamp := strconv.FormatInt(time.Now().Unix(), 10)
	bodyHash := sha256.Sum256(body)
	stringToSign := strings.Join([]string{
		"UNK1-HMAC-SHA256", timestamp, nonce, r.Method, host,
		r.URL.RequestURI(), // the target exactly as it goes over the wire
		hex.EncodeToString(bodyHash[:]),
	}, "\n")
	// The secret is used as the text you were shown. Do not decode it.
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(stringToSign))
	r.Header.Set("X-Unk-Key", keyID)
	r.Header.Set("X-Unk-Timestamp", timestamp)
	r.Header.Set("X-Unk-Nonce", nonce)
	r.Header.Set("X-Unk-Signature", "v1="+hex.EncodeToString(mac.Sum(nil)))
}

// VerifyWebhook reports whether a webhook is UnknownPay's; body is what was
// received, byte for byte.
func VerifyWebhook(secret string, h http.Header, body []byte) bool {
	id, timestamp := h.Get("webhook-id"), h.Get("webhook-timestamp")
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || id == "" || time.Since(time.Unix(seconds, 0)).Abs() > 5*time.Minute {
		return false
	}
	// This secret, unlike the API secret, is base64 after its prefix.
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil || len(key) == 0 {
		return false
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + timestamp + "."))
	mac.Write(body)
	expected := []byte("v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	// While a secret is being rotated there are two signatures; one good one is enough.
	for _, candidate := range strings.Fields(h.Get("webhook-signature")) {
		if hmac.Equal(expected, []byte(candidate)) {
			return true
		}
	}
	return false
}
