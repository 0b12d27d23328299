package gate

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/signature"
)

func TestGoodRequestPassesOnce(t *testing.T) {
	for _, key := range []string{liveKey, testKey} {
		w := newWorld(t)
		c := w.signed(key, func(c *call) { c.ClientIP = netip.MustParseAddr("::ffff:203.0.113.9") })
		f, refusal := w.pass(c)
		if refusal != nil {
			t.Fatalf("refused: %+v", refusal)
		}
		want := Facts{Merchant: [16]byte{15: 1}, KeyID: key, Environment: controlplane.Environment(key[4:8]), ClientIP: netip.MustParseAddr("203.0.113.9"), AllowlistRow: 11, SignedAt: w.now.Unix(), Revision: 7}
		if f != want || f.MerchantID() != merchantID(1) {
			t.Errorf("facts %+v", f)
		}
		if w.nonces.kept != 301 {
			t.Errorf("nonce kept %d s after the timestamp", w.nonces.kept)
		}
		if _, refusal := w.pass(c); refusal == nil || refusal.Code != RequestReplayed {
			t.Errorf("second time: %+v", refusal)
		}
	}
}

func TestTheVectorsPass(t *testing.T) {
	for _, v := range readVectors(t) {
		w := newWorld(t)
		e := w.snapshot.Edit()
		m, err := controlplane.NewKeyMaterial(controlplane.Test, []byte(v.secret))
		if err == nil {
			err = e.SetKey(controlplane.KeyRecord{ID: v.keyID, MerchantID: merchantID(1), Environment: controlplane.Test, State: controlplane.KeyActive}, m)
		}
		if err != nil {
			t.Fatal(err)
		}
		w.snapshot, w.now = e.Snapshot(8), time.Unix(v.Timestamp, 0)
		c := &call{body: v.Body, Request: Request{
			Method: v.Method, Target: v.Target, Host: v.Host, TLS: true, ClientIP: netip.MustParseAddr("2001:db8::1"),
			Header: http.Header{
				signature.HeaderKey: {v.keyID}, signature.HeaderTimestamp: {strconv.FormatInt(v.Timestamp, 10)},
				signature.HeaderNonce: {v.Nonce}, signature.HeaderSignature: {v.Signature},
			},
		}}
		if _, refusal := w.pass(c); refusal != nil {
			t.Errorf("%s: %+v", v.Name, refusal)
		}
	}
}

