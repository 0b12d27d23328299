package caddymodule

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"github.com/unknownpay/merchant-gateway/controlplane/signature"
)

// pieces reads p in pieces of any sizes.
type pieces struct {
	t *rapid.T
	p []byte
}

func (r *pieces) Read(p []byte) (int, error) {
	if len(r.p) == 0 {
		return 0, io.EOF
	}
	n := min(len(p), rapid.IntRange(1, len(r.p)).Draw(r.t, "piece"))
	n = copy(p, r.p[:n])
	r.p = r.p[n:]
	return n, nil
}

func TestAHeldBodyIsTheBodyThatCame(t *testing.T) {
	owner := new(bodies)
	owner.budget.limit.Store(1 << 30)
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.OneOf(rapid.IntRange(0, 10), rapid.IntRange(1000, 1050), rapid.IntRange(0, 300_000)).Draw(t, "size")
		limits := bodyLimits{
			max:   rapid.Int64Range(0, 300_000).Draw(t, "max"),
			spool: rapid.Int64Range(1, 300_000).Draw(t, "spool"),
		}
		length := int64(-1)
		if rapid.Bool().Draw(t, "known length") {
			length = int64(size)
		}
		content := make([]byte, size)
		_, _ = rand.Read(content) // never fails
		held, err := owner.hold(&pieces{t, content}, length, limits, signature.HashSHA256|signature.HashSHA512)
		defer held.end()
		if int64(size) > limits.max {
			if !errors.Is(err, errBodyTooLarge) {
				t.Fatalf("%d bytes of at most %d: %v", size, limits.max, err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if whole := held.whole(); whole.Length != int64(size) || whole.SHA256 != sha256.Sum256(content) {
			t.Fatalf("wrong hash of %d bytes", size)
		}
		if spooled := held.file != nil; spooled != (int64(size) > limits.spool) {
			t.Fatalf("%d bytes, spool above %d: spooled %v", size, limits.spool, spooled)
		}
		for _, time := range []string{"first", "second"} {
			if !held.readsAs(t, content) {
				t.Fatalf("another body comes out at the %s reading", time)
			}
		}
	})
	if n := owner.budget.used.Load(); n != 0 {
		t.Errorf("%d bytes are still reserved", n)
	}
}

func (h *heldBody) readsAs(t *rapid.T, want []byte) bool {
	got, err := io.ReadAll(&bodyReader{body: h})
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Equal(got, want) && (h.memory() == nil || bytes.Equal(h.memory(), want))
}

func TestABodyThatFailsReleasesItsMemory(t *testing.T) {
	owner := new(bodies)
	owner.budget.limit.Store(64 << 10)
	limits := bodyLimits{max: 1 << 20, spool: 1 << 20}
	broken := io.MultiReader(strings.NewReader(strings.Repeat("x", 30_000)), iotest.ErrReader(io.ErrUnexpectedEOF))
	for name, c := range map[string]struct {
		src    io.Reader
		length int64
		want   error
	}{
		"broken off":                     {broken, 40_000, io.ErrUnexpectedEOF},
		"no room for the declared":       {strings.NewReader(""), 100_000, errNoRoom},
		"no room while it grows":         {strings.NewReader(strings.Repeat("x", 100_000)), -1, errNoRoom},
		"larger than its declared limit": {strings.NewReader(""), 2 << 20, errBodyTooLarge},
	} {
		held, err := owner.hold(c.src, c.length, limits, signature.HashSHA256)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
		held.end()
		held.end()
		if n := owner.budget.used.Load(); n != 0 {
			t.Errorf("%s: %d bytes are still reserved", name, n)
		}
	}
}

func TestSpoolingFailsClosed(t *testing.T) {
	t.Setenv("TMPDIR", "/nonexistent")
	owner := new(bodies)
	owner.budget.limit.Store(1 << 20)
	held, err := owner.hold(strings.NewReader("body"), 4, bodyLimits{max: 10, spool: 1}, signature.HashSHA256)
	defer held.end()
	if !errors.Is(err, errBodyStorage) {
		t.Errorf("error %v", err)
	}
}

// TestRecycledMemoryIsNeverRead reads a body in several goroutines, as a transport
// does, while it ends and its memory goes to the next body.
func TestRecycledMemoryIsNeverRead(t *testing.T) {
	owner := new(bodies)
	owner.budget.limit.Store(1 << 30)
	var readers sync.WaitGroup
	for i := range 3000 {
		content := bytes.Repeat([]byte{byte('a' + i%26)}, 700)
		held, err := owner.hold(bytes.NewReader(content), 700, bodyLimits{max: 1000, spool: 1000}, signature.HashSHA256)
		check(t, err)
		for range 2 {
			r := &bodyReader{body: held}
			readers.Go(func() {
				p := make([]byte, 64)
				for {
					n, err := r.Read(p)
					if !bytes.Equal(p[:n], content[:n]) {
						t.Error("read bytes of another body")
						return
					}
					if err != nil {
						return
					}
				}
			})
		}
		held.end()
	}
	readers.Wait()
}

// TestEveryMerchantsBodyArrives sends bodies that name their merchant through the
// proxy to an upstream that often answers before it has read them, so that the
// transport is still reading when the handler returns.
func TestEveryMerchantsBodyArrives(t *testing.T) {
	s := startSite(t)
	merchants := []merchant{s.merchant("live", "127.0.0.1"), s.merchant("test", "127.0.0.1"), s.merchant("live", "127.0.0.1")}
	eager := startEagerUpstream(t)
	s.upstream.address = eager.address
	check(t, s.load())
	var clients sync.WaitGroup
	for i, m := range merchants {
		clients.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for n := range 150 {
				body := strings.Repeat(m.id+"\n", 1+(n*37+i)%3000)
				a, err := send(client, s.request(m, "POST", "/pay", body))
				if err != nil || a.status != 200 && a.status != 502 {
					t.Errorf("%v, %d %s", err, a.status, a.body)
				}
			}
		})
	}
	clients.Wait()
	eager.end(t)
	if eager.bodies == 0 || eager.mixed > 0 {
		t.Errorf("of %d bodies, %d were mixed up", eager.bodies, eager.mixed)
	}
}

