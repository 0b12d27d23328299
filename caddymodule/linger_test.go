package caddymodule

import (
	"strings"
	"testing"
)

// A client that sends a body without waiting reads the answer when it has sent all of it:
// were the connection closed before, its system would throw the answer away.
func TestARefusalReachesAClientThatStillSends(t *testing.T) {
	s := startSite(t, func(s *site) { s.auth = "live {\nmax_body 1MiB\n}" })
	m, elsewhere := s.merchant("live", "127.0.0.1"), s.merchant("live", "198.51.100.7")
	long := strings.Repeat("x", 8<<20)
	for want, c := range map[string]struct {
		m    merchant
		make func(*raw)
	}{
		"AUTH_REQUIRED":  {m, func(r *raw) { r.fields = nil }},
		"KEY_INVALID":    {m, valued("X-Unk-Key", func(string) string { return "unk_live_" + strings.Repeat("a", 22) })},
		"IP_NOT_ALLOWED": {elsewhere, func(*raw) {}},
		"BODY_TOO_LARGE": {m, func(*raw) {}},
	} {
		for framing, trailers := range map[string][][2]string{"a length": nil, "chunks": {}} {
			r := s.signedRaw(c.m, "http", "gateway.test:"+port(s.plain))
			c.make(r)
			r.body, r.trailers = long, trailers
			if a, err := r.http1(s.plain); err != nil || !strings.Contains(a.body, `"code":"`+want+`"`) {
				t.Errorf("%s, a body with %s: answered %d %s, %v", want, framing, a.status, a.body, err)
			}
		}
	}
	if seen := s.upstream.take(); len(seen) != 0 {
		t.Errorf("the upstream saw %d requests", len(seen))
	}
}
