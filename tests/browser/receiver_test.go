package browser

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/pem"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// receiver is a merchant's server, which takes webhooks over HTTPS. Each path is a
// receiver of its own.
type receiver struct {
	*httptest.Server

	mu      sync.Mutex
	answers map[string]answer
	got     map[string][]hook
}

// answer is what a path says to a webhook: 204 unless it is told otherwise.
type answer struct {
	status int
	body   string
}

// hook is a webhook as it arrived.
type hook struct{ id, timestamp, signature, body string }

// startReceiver also writes down the certificate, for the gateway to trust.
func (s *site) startReceiver() {
	s.t.Helper()
	r := &receiver{answers: map[string]answer{}, got: map[string][]hook{}}
	r.Server = httptest.NewTLSServer(r)
	s.receiver = r
	s.t.Cleanup(r.Close)
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.Certificate().Raw})
	check(s.t, os.WriteFile(filepath.Join(s.data, "receiver.pem"), text, 0o600))
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	if err != nil {
		return // the sender sees that nothing was answered
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got[q.URL.Path] = append(r.got[q.URL.Path], hook{q.Header.Get("webhook-id"), q.Header.Get("webhook-timestamp"), q.Header.Get("webhook-signature"), string(body)})
	a, told := r.answers[q.URL.Path]
	if !told {
		a.status = http.StatusNoContent
	}
	w.WriteHeader(a.status)
	if a.body == "" {
		return
	}
	if _, err := io.WriteString(w, a.body); err != nil {
		return
	}
}

// breaks makes a path answer something else; mends makes it work again.
func (r *receiver) breaks(path string, status int, body string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answers[path] = answer{status, body}
}

func (r *receiver) mends(path string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.answers, path)
}

// at are the webhooks that a path has got so far.
func (r *receiver) at(path string) []hook {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got[path])
}

// await waits for the n-th webhook at a path.
func (r *receiver) await(t testing.TB, path string, n int) hook {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if got := r.at(path); len(got) >= n {
			return got[n-1]
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	t.Fatalf("%d webhooks at %s, want %d; others came to %q", len(r.got[path]), path, n, slices.Collect(maps.Keys(r.got)))
	return hook{}
}

// signedWith verifies a webhook as docs/webhooks.md tells.
func (h hook) signedWith(t testing.TB, secret string) {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	check(t, err)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(h.id + "." + h.timestamp + "." + h.body))
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	if !slices.Contains(strings.Fields(h.signature), want) {
		t.Errorf("webhook %s is not signed with the secret that was shown", h.id)
	}
}
