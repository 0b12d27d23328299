package gate

import (
	"context"
	"crypto/sha256"
	"fmt"
	"testing"

	"github.com/unknownpay/merchant-gateway/controlplane/signature"
)

// alwaysFresh leaves the nonce store out of the measurement.
type alwaysFresh struct{}

func (alwaysFresh) Use(context.Context, string, string, int64, int64) (bool, error) { return true, nil }
func (alwaysFresh) NotBefore() int64                                                { return 0 }

func TestGoodRequestsDoNotAllocate(t *testing.T) {
	limiter, err := NewLimiter(1e6, 1e6)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, func(c *Config) { c.Nonces, c.Limiter = alwaysFresh{}, limiter })
	c := w.signed(liveKey, header("Connection", "keep-alive"), func(c *call) { c.Host = "api.example.com" })
	hash := sha256.Sum256(c.body)
	ctx := t.Context()
	n := testing.AllocsPerRun(100, func() {
		a, refusal := w.gate.Admit(&c.Request)
		if refusal == nil {
			refusal = w.gate.Verify(ctx, &a, signature.Body{Length: int64(len(c.body)), SHA256: hash}, nil)
		}
		if refusal != nil {
			t.Fatal(refusal.Code)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkGate(b *testing.B) {
	for _, size := range []int{0, 512, 64 << 10} {
		b.Run(fmt.Sprintf("admit+hash+verify/%dB", size), func(b *testing.B) {
			w := newWorld(b, func(c *Config) { c.Nonces = alwaysFresh{} })
			body := make([]byte, size)
			c := w.signedAs(liveKey, func(m *signature.Message) { m.BodyHash = sha256.Sum256(body) }, func(c *call) { c.Host = "api.example.com" })
			ctx := context.Background()
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				a, refusal := w.gate.Admit(&c.Request)
				if refusal == nil {
					refusal = w.gate.Verify(ctx, &a, signature.Body{Length: int64(size), SHA256: sha256.Sum256(body)}, nil)
				}
				if refusal != nil {
					b.Fatal(refusal.Code)
				}
			}
		})
	}
}

func BenchmarkAdmit(b *testing.B) {
	w := newWorld(b)
	c := w.signed(liveKey, func(c *call) { c.Host = "api.example.com" })
	b.ReportAllocs()
	for b.Loop() {
		if _, refusal := w.gate.Admit(&c.Request); refusal != nil {
			b.Fatal(refusal.Code)
		}
	}
}

func BenchmarkRefuse(b *testing.B) {
	for name, c := range map[string]struct {
		key    string
		change func(*call)
	}{
		"unknown key":     {unknownKey, func(*call) {}},
		"live mismatch":   {liveKey, header(signature.HeaderNonce, "another-nonce-than-signed")},
		"test, with hint": {testKey, func(c *call) { c.Target = "/other" }},
	} {
		b.Run(name, func(b *testing.B) {
			w := newWorld(b)
			request := w.signed(c.key, c.change)
			var out []byte
			b.ReportAllocs()
			for b.Loop() {
				w.gate.hints.full.Store(0)
				_, refusal := w.pass(request)
				out = refusal.AppendJSON(out[:0], Presentation{RequestID: "req_1"})
			}
		})
	}
}

func BenchmarkIdentity(b *testing.B) {
	w := newWorld(b)
	c := w.signed(liveKey)
	f, refusal := w.pass(c)
	if refusal != nil {
		b.Fatal(refusal.Code)
	}
	b.ReportAllocs()
	for b.Loop() {
		DeleteProtected(c.Header)
		f.SetIdentity(c.Header, "req_1", new(Identity))
	}
}
