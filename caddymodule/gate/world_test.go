package gate

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/signature"
)

const (
	liveKey    = "unk_live_AAAAAAAAAAAAAAAAAAAAAA"
	testKey    = "unk_test_AAAAAAAAAAAAAAAAAAAAAA"
	revokedKey = "unk_live_RRRRRRRRRRRRRRRRRRRRRR"
	expiredKey = "unk_live_EEEEEEEEEEEEEEEEEEEEEE"
	haltedKey  = "unk_live_SSSSSSSSSSSSSSSSSSSSSS"
	unknownKey = "unk_live_UUUUUUUUUUUUUUUUUUUUUU"
	// The secret of the test key must be one that could have been issued.
	testSecret = "unks_test_3nFotMQNAB7YCYlnJjX3Nx32MeQhO8lArRyCdwxfWrU3uDYRp"
)

// world is everything that a gate needs, under control.
type world struct {
	gate     *Gate
	now      time.Time
	snapshot *controlplane.Snapshot
	nonces   *nonces
	config   Config
}

// nonces is a nonce store that remembers for ever.
type nonces struct {
	sync.Mutex
	used      map[string]bool
	notBefore int64
	down      error
	kept      int64 // seconds after the timestamp, of the last one
}

func (n *nonces) Use(_ context.Context, keyID, nonce string, timestamp, expires int64) (bool, error) {
	n.Lock()
	defer n.Unlock()
	if n.down != nil {
		return false, n.down
	}
	n.kept = expires - timestamp
	key := keyID + "\n" + nonce
	fresh := !n.used[key]
	n.used[key] = true
	return fresh, nil
}

func (n *nonces) NotBefore() int64 {
	n.Lock()
	defer n.Unlock()
	return n.notBefore
}

func secretOf(keyID string) string {
	if keyID == testKey {
		return testSecret
	}
	return "LiveCanary/" + keyID
}

func merchantID(n byte) string {
	return controlplane.FormatID(controlplane.PrefixMerchant, [16]byte{15: n})
}

func newWorld(tb testing.TB, change ...func(*Config)) *world {
	tb.Helper()
	w := &world{now: time.Unix(1_767_225_600, 0), nonces: &nonces{used: map[string]bool{}}}
	w.snapshot = newSnapshot(tb, w.now)
	w.config = Config{
		Snapshot: func() *controlplane.Snapshot { return w.snapshot },
		Nonces:   w.nonces,
		Clock:    func() time.Time { return w.now },
	}
	for _, c := range change {
		c(&w.config)
	}
	var err error
	if w.gate, err = New(w.config); err != nil {
		tb.Fatal(err)
	}
	return w
}

func newSnapshot(tb testing.TB, now time.Time) *controlplane.Snapshot {
	tb.Helper()
	e := controlplane.NewSnapshot().Edit()
	allow := []controlplane.AllowedPrefix{
		{Row: 11, Prefix: netip.MustParsePrefix("203.0.113.0/24")}, {Row: 12, Prefix: netip.MustParsePrefix("2001:db8::/32")},
	}
	for n, state := range map[byte]controlplane.MerchantState{1: controlplane.MerchantActive, 2: controlplane.MerchantSuspended} {
		if err := e.SetMerchant(controlplane.MerchantRecord{ID: merchantID(n), State: state, Allowlist: allow}); err != nil {
			tb.Fatal(err)
		}
	}
	for _, k := range []controlplane.KeyRecord{
		{ID: liveKey, State: controlplane.KeyActive},
		{ID: testKey, State: controlplane.KeyActive},
		{ID: revokedKey, State: controlplane.KeyRevoked, RetireAt: now.Add(-time.Hour)},
		{ID: expiredKey, State: controlplane.KeyRetiring, RetireAt: now.Add(-time.Minute)},
		{ID: haltedKey, State: controlplane.KeyActive, MerchantID: merchantID(2)},
	} {
		setKey(tb, e, k)
	}
	return e.Snapshot(7)
}