// TestEveryCode makes each refusal happen and checks what it carries.
func TestEveryCode(t *testing.T) {
	limiter, err := NewLimiter(1, 1)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[Code]bool{}
	for _, c := range []struct {
		name   string
		code   Code
		config func(*Config)
		world  func(*world)
		key    string
		change func(*call)
		// details are "name=value" that must be there; words must be in the message.
		details []string
		words   string
	}{
		{name: "early data", code: TooEarly, change: func(c *call) { c.EarlyData = true }},
		{name: "no headers", code: AuthRequired, change: func(c *call) { c.Header = http.Header{} }},
		{name: "nil headers", code: AuthRequired, change: func(c *call) { c.Header = nil }},
		{name: "nonce missing", code: AuthMalformed, change: func(c *call) { delete(c.Header, signature.HeaderNonce) }, details: []string{"header=X-Unk-Nonce", "reason=missing"}},
		{name: "key twice", code: AuthMalformed, change: header(signature.HeaderKey, liveKey, liveKey), details: []string{"header=X-Unk-Key", "reason=repeated"}},
		{name: "both schemes", code: AuthMalformed, change: header("Signature", "sig=:AA==:"), details: []string{"reason=mixed_schemes"}},
		{name: "nominated", code: AuthMalformed, change: header("Connection", "keep-alive, X-Unk_Merchant.ID"), details: []string{"header=Connection", "reason=nominated"}},
		{name: "nominated signature", code: AuthMalformed, change: header("Connection", "close", "signature-input"), details: []string{"header=Connection"}},
		{name: "nominated idempotency", code: AuthMalformed, change: header("Connection", "idempotency-KEY"), details: []string{"reason=nominated"}},
		{name: "trailer", code: AuthMalformed, change: func(c *call) { c.Trailer = http.Header{"X_unk_key_id": nil} }, details: []string{"header=Trailer", "reason=nominated"}},
		{name: "upgrade", code: AuthMalformed, change: header("Upgrade", "websocket"), details: []string{"header=Upgrade"}},
		{name: "two upgrades", code: AuthMalformed, change: header("Upgrade", "h2c", "websocket"), details: []string{"header=Upgrade"}},
		{name: "connect", code: AuthMalformed, change: func(c *call) { c.Method = "CONNECT" }, details: []string{"reason=method"}},
		{name: "host against authority", code: AuthMalformed, change: header("Host", "other.example.com"), details: []string{"header=Host", "reason=conflict"}},
		{name: "two hosts", code: AuthMalformed, change: header("Host", "API.example.com", "b.example.com"), details: []string{"reason=conflict"}},
		{name: "bad host in cleartext", code: AuthMalformed, change: func(c *call) { c.Host, c.TLS = "api.example.com:0", false }, details: []string{"header=Host"}},
		{name: "bad host", code: AuthMalformed, change: func(c *call) { c.Host = "a b" }, details: []string{"header=Host", "reason=syntax"}, words: "The host must be"},
		{name: "absolute form", code: AuthMalformed, change: func(c *call) { c.Target = "https://api.example.com/v1/payments" }, details: []string{"reason=target"}},
		{name: "asterisk form", code: AuthMalformed, change: func(c *call) { c.Method, c.Target = "OPTIONS", "*" }, details: []string{"reason=target"}},
		{name: "upper-case signature", code: AuthMalformed, change: func(c *call) {
			v := c.Header[signature.HeaderSignature]
			v[0] = "v1=" + strings.ToUpper(v[0][3:])
		}, details: []string{"hint=signature_upper_case"}},
		{name: "signature without v1=", code: AuthMalformed, change: func(c *call) { v := c.Header[signature.HeaderSignature]; v[0] = v[0][3:] }, details: []string{"hint=signature_prefix_missing"}},
		{name: "base64 signature", code: AuthMalformed, change: header(signature.HeaderSignature, "v1=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="), details: []string{"hint=signature_base64"}},
		{name: "nonsense signature", code: AuthMalformed, change: header(signature.HeaderSignature, "v1=xyz"), details: []string{"reason=syntax"}},
		{name: "milliseconds", code: TimestampInvalid, change: header(signature.HeaderTimestamp, "1767225600123"), details: []string{"hint=timestamp_milliseconds"}, words: "milliseconds"},
		{name: "date", code: TimestampInvalid, change: header(signature.HeaderTimestamp, "2026-01-01T00:00:00Z"), details: []string{"hint=timestamp_date"}},
		{name: "five digits", code: TimestampInvalid, change: header(signature.HeaderTimestamp, "12345"), details: []string{"header=X-Unk-Timestamp"}},
		{name: "no snapshot", code: AuthUnavailable, world: func(w *world) { w.snapshot = nil }},
		{name: "replay store away", code: AuthUnavailable, world: func(w *world) { w.nonces.down = errors.New("down") }},
		{name: "unknown key", code: KeyInvalid, key: unknownKey},
		{name: "revoked key", code: KeyInvalid, key: revokedKey, details: []string{"reason=revoked", "since=2025-12-31T23:00:00Z"}},
		{name: "expired key", code: KeyInvalid, key: expiredKey, details: []string{"reason=expired", "since=2025-12-31T23:59:00Z"}},
		{name: "suspended merchant", code: KeyInvalid, key: haltedKey, details: []string{"reason=merchant_suspended"}},
		{name: "test key on a live route", code: EnvMismatch, key: testKey, config: func(c *Config) { c.Environment = controlplane.Live }, details: []string{"key_environment=test", "route_environment=live"}},
		{name: "live key on a test route", code: EnvMismatch, config: func(c *Config) { c.Environment = controlplane.Test }, words: "This is a live key"},
		{name: "other address", code: IPNotAllowed, change: func(c *call) { c.ClientIP = netip.MustParseAddr("::ffff:198.51.100.7") }, details: []string{"client_ip=198.51.100.7"}, words: "198.51.100.7 is not in"},
		{name: "no address", code: IPNotAllowed, change: func(c *call) { c.ClientIP = netip.Addr{} }, words: "cannot be told"},
		{name: "behind", code: TimestampOutOfRange, world: func(w *world) { w.now = w.now.Add(301 * time.Second) }, details: []string{"difference_seconds=-301", "max_seconds=300", "server_time=1767225901"}, words: "301 seconds behind"},
		{name: "ahead", code: TimestampOutOfRange, config: func(c *Config) { c.Skew = time.Minute }, world: func(w *world) { w.now = w.now.Add(-61 * time.Second) }, details: []string{"difference_seconds=61", "max_seconds=60"}, words: "61 seconds ahead"},
		{name: "before the restart", code: TimestampOutOfRange, world: func(w *world) { w.nonces.notBefore = w.now.Unix() }, words: "restarted uncleanly"},
		{name: "rate", code: RateLimited, config: func(c *Config) { c.Limiter = limiter }, world: func(w *world) { limiter.take(liveKey, w.now) }},
		{name: "wrong body", code: SignatureMismatch, change: func(c *call) { c.body = []byte("x") }, details: []string{"body_bytes=1"}},
	} {
		var config []func(*Config)
		if c.config != nil {
			config = append(config, c.config)
		}
		w := newWorld(t, config...)
		key := c.key
		if key == "" {
			key = liveKey
		}
		request := w.signed(key)
		if c.change != nil {
			c.change(request)
		}
		if c.world != nil {
			c.world(w)
		}
		_, refusal := w.pass(request)
		if refusal == nil || refusal.Code != c.code {
			t.Errorf("%s: %+v, want %s", c.name, refusal, c.code)
			continue
		}
		seen[c.code] = true
		for _, want := range c.details {
			name, value, _ := strings.Cut(want, "=")
			if got := fmt.Sprint(detail(refusal, name)); got != value {
				t.Errorf("%s: %s is %q, want %q", c.name, name, got, value)
			}
		}
		if !strings.Contains(refusal.Message, c.words) {
			t.Errorf("%s: message %q", c.name, refusal.Message)
		}
		checkPresentation(t, c.name, refusal)
	}
	w := newWorld(t)
	a, _ := w.gate.Admit(&w.signed(liveKey).Request)
	for code, r := range map[Code]*Refusal{BodyTooLarge: a.BodyTooLarge(1 << 20), BodyTimeout: a.BodyTimeout(1500 * time.Millisecond), AuthUnavailable: a.Unavailable(errors.New("no memory"))} {
		seen[code] = r.Code == code
		checkPresentation(t, string(code), r)
	}
	if _, refusal := w.pass(w.signed(liveKey)); refusal != nil {
		t.Errorf("%+v", refusal)
	}
	seen[RequestReplayed] = true                                  // TestGoodRequestPassesOnce
	seen[CoverageInsufficient], seen[DigestMismatch] = true, true // rfc9421_test.go
	for _, info := range Codes() {
		if !seen[info.Code] {
			t.Errorf("%s was not produced", info.Code)
		}
	}
}

