package caddymodule

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// BenchmarkMerchantAuth is the handler alone: what it adds to a request, without
// the network. Making the request is not counted.
func BenchmarkMerchantAuth(b *testing.B) {
	s := startSite(b, func(s *site) { s.logs = "level ERROR" })
	m := s.merchant("live", "192.0.2.1")
	h := &MerchantAuth{app: s.app(), logger: s.app().logger}
	check(b, h.applyDefaults())
	check(b, h.makeGate())
	passed := 0
	next := caddyhttp.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
		passed++
		_, err := io.Copy(io.Discard, r.Body)
		return err
	})
	for _, size := range []int{0, 512, 64 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("%d bytes", size), func(b *testing.B) {
			body := bytes.Repeat([]byte("x"), size)
			hash := sha256.Sum256(body)
			passed = 0
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for i := 0; b.Loop(); i++ {
				b.StopTimer()
				r := benchRequest(b, m, body, hash, i)
				w := discardWriter{header: http.Header{}}
				b.StartTimer()
				check(b, h.ServeHTTP(w, r, next))
			}
			if passed < b.N {
				b.Errorf("%d of %d requests passed", passed, b.N)
			}
		})
	}
}

func benchRequest(b *testing.B, m merchant, body []byte, hash [sha256.Size]byte, i int) *http.Request {
	r := httptest.NewRequest("POST", "/v1/payments?a=1", bytes.NewReader(body))
	check(b, m.signer.Sign(r, hash, time.Now(), "0123456789abcdef"+strconv.Itoa(i)+"_"+strconv.FormatInt(int64(b.N), 10)+strconv.Itoa(len(body))+strconv.FormatInt(time.Now().UnixNano(), 36)))
	ctx := context.WithValue(r.Context(), caddyhttp.VarsCtxKey, map[string]any{caddyhttp.ClientIPVarKey: "192.0.2.1"})
	ctx = context.WithValue(ctx, caddyhttp.OriginalRequestCtxKey, http.Request{Method: r.Method, RequestURI: r.RequestURI})
	ctx = context.WithValue(ctx, caddyhttp.ExtraLogFieldsCtxKey, new(caddyhttp.ExtraLogFields))
	ctx = context.WithValue(ctx, caddy.ReplacerCtxKey, caddy.NewReplacer())
	return r.WithContext(ctx)
}

// discardWriter is a response that nobody reads.
type discardWriter struct{ header http.Header }

func (w discardWriter) Header() http.Header             { return w.header }
func (w discardWriter) Write(p []byte) (int, error)     { return len(p), nil }
func (w discardWriter) WriteHeader(int)                 {}
func (w discardWriter) SetReadDeadline(time.Time) error { return nil }
