package caddymodule

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

const copies = 1000

// volley sends copies of one request at once and counts the answers by status.
// During is called while they are on their way.
func (s *site) volley(t *testing.T, m merchant, during func()) map[int]int {
	t.Helper()
	original := s.request(m, "POST", "/pay", `{"amount":1}`)
	var mu sync.Mutex
	statuses := map[int]int{}
	var wait sync.WaitGroup
	var answered atomic.Int64
	half := make(chan struct{})
	for range copies {
		wait.Go(func() {
			a, err := patiently(s.client(), func() *http.Request { return again(t, original) })
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			statuses[a.status]++
			if answered.Add(1) == copies/2 {
				close(half)
			}
		})
	}
	<-half
	during()
	wait.Wait()
	return statuses
}

// again is the very same request.
func again(t testing.TB, original *http.Request) *http.Request {
	r := original.Clone(t.Context())
	if original.GetBody != nil {
		body, err := original.GetBody()
		if err != nil {
			t.Error(err)
		}
		r.Body = body
	}
	return r
}

// patiently tries again when the server hung up before it read the request. Both
// come from below the gateway: while a server shuts down, as the old one does in a
// reload, net/http drops the connections that it has just accepted (conn.serve),
// and the kernel those in the queue of its socket, which Caddy does not hand on
// (SO_REUSEPORT, listen_unix.go).
func patiently(c *http.Client, r func() *http.Request) (a answer, err error) {
	for range 50 {
		a, err = send(c, r())
		if !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
			return a, err
		}
	}
	return a, err
}

func TestOnlyOneOfManyCopiesPasses(t *testing.T) {
	s := startSite(t)
	m := s.merchant(controlplane.Live, "127.0.0.1")
	for name, during := range map[string]func(){
		"undisturbed":               func() {},
		"across a reload":           func() { check(t, s.load()) },
		"across a rejected reload":  func() { s.rejectedReload(t) },
		"across reloads of any way": func() { check(t, s.load()); s.rejectedReload(t); check(t, s.load()) },
	} {
		t.Run(name, func(t *testing.T) {
			statuses := s.volley(t, m, during)
			if statuses[200] != 1 || statuses[409] != copies-1 {
				t.Errorf("answers %v", statuses)
			}
			if n := len(s.upstream.take()); n != 1 {
				t.Errorf("the upstream saw %d", n)
			}
		})
	}
}

// rejectedReload loads a configuration that fails, in Provision or in Start.
func (s *site) rejectedReload(t *testing.T) {
	t.Helper()
	merchants, auth := s.merchants, s.auth
	defer func() { s.merchants, s.auth = merchants, auth }()
	s.auth = "{\nclock_skew 1h\n}"
	if err := s.load(); err == nil {
		t.Error("a bad clock_skew was accepted")
	}
	s.auth, s.merchants = auth, "replay memory "+s.path("cert.pem")
	if err := s.load(); err == nil {
		t.Error("a file was accepted as a directory")
	}
}

func TestReplaysAreKnownAfterAGracefulRestart(t *testing.T) {
	s := startSite(t)
	m := s.merchant(controlplane.Live, "127.0.0.1")
	r := s.request(m, "GET", "/", "")
	s.wantPassed(s.do(r.Clone(t.Context())))
	s.stop()
	check(t, s.load())
	s.inForce()
	s.wantRefused(s.do(r.Clone(t.Context())), 409, "REQUEST_REPLAYED")
	s.wantPassed(s.do(s.request(m, "GET", "/", "")))
}
