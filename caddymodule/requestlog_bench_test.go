package caddymodule

import (
	"bytes"
	"crypto/sha256"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// BenchmarkRequestLog is the handler with the log on and off, for requests that pass
// and for a flood of refusals, of which the log lists the first thousand.
func BenchmarkRequestLog(b *testing.B) {
	s := startSite(b, func(s *site) { s.logs = "level ERROR" })
	m := s.merchant("live", "192.0.2.1")
	away := s.merchant("live", "198.51.100.7")
	h := &MerchantAuth{app: s.app(), logger: s.app().logger}
	check(b, h.applyDefaults())
	check(b, h.makeGate())
	next := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return nil })
	log := s.node().requests
	on := log.set.Load()
	hash := sha256.Sum256(nil)
	for name, c := range map[string]struct {
		whose merchant
		edit  func(*http.Request)
	}{
		"accepted":        {m, func(*http.Request) {}},
		"wrong address":   {away, func(*http.Request) {}},
		"wrong signature": {m, func(r *http.Request) { r.Method = "PUT" }},
		"no header":       {m, func(r *http.Request) { r.Header = http.Header{} }},
	} {
		for state, set := range map[string]*requestLogSettings{"on": on, "off": nil} {
			b.Run(name+"/log "+state, func(b *testing.B) {
				log.set.Store(set)
				defer log.set.Store(on)
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					b.StopTimer()
					r := benchRequest(b, c.whose, nil, hash, i)
					r.Body = http.NoBody
					c.edit(r)
					w := httptest.NewRecorder()
					w.Body = new(bytes.Buffer)
					b.StartTimer()
					check(b, h.ServeHTTP(w, r, next))
				}
			})
		}
	}
}

// BenchmarkRequestLogNote is what the log itself adds to a request that is not listed.
func BenchmarkRequestLogNote(b *testing.B) {
	l := newRequestLog(&keptRequests{}, func(error) {})
	defer l.close()
	l.set.Store(&requestLogSettings{queue: minLogQueue})
	d, r, refusal := decided(1, "live")
	for range 2 * logBurst {
		l.refused(d, r, refusal, nil, true)
	}
	b.Run("accepted", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			l.accepted(d, r)
		}
	})
	b.Run("refused", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			l.refused(d, r, refusal, nil, true)
		}
	})
}
