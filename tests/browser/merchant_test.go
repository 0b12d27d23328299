package browser

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// pair is an API key as the merchant keeps it.
type pair struct{ id, secret string }

// call sends a signed request to the gateway, as docs/signing.md tells, and
// returns the status and, of a refusal, the code.
func (p pair) call(t testing.TB, gateway string) (status int, code string) {
	t.Helper()
	const target, body = "/v1/payments", `{"amount":1000,"currency":"THB"}`
	host := "127.0.0.1:" + gateway
	timestamp, nonce := strconv.FormatInt(time.Now().Unix(), 10), rand.Text()
	hash := sha256.Sum256([]byte(body))
	mac := hmac.New(sha256.New, []byte(p.secret))
	mac.Write([]byte(strings.Join([]string{"UNK1-HMAC-SHA256", timestamp, nonce, "POST", host, target, hex.EncodeToString(hash[:])}, "\n")))
	r, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+host+target, strings.NewReader(body))
	check(t, err)
	for name, value := range map[string]string{"Key": p.id, "Timestamp": timestamp, "Nonce": nonce, "Signature": "v1=" + hex.EncodeToString(mac.Sum(nil))} {
		r.Header.Set("X-Unk-"+name, value)
	}
	a, err := http.DefaultClient.Do(r)
	check(t, err)
	defer a.Body.Close()
	if a.StatusCode == http.StatusOK {
		return a.StatusCode, ""
	}
	var refusal struct{ Error struct{ Code string } }
	check(t, json.NewDecoder(a.Body).Decode(&refusal))
	return a.StatusCode, refusal.Error.Code
}

func (p pair) passes(t testing.TB, gateway string) {
	t.Helper()
	if status, code := p.call(t, gateway); status != http.StatusOK {
		t.Fatalf("key %s: %d %s, want 200", p.id, status, code)
	}
}

// refusedWithinASecond is the product's promise about a key that was stopped.
func (p pair) refusedWithinASecond(t testing.TB, gateway string) {
	t.Helper()
	p.answersWithinASecond(t, gateway, "KEY_INVALID")
}

// answersWithinASecond is its promise about every change: that is how long the
// gateway may go by what was. The code of a request that passes is empty.
func (p pair) answersWithinASecond(t testing.TB, gateway, want string) {
	t.Helper()
	for deadline := time.Now().Add(time.Second); ; {
		asked := time.Now()
		status, code := p.call(t, gateway)
		if code == want {
			return
		}
		if asked.After(deadline) {
			t.Fatalf("key %s, a second after the change: %d %q, want %q", p.id, status, code, want)
		}
	}
}

// authenticator is an app that shows codes (RFC 6238).
type authenticator struct {
	seed []byte
	last int64
}

const codeLife = 30 // seconds

func newAuthenticator(t testing.TB, seed string) *authenticator {
	t.Helper()
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ReplaceAll(seed, " ", ""))
	check(t, err)
	return &authenticator{seed: key}
}

// code is one that was not used before. The portal takes the code before and the
// one after the present one too; a test that needs more waits for the next. The
// one before is only as good as the present step lasts, and a browser takes its
// time to send it: it is passed over for the last third of a step.
func (a *authenticator) code() string {
	sent := time.Now().Add(codeLife*time.Second/3).Unix() / codeLife
	a.last = max(a.last+1, sent-1)
	time.Sleep(time.Until(time.Unix((a.last-1)*codeLife, 0)))
	mac := hmac.New(sha1.New, a.seed)
	if err := binary.Write(mac, binary.BigEndian, a.last); err != nil {
		panic(err) // a hash takes everything
	}
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 15
	return fmt.Sprintf("%03d %03d", binary.BigEndian.Uint32(sum[at:])&(1<<31-1)/1000%1000, binary.BigEndian.Uint32(sum[at:])&(1<<31-1)%1000)
}