func setKey(tb testing.TB, e *controlplane.SnapshotEdit, k controlplane.KeyRecord) {
	tb.Helper()
	if k.MerchantID == "" {
		k.MerchantID = merchantID(1)
	}
	k.Environment = controlplane.Environment(k.ID[4:8])
	m, err := controlplane.NewKeyMaterial(k.Environment, []byte(secretOf(k.ID)))
	if err == nil {
		err = e.SetKey(k, m)
	}
	if err != nil {
		tb.Fatal(err)
	}
}

// call is a request and its body.
type call struct {
	Request
	body []byte
}

var nonceCount struct {
	sync.Mutex
	n uint64
}

func freshNonce() string {
	nonceCount.Lock()
	defer nonceCount.Unlock()
	nonceCount.n++
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], nonceCount.n)
	return fmt.Sprintf("nonce-%x", b)
}

// signed makes a request that passes. change alters what is sent, not what was
// signed.
func (w *world) signed(keyID string, change ...func(*call)) *call {
	return w.signedAs(keyID, nil, change...)
}

// signedAs lets a client make a mistake: sign alters the message that it signs.
func (w *world) signedAs(keyID string, sign func(*signature.Message), change ...func(*call)) *call {
	body := []byte(`{"amount": 1000, "currency": "THB"}`)
	c := &call{body: body, Request: Request{
		Method: "POST", Target: "/v1/payments?expand=customer&a=1", Host: "API.example.com", TLS: true,
		ClientIP: netip.MustParseAddr("203.0.113.9"),
	}}
	m := signature.Message{
		Timestamp: strconv.FormatInt(w.now.Unix(), 10), Nonce: freshNonce(), Method: c.Method,
		Host: "api.example.com", Target: c.Target, BodyHash: sha256.Sum256(body),
	}
	c.Header = http.Header{
		"Content-Type": {"application/json"}, "Accept": {"*/*"}, "User-Agent": {"test"},
		signature.HeaderKey: {keyID}, signature.HeaderTimestamp: {m.Timestamp}, signature.HeaderNonce: {m.Nonce},
	}
	if sign != nil {
		sign(&m)
	}
	k, err := signature.NewMACKey([]byte(secretOf(keyID)))
	if err != nil {
		panic(err) // every key of the world has a secret
	}
	c.Header[signature.HeaderSignature] = []string{signature.FormatMAC(k.Sum(&m))}
	for _, f := range change {
		f(c)
	}
	return c
}

func bodyOf(raw []byte) signature.Body {
	return signature.Body{Length: int64(len(raw)), SHA256: sha256.Sum256(raw), SHA512: sha512.Sum512(raw)}
}

// pass sends c through both steps.
func (w *world) pass(c *call) (Facts, *Refusal) {
	a, refusal := w.gate.Admit(&c.Request)
	if refusal != nil {
		return a.Facts(), refusal
	}
	refusal = w.gate.Verify(context.Background(), &a, bodyOf(c.body), c.body)
	return a.Facts(), refusal
}

func detail(r *Refusal, name string) any {
	for _, d := range r.Details {
		if d.Name == name {
			return d.Value
		}
	}
	return nil
}

func header(name string, values ...string) func(*call) {
	return func(c *call) { c.Header[name] = values }
}

type vector struct {
	keyID, secret string

	Name      string `json:"name"`
	Timestamp int64  `json:"timestamp"`
	Nonce     string `json:"nonce"`
	Method    string `json:"method"`
	Host      string `json:"host"`
	Target    string `json:"target"`
	Body      []byte `json:"body_base64"`
	Signature string `json:"signature"`
}

func readVectors(t *testing.T) []vector {
	t.Helper()
	text, err := os.ReadFile("testdata/unk1.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		KeyID  string   `json:"key_id"`
		Secret string   `json:"secret"`
		Cases  []vector `json:"cases"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	for i := range file.Cases {
		file.Cases[i].keyID, file.Cases[i].secret = file.KeyID, file.Secret
	}
	return file.Cases
}