// checkPresentation checks both forms of the response.
func checkPresentation(t *testing.T, name string, r *Refusal) {
	t.Helper()
	p := Presentation{RequestID: "req_1", DocPage: "https://docs.example.com/errors"}
	var plain struct {
		Error struct {
			Code, Message, RequestID, DocURL string
			Details                          map[string]any
		}
	}
	text := r.AppendJSON(nil, p)
	plainText := strings.NewReplacer(`"request_id"`, `"requestID"`, `"doc_url"`, `"docURL"`).Replace(string(text))
	if err := json.Unmarshal([]byte(plainText), &plain); err != nil {
		t.Errorf("%s: %v: %s", name, err, text)
	}
	e := plain.Error
	if e.Code != string(r.Code) || e.Message != r.Message || e.RequestID != "req_1" || e.DocURL != "https://docs.example.com/errors#"+strings.ToLower(e.Code) || len(e.Details) != len(r.Details) {
		t.Errorf("%s: %s", name, text)
	}
	var problem map[string]any
	text = r.AppendProblem(nil, p)
	if err := json.Unmarshal(text, &problem); err != nil {
		t.Errorf("%s: %v: %s", name, err, text)
	}
	if problem["code"] != string(r.Code) || problem["status"] != float64(r.Status()) || problem["detail"] != r.Message || problem["type"] != e.DocURL || problem["title"] == "" {
		t.Errorf("%s: %s", name, text)
	}
	if (r.WWWAuthenticate() == "UNK1") != (r.Status() == 401) {
		t.Errorf("%s: WWW-Authenticate %q with status %d", name, r.WWWAuthenticate(), r.Status())
	}
	if retry := r.Code == RateLimited || r.Code == AuthUnavailable; retry != (r.RetryAfterSeconds() > 0) {
		t.Errorf("%s: Retry-After %d", name, r.RetryAfterSeconds())
	}
}

