package caddymodule

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/tests/redistest"
)

// withRedis keeps the nonces of a site in a Redis, whose password is in a file.
func withRedis(t *testing.T, server *redistest.Server) func(*site) {
	return func(s *site) {
		file := s.path("redis-password")
		check(t, os.WriteFile(file, []byte(server.Password), 0o600))
		s.merchants = fmt.Sprintf("replay redis redis://%s {\npassword_file %s\ntimeout 10s\n}", server.Host(), file)
	}
}

// untilPassed signs requests until one passes.
func (s *site) untilPassed(t *testing.T, m merchant) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		a := s.do(s.request(m, "GET", "/", ""))
		if a.status == http.StatusOK {
			s.wantPassed(a)
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("no request passes: %d %s", a.status, a.body)
		}
	}
}

func TestRedisLetsOneOfManyCopiesPass(t *testing.T) {
	s := startSite(t, withRedis(t, redistest.Start(t)))
	m := s.merchant(controlplane.Live, "127.0.0.1")
	s.untilPassed(t, m)
	for name, during := range map[string]func(){
		"undisturbed":     func() {},
		"across a reload": func() { check(t, s.load()) },
		"across a reload with other settings": func() {
			s.merchants = strings.Replace(s.merchants, "timeout 10s", "timeout 11s", 1)
			check(t, s.load())
		},
		"across a rejected reload": func() { s.rejectedReload(t) },
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

func TestRedisThatIsAwayRefusesAndComesBackWithoutHelp(t *testing.T) {
	server := redistest.Start(t)
	s := startSite(t, withRedis(t, server))
	m := s.merchant(controlplane.Live, "127.0.0.1")
	s.untilPassed(t, m)
	passed := s.request(m, "GET", "/", "")
	s.wantPassed(s.do(passed.Clone(t.Context())))

	server.Stop(t)
	s.wantRefused(s.do(s.request(m, "GET", "/", "")), 503, "AUTH_UNAVAILABLE")
	check(t, s.load()) // a reload does not need it
	s.wantRefused(s.do(s.request(m, "GET", "/", "")), 503, "AUTH_UNAVAILABLE")
	s.wantRedisStatus(t, func(r *redisStatus) bool { return r.Trouble != "" && r.Refused > 0 })
	if up, failed := s.counter(t, "caddy_merchants_replay_up"), s.counter(t, "caddy_merchants_replay_failed_total"); up != 0 || failed == 0 {
		t.Errorf("up is %v, failed %v", up, failed)
	}

	server.Resume(t)
	s.untilPassed(t, m)
	// It has forgotten the request that passed before.
	s.wantRefused(s.do(passed.Clone(t.Context())), 401, "TIMESTAMP_OUT_OF_RANGE")
	s.wantRedisStatus(t, func(r *redisStatus) bool { return r.Trouble == "" && r.Bytes > 0 && r.Version != "" })
	if up := s.counter(t, "caddy_merchants_replay_up"); up != 1 {
		t.Errorf("up is %v", up)
	}
}

// wantRedisStatus waits for what "caddy merchants status" says: the server is asked
// once a second.
func (s *site) wantRedisStatus(t *testing.T, want func(*redisStatus) bool) {
	t.Helper()
	var got *replayStatus
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		got = callNode{node: s.node()}.replayStatus()
		if got != nil && got.Redis != nil && want(got.Redis) {
			if text := got.String(); !strings.Contains(text, got.Redis.Address) || strings.Contains(text, "\n") {
				t.Errorf("it is shown as %q", text)
			}
			return
		}
	}
	t.Errorf("the status is %+v", got)
}

func TestRedisThatCannotHoldNoncesIsRefusedAtTheStart(t *testing.T) {
	evicting, other := redistest.Start(t, "--maxmemory-policy", "allkeys-lru"), redistest.Start(t)
	for name, c := range map[string]struct {
		server *redistest.Server
		change func(*site)
		want   string
	}{
		"one that evicts":  {evicting, func(*site) {}, "set noeviction"},
		"a wrong password": {other, func(s *site) { check(t, os.WriteFile(s.path("redis-password"), []byte(rand.Text()), 0o600)) }, "WRONGPASS"},
		"no password":      {other, func(s *site) { check(t, os.Remove(s.path("redis-password"))) }, "redis-password: no such file"},
		"another machine":  {other, func(s *site) { s.merchants = "replay redis redis://192.0.2.1" }, "only rediss:// is safe"},
		"a shown password": {other, func(s *site) { s.merchants = "replay redis redis://:hunter2@127.0.0.1" }, "password_file"},
	} {
		t.Run(name, func(t *testing.T) {
			s := unloadable(t)
			withRedis(t, c.server)(s)
			c.change(s)
			err := s.load()
			if err == nil {
				s.stop()
				t.Fatal("it was accepted")
			}
			if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), c.server.Password) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("error %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestPasswordOfRedisIsNotInTheConfiguration(t *testing.T) {
	server := redistest.Start(t)
	t.Setenv("REDISTEST_URL", server.URL())
	t.Setenv("REDISTEST_PASSWORD", server.Password)
	for _, url := range []string{"{env.REDISTEST_URL}", "redis://:{env.REDISTEST_PASSWORD}@" + server.Host()} {
		s := startSite(t, func(s *site) { s.merchants = "replay redis " + url })
		s.untilPassed(t, s.merchant(controlplane.Live, "127.0.0.1"))
		shown, err := json.Marshal(s.app())
		check(t, err)
		if strings.Contains(string(shown), server.Password) || strings.Contains(s.readLog(), server.Password) {
			t.Errorf("%s: the password shows", url)
		}
		s.stop()
	}
}
