package roundtrip

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// peer is an upstream that does on each connection what a test says.
type peer struct {
	address string
	opened  atomic.Int64

	mu    sync.Mutex
	conns []net.Conn
}

// startPeer calls serve with every connection and its number, from 1.
func startPeer(t testing.TB, serve func(n int64, c net.Conn, in *bufio.Reader)) *peer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	p := &peer{address: l.Addr().String()}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.mu.Lock()
			p.conns = append(p.conns, c)
			p.mu.Unlock()
			n := p.opened.Add(1)
			all.Go(func() {
				defer c.Close()
				serve(n, c, bufio.NewReader(c))
			})
		}
	})
	t.Cleanup(func() {
		check(t, l.Close())
		p.hangUp()
		all.Wait()
	})
	return p
}

// hangUp closes all connections.
func (p *peer) hangUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		_ = c.Close() // the other side may have closed it
	}
}

const honest = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhonest"

// answering reads whole requests and answers each with the same bytes.
func answering(text string) func(int64, net.Conn, *bufio.Reader) {
	return func(_ int64, c net.Conn, in *bufio.Reader) {
		for readRequest(in) != nil {
			if _, err := io.WriteString(c, text); err != nil {
				return
			}
		}
	}
}

// readRequest reads a request and its body; nil when none comes.
func readRequest(in *bufio.Reader) *http.Request {
	r, err := http.ReadRequest(in)
	if err != nil {
		return nil
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return nil
	}
	return r
}

func config() Config {
	return Config{
		Dial:      new(net.Dialer).DialContext,
		Address:   func(r *http.Request) (string, string) { return "tcp", r.URL.Host },
		MaxHeader: 1 << 16, MaxIdle: 10, IdleTimeout: time.Minute, Clock: time.Now,
	}
}

func newTransport(t testing.TB, change ...func(*Config)) *Transport {
	t.Helper()
	c := config()
	for _, f := range change {
		f(&c)
	}
	out := New(c)
	t.Cleanup(out.Close)
	return out
}

func (p *peer) request(t testing.TB, method string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+p.address+"/v1/pay", body)
	check(t, err)
	return r
}

// get sends a GET and returns the body of the answer.
func (p *peer) get(t testing.TB, via http.RoundTripper) string {
	t.Helper()
	text, err := fetch(via, p.request(t, "GET", nil))
	check(t, err)
	return text
}

func fetch(via http.RoundTripper, r *http.Request) (string, error) {
	res, err := via.RoundTrip(r)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(res.Body)
	if closing := res.Body.Close(); err == nil {
		err = closing
	}
	return string(text), err
}

// stream hides everything that a body of known length has.
func stream(text string) io.Reader { return struct{ io.Reader }{strings.NewReader(text)} }

func cancelled(t testing.TB, r *http.Request) (*http.Request, context.CancelFunc) {
	t.Helper()
	ctx, cancel := context.WithCancel(r.Context())
	t.Cleanup(cancel)
	return r.WithContext(ctx), cancel
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
