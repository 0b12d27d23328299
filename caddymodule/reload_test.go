package caddymodule

import (
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/goleak"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// traffic is requests of several clients without a pause, until it is stopped.
type traffic struct {
	stop    atomic.Bool
	passed  atomic.Int64
	clients sync.WaitGroup
}

func (s *site) startTraffic(t *testing.T, m merchant, clients int) *traffic {
	t.Helper()
	load := new(traffic)
	for range clients {
		load.clients.Go(func() {
			for !load.stop.Load() {
				a, err := patiently(s.client(), func() *http.Request { return s.request(m, "POST", "/pay", strings.Repeat("x", 3000)) })
				if err != nil || a.status != 200 || len(a.body) != 3000 {
					t.Errorf("request failed: %v, %d %s", err, a.status, a.body)
					return
				}
				load.passed.Add(1)
			}
		})
	}
	return load
}

// startHTTP2Traffic keeps one connection for many requests, until a reload ends it.
func (s *site) startHTTP2Traffic(t *testing.T, m merchant, load *traffic) {
	client := s.client2()
	client.Transport.(*http.Transport).DisableKeepAlives = false
	load.clients.Go(func() {
		defer client.CloseIdleConnections()
		for !load.stop.Load() {
			a, err := patiently(client, func() *http.Request {
				return s.requestTo("https://gateway.test:"+port(s.secure), m, "POST", "/pay", "over HTTP/2")
			})
			if err != nil || a.status != 200 || a.body != "over HTTP/2" {
				t.Errorf("request over HTTP/2 failed: %v, %d %s", err, a.status, a.body)
				return
			}
			load.passed.Add(1)
		}
	})
}

func (l *traffic) end() int64 {
	l.stop.Store(true)
	l.clients.Wait()
	return l.passed.Load()
}

func TestReloadsUnderLoad(t *testing.T) {
	s := startSite(t)
	m := s.merchant(controlplane.Live, "127.0.0.1")
	replayed := s.request(m, "GET", "/", "")
	s.wantPassed(s.do(replayed.Clone(t.Context())))
	traffic := s.startTraffic(t, m, 2)
	s.startHTTP2Traffic(t, m, traffic)
	// Clients open their connections before goroutines are counted.
	for traffic.passed.Load() < 30 {
		runtime.Gosched()
	}
	for i := range 50 {
		switch {
		case i%5 == 4:
			s.rejectedReload(t)
		default:
			s.merchants = []string{"", "body_budget 64MiB", "replay memory {\ncapacity 2000000\n}"}[i%3]
			check(t, s.load())
		}
		s.wantRefused409(t, replayed)
	}
	passed := int(traffic.end())
	t.Logf("%d requests during 50 reloads", passed)
	if seen := len(s.upstream.take()); passed < 50 || seen != passed {
		t.Errorf("%d requests passed, the upstream saw %d", passed, seen)
	}
	for _, key := range []any{s.app().dataID, s.app().nonceID} {
		if n, _ := pool.References(key); n != 1 {
			t.Errorf("%d references to %v after the reloads", n, key)
		}
	}
}

func (s *site) wantRefused409(t *testing.T, r *http.Request) {
	t.Helper()
	a, err := patiently(s.client(), func() *http.Request { return again(t, r) })
	if err != nil || a.status != 409 {
		t.Errorf("a replay after a reload: %v, %d %s", err, a.status, a.body)
	}
}

func TestARejectedConfigurationLeavesTheLiveOneItsLimits(t *testing.T) {
	s := startSite(t, func(s *site) { s.merchants = "body_budget 32MiB\nreplay memory {\ncapacity 777\n}" })
	app := s.app()
	s.merchants = "body_budget 64MiB\nreplay memory {\ncapacity 888\n}"
	// The merchants app of this one starts or not, as the order of the apps falls;
	// another app fails to start, its port being taken.
	s.before = "bind 192.0.2.1"
	for range 5 {
		if err := s.load(); err == nil {
			t.Fatal("an address of nobody was bound")
		}
		if s.app() != app {
			t.Fatal("the configuration changed")
		}
		if n := s.counter(t, "caddy_merchants_replay_capacity"); n != 777 {
			t.Errorf("capacity %v", n)
		}
		if n := s.counter(t, "caddy_merchants_buffered_bytes_limit"); n != 32<<20 {
			t.Errorf("budget %v", n)
		}
	}
	if n, _ := pool.References(app.dataID); n != 1 {
		t.Errorf("%d references", n)
	}
	m := s.merchant(controlplane.Live, "127.0.0.1")
	s.wantPassed(s.do(s.request(m, "GET", "/", "")))
}

func TestAnotherDatabaseTakesOverByReload(t *testing.T) {
	s := startSite(t)
	old := s.merchant(controlplane.Live, "127.0.0.1")
	s.database = s.path("other/merchants.db")
	check(t, s.load())
	a := s.do(s.request(old, "GET", "/", ""))
	s.wantRefused(a, 401, "KEY_INVALID")
	m := s.merchant(controlplane.Live, "127.0.0.1")
	s.wantPassed(s.do(s.request(m, "GET", "/", "")))
}

// TestAConfigurationThatIsNotOpenAsksTheRunningOne is the moment in a reload in
// which the servers of the new configuration are up and its data is not.
func TestAConfigurationThatIsNotOpenAsksTheRunningOne(t *testing.T) {
	s := startSite(t)
	m := s.merchant(controlplane.Live, "127.0.0.1")
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	defer cancel()
	waiting := &App{StoreRaw: []byte(`{"module":"sqlite","path":"` + s.path("other.db") + `"}`)}
	check(t, waiting.Provision(ctx))
	if waiting.node() != nil || waiting.deciding() != s.app() {
		t.Error("it decides by data that is not open")
	}
	if _, ok := waiting.snapshot().Key(m.keyID); !ok {
		t.Error("it does not know the merchant")
	}
	check(t, waiting.Cleanup())
	if waiting.deciding() != s.app() {
		t.Error("it decides after its end")
	}
}

func TestARequestInFlightOutlivesTheReload(t *testing.T) {
	s := startSite(t)
	m := s.merchant(controlplane.Live, "127.0.0.1")
	reached, goOn := make(chan struct{}), make(chan struct{})
	slow := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(reached)
		<-goOn
		w.WriteHeader(http.StatusNoContent)
	})
	s.upstream.answer.Store(&slow)
	done := make(chan answer, 1)
	r := s.request(m, "POST", "/", "slow")
	go func() {
		a, err := send(s.client(), r)
		if err != nil {
			t.Error(err)
		}
		done <- a
	}()
	<-reached
	check(t, s.load())
	s.database = s.path("other/merchants.db")
	check(t, s.load())
	close(goOn)
	if a := <-done; a.status != http.StatusNoContent {
		t.Errorf("answer %d %s", a.status, a.body)
	}
}