// eagerUpstream answers every other request when it has its first bytes, and
// checks whatever comes of every body.
type eagerUpstream struct {
	address       string
	listener      net.Listener
	conns         sync.WaitGroup
	mu            sync.Mutex
	open          []net.Conn
	bodies, mixed int
}

func startEagerUpstream(t *testing.T) *eagerUpstream {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	u := &eagerUpstream{address: l.Addr().String(), listener: l}
	u.conns.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			u.mu.Lock()
			u.open = append(u.open, c)
			u.mu.Unlock()
			u.conns.Go(func() { u.serve(c) })
		}
	})
	return u
}

func (u *eagerUpstream) end(t *testing.T) {
	check(t, u.listener.Close())
	u.mu.Lock()
	for _, c := range u.open {
		_ = c.Close() // the other side may have closed it
	}
	u.mu.Unlock()
	u.conns.Wait()
}

func (u *eagerUpstream) serve(c net.Conn) {
	defer c.Close()
	in := bufio.NewReader(c)
	for i := 0; ; i++ {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		early := i%2 == 1
		if early {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") // the body shows whether it was taken
		}
		u.inspect(r)
		if !early {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}
	}
}

func (u *eagerUpstream) inspect(r *http.Request) {
	want := r.Header.Get("X-Unk-Merchant-Id")
	lines := bufio.NewScanner(r.Body)
	mixed := false
	for lines.Scan() {
		// The last line may be cut off, but only by a broken connection.
		if text := lines.Text(); text != want && !strings.HasPrefix(want, text) {
			mixed = true
		}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.bodies++
	if mixed {
		u.mixed++
	}
}

func TestBodiesOfAllSizesAndFramingsArrive(t *testing.T) {
	spool := t.TempDir()
	t.Setenv("TMPDIR", spool)
	s := startSite(t, func(s *site) { s.auth = "{\nspool_above 100KiB\nmax_body 2MiB\n}" })
	m := s.merchant("test", "127.0.0.1")
	for _, size := range []int{0, 1, 511, 512, 1024, 1025, 64 << 10, 100 << 10, 100<<10 + 1, 1 << 20, 2 << 20} {
		for _, chunked := range []bool{false, true} {
			body := strings.Repeat("0123456789abcde\n", size/16+1)[:size]
			r := s.request(m, "POST", "/", body)
			if chunked {
				r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), -1
			}
			seen := s.wantPassed(s.do(r))
			if seen.body != body || seen.length != int64(size) {
				t.Errorf("%d bytes (chunked %v): the upstream saw %d, Content-Length %d", size, chunked, len(seen.body), seen.length)
			}
		}
	}
	if n := s.app().data.bodies.budget.used.Load(); n != 0 {
		t.Errorf("%d bytes are still reserved", n)
	}
	if left, err := os.ReadDir(spool); err != nil || len(left) > 0 {
		t.Errorf("spool files are left: %v, %v", left, err)
	}
}