// TestDeadKeysLookUnknown: who cannot sign, comes from elsewhere or at another
// time is not told that the key ever was.
func TestDeadKeysLookUnknown(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Environment = controlplane.Live })
	_, unknown := w.pass(w.signed(unknownKey))
	want := string(unknown.AppendJSON(nil, Presentation{RequestID: "r"}))
	for _, key := range []string{revokedKey, expiredKey, haltedKey} {
		for name, change := range map[string]func(*call){
			"wrong signature": func(c *call) { c.body = nil },
			"wrong address":   func(c *call) { c.ClientIP = netip.MustParseAddr("192.0.2.1") },
			"wrong time":      header(signature.HeaderTimestamp, "1000000000"),
		} {
			_, refusal := w.pass(w.signed(key, change))
			if got := string(refusal.AppendJSON(nil, Presentation{RequestID: "r"})); got != want {
				t.Errorf("%s, %s: %s", key, name, got)
			}
		}
		a, _ := w.gate.Admit(&w.signed(key).Request)
		for _, r := range []*Refusal{a.BodyTooLarge(1), a.BodyTimeout(1), a.Unavailable(nil)} {
			if got := string(r.AppendJSON(nil, Presentation{RequestID: "r"})); got != want {
				t.Errorf("%s, body: %s", key, got)
			}
		}
	}
	if len(w.nonces.used) != 0 {
		t.Error("a refused request used up its nonce")
	}
}

// TestFirstFailureIsTheAnswer breaks everything from some check on: the answer is
// that check's code, whatever comes after.
func TestFirstFailureIsTheAnswer(t *testing.T) {
	limiter, err := NewLimiter(1, 1)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, func(c *Config) { c.Environment, c.Limiter = controlplane.Live, limiter })
	limiter.take(liveKey, w.now)
	limiter.take(testKey, w.now)
	mistakes := []struct {
		code Code
		make func(*call)
	}{
		{TooEarly, func(c *call) { c.EarlyData = true }},
		{AuthMalformed, header(signature.HeaderNonce, "short")},
		{AuthUnavailable, func(*call) { w.snapshot = nil }},
		{KeyInvalid, header(signature.HeaderKey, unknownKey)},
		{EnvMismatch, header(signature.HeaderKey, testKey)},
		{IPNotAllowed, func(c *call) { c.ClientIP = netip.MustParseAddr("192.0.2.1") }},
		{TimestampOutOfRange, header(signature.HeaderTimestamp, "1000000000")},
		{RateLimited, func(*call) {}},
	}
	snapshot := w.snapshot
	for first, want := range mistakes {
		w.snapshot = snapshot
		c := w.signed(liveKey, func(c *call) { c.body = nil })
		for _, m := range slices.Backward(mistakes[first:]) {
			m.make(c)
		}
		if _, refusal := w.gate.Admit(&c.Request); refusal == nil || refusal.Code != want.code {
			t.Errorf("from %s on: %+v", want.code, refusal)
		}
	}
	if len(w.nonces.used) != 0 {
		t.Error("a refused request used up its nonce")
	}
}

