package replay

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/tests/redistest"
)

// patience is how long a store may take to notice what happened to its server.
const patience = 30 * time.Second

func redisOptions(s *redistest.Server) RedisOptions {
	return RedisOptions{URL: s.URL(), CAFile: s.CAFile, Timeout: 10 * time.Second}
}

func openRedis(t testing.TB, s *redistest.Server, change func(*RedisOptions)) *Redis {
	t.Helper()
	o := redisOptions(s)
	if change != nil {
		change(&o)
	}
	r, err := OpenRedis(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// until waits for something that another goroutine brings about.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s does not come", what)
		}
	}
}

// usable waits until a store takes nonces.
func usable(t *testing.T, r *Redis) {
	t.Helper()
	until(t, "a store that takes nonces", func() bool {
		ok, err := r.Use(t.Context(), "key", rand.Text(), soon(), soon()+keep)
		return ok && err == nil
	})
}

func TestOneOfAThousandCopiesPassesSeveralGateways(t *testing.T) {
	server := redistest.Start(t)
	gateways := []*Redis{openRedis(t, server, nil), openRedis(t, server, nil), openRedis(t, server, nil)}
	at, passed := soon(), new(atomic.Int64)
	var all sync.WaitGroup
	for i := range 1000 {
		all.Go(func() {
			ok, err := gateways[i%len(gateways)].Use(t.Context(), "key", "one", at, at+keep)
			if err != nil {
				t.Error(err)
			}
			if ok {
				passed.Add(1)
			}
		})
	}
	all.Wait()
	if passed.Load() != 1 {
		t.Errorf("%d were told fresh", passed.Load())
	}
}

func TestNoncesOutliveEverySkew(t *testing.T) {
	server := redistest.Start(t)
	r := openRedis(t, server, func(o *RedisOptions) { o.Prefix = "p:" })
	wantUse(t, r, "key", "a", soon(), fresh)
	// A gateway with a skew of 900 s would let the timestamp pass until then.
	ttl, err := strconv.Atoi(strings.TrimPrefix(server.Do(t, "TTL", r.key("key", "a")), ":"))
	if err != nil || ttl < MaxAhead+maxClockGap || ttl > redisKeep+10 {
		t.Errorf("it is kept for %d s (%v), want %d", ttl, err, redisKeep)
	}
	if key := r.key("key", "a"); !strings.HasPrefix(key, "p:") || len(key) != 2+22 {
		t.Errorf("the key is %q", key)
	}
	other := openRedis(t, server, func(o *RedisOptions) { o.Prefix = "q:" })
	wantUse(t, other, "key", "a", soon(), fresh)
}

func TestReloadsAndRestartsOfAGatewayForgetNothing(t *testing.T) {
	server := redistest.Start(t)
	first := openRedis(t, server, nil)
	at := soon()
	wantUse(t, first, "key", "a", at, fresh)
	second := openRedis(t, server, nil)
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	wantUse(t, second, "key", "a", at, replayed)
	if first.NotBefore() != second.NotBefore() {
		t.Errorf("the floor went from %d to %d", first.NotBefore(), second.NotBefore())
	}
}

// What a restarted server forgot does not pass again: not at the gateway that had accepted it, nor at
// another one.
func TestServerThatForgotLetsNothingPassAgain(t *testing.T) {
	for name, lose := range map[string]func(*testing.T, *redistest.Server){
		"killed":  func(t *testing.T, s *redistest.Server) { s.Stop(t); s.Resume(t) },
		"flushed": func(t *testing.T, s *redistest.Server) { s.Do(t, "FLUSHALL") },
	} {
		t.Run(name, func(t *testing.T) {
			server := redistest.Start(t)
			a, b := openRedis(t, server, nil), openRedis(t, server, nil)
			at := soon() + 20 // of a client whose clock runs ahead
			wantUse(t, a, "key", "a", at, fresh)
			floor := a.NotBefore()
			lose(t, server)
			until(t, "the loss at both", func() bool { return a.NotBefore() > floor && b.NotBefore() >= at })
			wantUse(t, a, "key", "a", at, ErrRange)
			wantUse(t, b, "key", "a", at, ErrRange)
			wantUse(t, a, "key", "b", at+1, fresh)
			wantUse(t, b, "key", "b", at+1, replayed)
			late := openRedis(t, server, nil)
			wantUse(t, late, "key", "a", at, ErrRange)
		})
	}
}