func TestChangesAreEnforcedWithoutAReload(t *testing.T) {
	s := startSite(t)
	m := s.merchant(controlplane.Live, "127.0.0.1")
	s.wantPassed(s.do(s.request(m, "GET", "/", "")))
	_, err := s.node().service.SuspendMerchant(t.Context(), operator, m.id)
	check(t, err)
	s.inForce()
	s.wantRefused(s.do(s.request(m, "GET", "/", "")), 401, "KEY_INVALID")
	_, err = s.node().service.ResumeMerchant(t.Context(), operator, m.id)
	check(t, err)
	s.inForce()
	s.wantPassed(s.do(s.request(m, "GET", "/", "")))
}

// tree is every file below dir with its content, mode and time, but for the shared
// memory of SQLite, in which the live server notes down what it reads.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	check(t, filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() || strings.HasSuffix(path, "-shm") {
			return err
		}
		text, err := os.ReadFile(path)
		files[path] = info.Mode().String() + info.ModTime().String() + string(text)
		return err
	}))
	return files
}

func TestValidateTouchesNothing(t *testing.T) {
	t.Run("beside a live server", func(t *testing.T) {
		s := startSite(t)
		m := s.merchant(controlplane.Live, "127.0.0.1")
		s.wantPassed(s.do(s.request(m, "GET", "/", "")))
		s.node().usage.flush()
		before := tree(t, s.path("data"))
		s.validate(t)
		after := tree(t, s.path("data"))
		if len(before) < 4 || len(after) != len(before) {
			t.Errorf("files: %d before, %d after", len(before), len(after))
		}
		for path, content := range before {
			if after[path] != content {
				t.Errorf("%s changed", path)
			}
		}
		s.wantPassed(s.do(s.request(m, "GET", "/", "")))
	})
	t.Run("before the first start", func(t *testing.T) {
		defer goleak.VerifyNone(t, append(caddysOwn(), goleak.IgnoreCurrent())...)
		s := &site{t: t, dir: t.TempDir(), plain: freePort(t), secure: freePort(t), upstream: &upstream{address: freePort(t)}}
		s.makeCertificate()
		s.database = s.path("data/merchants.db")
		s.validate(t)
		if _, err := os.Stat(s.path("data")); !os.IsNotExist(err) {
			t.Errorf("the data directory is there: %v", err)
		}
	})
}

// validate does what "caddy validate" does, in this process: it shares the pool
// with the live server, which makes it harder.
func (s *site) validate(t *testing.T) {
	t.Helper()
	text, err := adapt(s.caddyfile())
	check(t, err)
	var config caddy.Config
	check(t, caddy.StrictUnmarshalJSON(withoutTrust(t, text), &config))
	check(t, caddy.Validate(&config))
}