// TestNonceIsSpentOnlyByItsOwner: a wrong signature leaves the nonce fresh.
func TestNonceIsSpentOnlyByItsOwner(t *testing.T) {
	w := newWorld(t)
	c := w.signed(liveKey)
	forged := *c
	forged.body = []byte("other")
	if _, refusal := w.pass(&forged); refusal == nil || refusal.Code != SignatureMismatch {
		t.Fatalf("%+v", refusal)
	}
	if _, refusal := w.pass(c); refusal != nil {
		t.Errorf("the owner is refused: %+v", refusal)
	}
}

// TestChangesDuringTheBodyCount: what is revoked while a slow body arrives is
// revoked.
func TestChangesDuringTheBodyCount(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*testing.T, *world)
		code   Code
	}{
		"nothing that matters": {func(t *testing.T, w *world) { w.snapshot = w.snapshot.Edit().Snapshot(8) }, ""},
		"key revoked": {func(t *testing.T, w *world) {
			e := w.snapshot.Edit()
			setKey(t, e, controlplane.KeyRecord{ID: liveKey, State: controlplane.KeyRevoked})
			w.snapshot = e.Snapshot(8)
		}, KeyInvalid},
		"key gone": {func(t *testing.T, w *world) {
			e := w.snapshot.Edit()
			e.RemoveKey(liveKey)
			w.snapshot = e.Snapshot(8)
		}, KeyInvalid},
		"allowlist emptied": {func(t *testing.T, w *world) {
			e := w.snapshot.Edit()
			if err := e.SetMerchant(controlplane.MerchantRecord{ID: merchantID(1), State: controlplane.MerchantActive}); err != nil {
				t.Fatal(err)
			}
			w.snapshot = e.Snapshot(8)
		}, IPNotAllowed},
		"snapshot too old": {func(t *testing.T, w *world) { w.snapshot = nil }, AuthUnavailable},
		"nonces forgotten": {func(t *testing.T, w *world) {
			w.nonces.notBefore, w.nonces.down = w.now.Unix(), errors.New("range")
		}, TimestampOutOfRange},
	} {
		w := newWorld(t)
		request := w.signed(liveKey)
		a, refusal := w.gate.Admit(&request.Request)
		if refusal != nil {
			t.Fatal(refusal.Code)
		}
		c.change(t, w)
		refusal = w.gate.Verify(t.Context(), &a, bodyOf(request.body), nil)
		if c.code == "" && refusal != nil || c.code != "" && (refusal == nil || refusal.Code != c.code) {
			t.Errorf("%s: %+v", name, refusal)
		}
	}
}

func TestNewRefusesNonsense(t *testing.T) {
	good := newWorld(t).config
	for name, change := range map[string]func(*Config){
		"no snapshot":       func(c *Config) { c.Snapshot = nil },
		"no nonces":         func(c *Config) { c.Nonces = nil },
		"no clock":          func(c *Config) { c.Clock = nil },
		"environment":       func(c *Config) { c.Environment = "staging" },
		"small skew":        func(c *Config) { c.Skew = 59 * time.Second },
		"large skew":        func(c *Config) { c.Skew = 901 * time.Second },
		"fractions of skew": func(c *Config) { c.Skew = 100*time.Second + 1 },
	} {
		c := good
		change(&c)
		if _, err := New(c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