// The very first use after a restart is the one that must not pass.
func TestFirstUseAfterARestartIsDecidedByTheNewFloor(t *testing.T) {
	server := redistest.Start(t)
	r := openRedis(t, server, nil)
	for range 3 {
		at := max(soon(), r.NotBefore()+1)
		wantUse(t, r, "key", "a"+strconv.FormatInt(at, 10), at, fresh)
		server.Stop(t)
		server.Resume(t)
		for range 20 {
			if ok, err := r.Use(t.Context(), "key", "a"+strconv.FormatInt(at, 10), at, at+keep); ok || err == nil {
				t.Fatalf("the request passed again: %v, %v", ok, err)
			}
		}
	}
}

func TestServerThatIsAwayRefusesAndComesBackWithoutHelp(t *testing.T) {
	server := redistest.Start(t)
	r := openRedis(t, server, nil)
	usable(t, r)
	server.Stop(t)
	wantUse(t, r, "key", "a", soon(), ErrUnavailable)
	until(t, "the trouble", func() bool { _, _, err := r.Server(); return err != nil })
	if r.Stats().Failed == 0 {
		t.Error("no failure is counted")
	}
	server.Resume(t)
	usable(t, r)
	until(t, "the end of the trouble", func() bool { _, _, err := r.Server(); return err == nil })
}

func TestGatewayStartsBeforeItsServer(t *testing.T) {
	server := redistest.Start(t)
	server.Stop(t)
	r := openRedis(t, server, nil)
	wantUse(t, r, "key", "a", soon(), ErrUnavailable)
	server.Resume(t)
	usable(t, r)
}

// A server that hangs may do later what it was asked. The nonce is burnt then; it never passes.
func TestAnswerThatComesTooLateIsNoAnswer(t *testing.T) {
	server := redistest.Start(t)
	r := openRedis(t, server, func(o *RedisOptions) { o.Timeout = 100 * time.Millisecond })
	usable(t, r)
	server.Freeze(t)
	at := soon()
	wantUse(t, r, "key", "late", at, ErrUnavailable)
	server.Thaw(t)
	until(t, "an answer", func() bool {
		ok, err := r.Use(t.Context(), "key", "late", at, at+keep)
		return !ok && err == nil
	})
}

func TestRequestsThatGiveUpAreRefused(t *testing.T) {
	r := openRedis(t, redistest.Start(t), nil)
	usable(t, r)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if ok, err := r.Use(ctx, "key", "a", soon(), soon()+keep); ok || !errors.Is(err, ErrUnavailable) {
		t.Errorf("%v, %v", ok, err)
	}
}

func TestFullServerRefusesAndForgetsNothing(t *testing.T) {
	server := redistest.Start(t)
	r := openRedis(t, server, nil)
	at := soon()
	wantUse(t, r, "key", "a", at, fresh)
	server.Do(t, "CONFIG", "SET", "maxmemory", "1000000")
	wantUse(t, r, "key", "b", at, ErrFull)
	if r.Stats().Full == 0 {
		t.Error("it is not counted")
	}
	server.Do(t, "CONFIG", "SET", "maxmemory", "0")
	wantUse(t, r, "key", "a", at, replayed)
	wantUse(t, r, "key", "b", at, fresh)
}