func TestNoByteOfABodyIsAskedForBeforeKeyAddressAndTime(t *testing.T) {
	s := startSite(t, func(s *site) { s.auth = "live {\nrate_limit 1 1h\nmax_body 1KiB\n}" })
	m := s.merchant("live", "127.0.0.1")
	elsewhere := s.merchant("live", "198.51.100.7")
	test := s.merchant("test", "127.0.0.1")
	s.wantPassed(s.do(s.request(m, "GET", "/", "")))
	s.wantPassed(s.do(s.request(s.merchant("live", "127.0.0.1"), "GET", "/", "")))
	for want, c := range map[string]struct {
		m    merchant
		make func(*raw)
	}{
		"AUTH_REQUIRED":          {m, func(r *raw) { r.fields = nil }},
		"AUTH_MALFORMED":         {m, with("X-Unk-Key", "x")},
		"KEY_INVALID":            {m, valued("X-Unk-Key", func(string) string { return "unk_live_" + strings.Repeat("a", 22) })},
		"ENV_MISMATCH":           {test, func(*raw) {}},
		"IP_NOT_ALLOWED":         {elsewhere, func(*raw) {}},
		"TIMESTAMP_OUT_OF_RANGE": {m, valued("X-Unk-Timestamp", func(string) string { return "1700000000" })},
		"RATE_LIMITED":           {m, func(*raw) {}},
		"BODY_TOO_LARGE":         {s.merchant("live", "127.0.0.1"), func(r *raw) { r.body = strings.Repeat("x", 2000) }},
	} {
		r := s.signedRaw(c.m, "http", "gateway.test:"+port(s.plain))
		c.make(r)
		r.add("Expect", "100-continue")
		status, body := s.expectContinue(t, r)
		if status == http.StatusContinue || !strings.Contains(body, `"code":"`+want+`"`) {
			t.Errorf("%s: answered %d %s", want, status, body)
		}
	}
	good := s.signedRaw(s.merchant("live", "127.0.0.1"), "http", "gateway.test:"+port(s.plain))
	good.add("Expect", "100-continue")
	if status, body := s.expectContinue(t, good); status != http.StatusContinue {
		t.Errorf("a good request was answered %d %s", status, body)
	}
}

// expectContinue sends all but the body and returns the first answer.
func (s *site) expectContinue(t *testing.T, r *raw) (int, string) {
	t.Helper()
	c, err := net.Dial("tcp", s.plain)
	check(t, err)
	defer c.Close()
	head, _, _ := strings.Cut(r.text(), "\r\n\r\n")
	_, err = io.WriteString(c, head+"\r\n\r\n")
	check(t, err)
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	check(t, err)
	if res.StatusCode == http.StatusContinue {
		return res.StatusCode, ""
	}
	body, err := io.ReadAll(res.Body)
	check(t, err)
	check(t, res.Body.Close())
	return res.StatusCode, string(body)
}

func TestBodiesThatDoNotFitTheBudgetAreRefused(t *testing.T) {
	s := startSite(t, func(s *site) { s.merchants, s.auth = "body_budget 1MiB", "{\nmax_body 4MiB\nspool_above 4MiB\n}" })
	m := s.merchant("live", "127.0.0.1")
	a := s.do(s.request(m, "POST", "/", strings.Repeat("x", 2<<20)))
	s.wantRefused(a, 503, "AUTH_UNAVAILABLE")
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	s.wantPassed(s.do(s.request(m, "POST", "/", strings.Repeat("x", 1<<19))))
	if log := s.readLog(); !strings.Contains(log, "raise body_budget") {
		t.Error("the log does not say why")
	}
}

func TestSlowBodiesTimeOutOverEveryProtocol(t *testing.T) {
	s := startSite(t, func(s *site) { s.auth = "{\nbody_timeout 200ms\n}" })
	m := s.merchant("live", "127.0.0.1")
	for name, client := range map[string]*http.Client{"HTTP/1.1": s.client(), "HTTP/2": s.client2()} {
		r := s.requestTo("https://gateway.test:"+port(s.secure), m, "POST", "/", "abc")
		release := make(chan struct{})
		r.Body = io.NopCloser(&stuckReader{data: []byte("ab"), until: release})
		res, err := client.Do(r)
		check(t, err)
		close(release) // net/http's client waits for it before it closes the answer
		body, err := io.ReadAll(res.Body)
		check(t, errors.Join(err, res.Body.Close()))
		if res.StatusCode != 408 || !strings.Contains(string(body), "BODY_TIMEOUT") {
			t.Errorf("%s: answer %d %s", name, res.StatusCode, body)
		}
	}
}

func TestABodyThatBreaksOffIsNobodysRequest(t *testing.T) {
	s := startSite(t)
	m := s.merchant("live", "127.0.0.1")
	r := s.signedRaw(m, "http", "gateway.test:"+port(s.plain))
	r.trailers = [][2]string{}
	text := r.text()
	c, err := net.Dial("tcp", s.plain)
	check(t, err)
	defer c.Close()
	_, err = fmt.Fprint(c, strings.Replace(text, "\r\n0\r\n", "\r\nzz\r\n", 1))
	check(t, err)
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	check(t, err)
	check(t, res.Body.Close())
	if res.StatusCode != http.StatusBadRequest || len(s.upstream.take()) != 0 {
		t.Errorf("answer %d", res.StatusCode)
	}
	if log := s.readLog(); !strings.Contains(log, `"auth_code":"`+codeBrokenOff) {
		t.Error("the access log does not say so")
	}
}