func TestUnfitServersAreRefusedWithTheReason(t *testing.T) {
	for name, c := range map[string]struct {
		args   []string
		change func(*RedisOptions)
		want   string
	}{
		"one that evicts":      {args: []string{"--maxmemory-policy", "allkeys-lru"}, want: `"allkeys-lru", which forgets nonces`},
		"one that evicts some": {args: []string{"--maxmemory-policy", "volatile-ttl"}, want: "set noeviction"},
		"a replica":            {args: []string{"--replicaof", "127.0.0.1", "1"}, want: `its role is "slave"; use the address of the primary`},
		"a cluster":            {args: []string{"--cluster-enabled", "yes"}, want: "part of a cluster"},
		"another clock":        {change: func(o *RedisOptions) { o.Clock = func() time.Time { return time.Now().Add(2 * time.Minute) } }, want: "seconds from that of this machine"},
		"a wrong password":     {change: func(o *RedisOptions) { o.URL = strings.Replace(o.URL, "redis://:", "redis://:x", 1) }, want: "WRONGPASS"},
		"a user who may do too little": {args: []string{"--user", "few", "on", ">secret", "~*", "+set"},
			change: func(o *RedisOptions) { o.URL = "redis://few:secret" + o.URL[strings.IndexByte(o.URL, '@'):] }, want: "NOPERM"},
		"a database that there is not": {change: func(o *RedisOptions) { o.URL += "/99" }, want: "out of range"},
	} {
		t.Run(name, func(t *testing.T) {
			server := redistest.Start(t, c.args...)
			o := redisOptions(server)
			if c.change != nil {
				c.change(&o)
			}
			r, err := OpenRedis(t.Context(), o)
			if err == nil {
				t.Error(r.Close())
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), server.Password) {
				t.Errorf("error %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestServerThatBecomesUnfitIsNotUsed(t *testing.T) {
	server := redistest.Start(t)
	r := openRedis(t, server, nil)
	usable(t, r)
	server.Do(t, "CONFIG", "SET", "maxmemory-policy", "allkeys-random")
	until(t, "a refusal", func() bool {
		_, err := r.Use(t.Context(), "key", rand.Text(), soon(), soon()+keep)
		return errors.Is(err, ErrUnavailable) && strings.Contains(err.Error(), "allkeys-random")
	})
	server.Do(t, "CONFIG", "SET", "maxmemory-policy", "noeviction")
	usable(t, r)
}

func TestLeastRightsSuffice(t *testing.T) {
	server := redistest.Start(t, "--user", "gateway", "on", ">secret", "resetchannels", "~unk:nonce:*", "-@all", "+set", "+get", "+info", "+dbsize", "+time", "+select", "+watch", "+unwatch", "+multi", "+exec")
	r := openRedis(t, server, func(o *RedisOptions) { o.URL = "redis://gateway:secret@" + server.Host() })
	wantUse(t, r, "key", "a", soon(), fresh)
	wantUse(t, r, "key", "a", soon(), replayed)
}

func TestTLSProvesWhoTheServerIs(t *testing.T) {
	server := redistest.StartTLS(t)
	wantUse(t, openRedis(t, server, nil), "key", "a", soon(), fresh)
	// Without its CA it is not believed: nothing is recorded, and nothing passes.
	stranger := openRedis(t, server, func(o *RedisOptions) { o.CAFile = "" })
	wantUse(t, stranger, "key", "b", soon(), ErrUnavailable)
	if _, _, err := stranger.Server(); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("trouble %v", err)
	}
}

func TestPasswordFileIsReadForEachConnection(t *testing.T) {
	server := redistest.Start(t)
	file := filepath.Join(t.TempDir(), "password")
	write := func(password string) {
		if err := os.WriteFile(file, []byte(password+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(server.Password)
	r := openRedis(t, server, func(o *RedisOptions) { o.URL, o.PasswordFile = "redis://"+server.Host(), file })
	usable(t, r)
	server.Stop(t)
	server.Password = rand.Text()
	server.Resume(t)
	wantUse(t, r, "key", "a", soon(), ErrUnavailable)
	write(server.Password)
	usable(t, r)
}

// A port that takes connections and says nothing, as behind a firewall.
func TestSilentServerCostsOneTimeout(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // the end of the test
	r, err := OpenRedis(t.Context(), RedisOptions{URL: "redis://" + l.Addr().String(), Timeout: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	wantUse(t, r, "key", "a", soon(), ErrUnavailable)
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func TestWrongRedisOptionsAreExplained(t *testing.T) {
	file := filepath.Join(t.TempDir(), "none")
	for name, c := range map[string]struct {
		o    RedisOptions
		want string
	}{
		"no URL":                  {RedisOptions{}, "is not one; it looks like"},
		"another scheme":          {RedisOptions{URL: "http://s3cret@localhost"}, "is not one"},
		"options in the URL":      {RedisOptions{URL: "redis://localhost?db=1"}, "behind a ? or #"},
		"no host":                 {RedisOptions{URL: "redis:///0"}, "names no host"},
		"a port of nobody":        {RedisOptions{URL: "redis://localhost:0"}, "no port from 1 to 65535"},
		"a database with a name":  {RedisOptions{URL: "redis://localhost/prod"}, "a database that is not a number"},
		"a user alone":            {RedisOptions{URL: "redis://gateway@localhost"}, "a user without a password"},
		"two passwords":           {RedisOptions{URL: "redis://:s3cret@localhost", PasswordFile: file}, "given twice"},
		"no password file":        {RedisOptions{URL: "redis://localhost", PasswordFile: file}, "read the password of Redis: open"},
		"another machine":         {RedisOptions{URL: "redis://192.0.2.1"}, "only rediss:// is safe"},
		"a CA for nothing":        {RedisOptions{URL: "redis://localhost", CAFile: file}, "a CA file is for rediss://"},
		"no CA file":              {RedisOptions{URL: "rediss://localhost", CAFile: file}, "read the CA of Redis: open"},
		"a CA file without a CA":  {RedisOptions{URL: "rediss://localhost", CAFile: "redis_test.go"}, "no certificate in"},
		"a prefix with a space":   {RedisOptions{URL: "redis://localhost", Prefix: "a b"}, "printable ASCII"},
		"a timeout of the future": {RedisOptions{URL: "redis://localhost", Timeout: -1}, "must not be negative"},
	} {
		r, err := OpenRedis(t.Context(), c.o)
		if err == nil {
			t.Error(r.Close())
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: error %v, want %q in it", name, err, c.want)
		}
	}
	if _, err := (&RedisOptions{URL: "redis://192.0.2.1", Plaintext: true}).Check(); err != nil {
		t.Error(err)
	}
}

func FuzzParseRedis(f *testing.F) {
	f.Add("rediss://user:password@redis.example.com:6380/15")
	f.Add("redis://[::1]")
	f.Add("redis://%zz@host")
	f.Add("redis://localhost:99999/-1?x#y")
	f.Fuzz(func(t *testing.T, raw string) {
		a, err := ParseRedis(raw)
		if err != nil {
			return
		}
		if _, _, err := net.SplitHostPort(a.Host); err != nil || a.Database < 0 || a.HasPassword && a.password != "" && len(a.password) > 8 && strings.Contains(a.String(), a.password) {
			t.Fatalf("%q is taken for %s (%v)", raw, a, err)
		}
	})
}

func FuzzParseAgreement(f *testing.F) {
	f.Add("0123456789abcdef ABC 1800000000")
	f.Add("a b -1")
	f.Add("  1")
	f.Fuzz(func(t *testing.T, text string) {
		a := parseAgreement(text)
		if a != (agreement{}) && parseAgreement(a.String()) != a {
			t.Fatalf("%q is read as %v", text, a)
		}
	})
}

func FuzzParseInfo(f *testing.F) {
	f.Add("# Server\r\nredis_version:7.0.15\r\nrun_id:abc\r\nrole:master\r\nmaxmemory_policy:noeviction\r\ncluster_enabled:0\r\n")
	f.Add("used_memory:x\nmaxmemory:-1")
	f.Fuzz(func(t *testing.T, text string) {
		s := parseInfo(text)
		if s.fit(0) == nil && (!strings.Contains(text, "run_id:") || !strings.Contains(text, "noeviction")) {
			t.Fatalf("%q is fit", text)
		}
	})
}
