package delivery

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

func ok(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }

func TestSendDelivers(t *testing.T) {
	var got *http.Request
	var body []byte
	r := serve(t, func(w http.ResponseWriter, req *http.Request) {
		got = req
		body, _ = io.ReadAll(req.Body)
		w.Header().Set("X-Trace", "abc")
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, "thanks")
	}, nil)
	req := testRequest(r.url() + "?shop=1")
	res := sender(t, r, nil).Send(t.Context(), req)

	if res.Fault != controlplane.FaultNone || res.Detail != "" || res.Status != 202 || string(res.Body) != "thanks" || res.BodyCut {
		t.Fatalf("got %+v", res)
	}
	if res.Address != r.address {
		t.Errorf("address %s, want %s", res.Address, r.address)
	}
	p := res.Phases
	if p.DNS != 0 || p.Connect <= 0 || p.TLS <= 0 || p.FirstByte <= 0 || p.Total < p.Connect+p.TLS+p.FirstByte {
		t.Errorf("phases %+v", p)
	}
	if got.Method != "POST" || got.RequestURI != "/hook?shop=1" || got.Proto != "HTTP/1.1" || string(body) != string(req.Body) {
		t.Errorf("request %s %s %s, body %q", got.Method, got.RequestURI, got.Proto, body)
	}
	if !slices.Contains(res.Header, controlplane.Header{Name: "X-Trace", Value: "abc"}) {
		t.Errorf("answer's headers %v", res.Header)
	}
	for _, h := range res.RequestHeader {
		if sent := got.Header.Get(h.Name); h.Name != "host" && sent != h.Value {
			t.Errorf("%s: shown %q, sent %q", h.Name, h.Value, sent)
		}
	}
}

// An Accept-Encoding would invite a gzip bomb, an Idempotency-Key is not ours to
// send, and the names of Standard Webhooks are lower case.
func TestSendWritesTheseHeadersOnly(t *testing.T) {
	var names []string
	r := acceptTLS(t, func(conn net.Conn) {
		buf := make([]byte, 16<<10)
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		head, _, _ := strings.Cut(string(buf[:n]), "\r\n\r\n")
		for _, line := range strings.Split(head, "\r\n")[1:] {
			name, _, _ := strings.Cut(line, ":")
			names = append(names, name)
		}
		say(conn, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
	})
	if res := sender(t, r, nil).Send(t.Context(), testRequest(r.url())); res.Fault != "" {
		t.Fatalf("got %+v", res)
	}
	slices.Sort(names)
	want := []string{"Content-Length", "Host", "User-Agent", "content-type", "webhook-id", "webhook-signature", "webhook-timestamp"}
	if !slices.Equal(names, want) {
		t.Errorf("sent %v, want %v", names, want)
	}
}

func TestSendKeepsConnections(t *testing.T) {
	r := serve(t, func(w http.ResponseWriter, req *http.Request) {
		n, _ := strconv.Atoi(req.URL.Query().Get("bytes"))
		_, _ = w.Write(make([]byte, n))
	}, nil)
	s := sender(t, r, nil)
	send := func(bytes int) Result {
		t.Helper()
		res := s.Send(t.Context(), testRequest(r.url()+"?bytes="+strconv.Itoa(bytes)))
		if res.Fault != "" || len(res.Body) != min(bytes, controlplane.MaxKeptBody) || res.BodyCut != (bytes > controlplane.MaxKeptBody) {
			t.Fatalf("%d bytes: %+v with %d bytes kept", bytes, res.Fault, len(res.Body))
		}
		return res
	}
	for _, n := range []int{0, 1, controlplane.MaxKeptBody, controlplane.MaxKeptBody + 1, maxAnswerBody - 1} {
		send(n)
	}
	res := send(0)
	if n := r.connections.Load(); n != 1 {
		t.Errorf("%d connections for answers of up to 64 KiB, want 1", n)
	}
	if p := res.Phases; p.DNS != 0 || p.Connect != 0 || p.TLS != 0 || p.FirstByte <= 0 || res.Address != r.address {
		t.Errorf("on a kept connection: address %s, phases %+v", res.Address, p)
	}
	send(maxAnswerBody + 1)
	send(0)
	if n := r.connections.Load(); n != 2 {
		t.Errorf("%d connections after a longer answer, want 2", n)
	}
}

// However many attempts run at once, and however many hosts there are, what stays
// open is bounded.
func TestSendBoundsIdleConnections(t *testing.T) {
	const attempts = 3 * maxIdlePerHost
	var arrived sync.WaitGroup
	arrived.Add(attempts)
	var open atomic.Int64
	closed := make(chan struct{}, attempts)
	r := serve(t, func(w http.ResponseWriter, req *http.Request) {
		arrived.Done()
		arrived.Wait() // so that none is kept before all are made
	}, nil)
	s := sender(t, r, nil)
	dial := s.transport.DialContext
	s.transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		open.Add(1)
		return &countedConn{Conn: conn, closed: sync.OnceFunc(func() { open.Add(-1); closed <- struct{}{} })}, nil
	}
	var sent sync.WaitGroup
	for range attempts {
		sent.Go(func() {
			if res := s.Send(t.Context(), testRequest(r.url())); res.Fault != "" {
				t.Errorf("got %+v", res)
			}
		})
	}
	sent.Wait()
	for range attempts - maxIdlePerHost {
		<-closed
	}
	if n := open.Load(); n != maxIdlePerHost {
		t.Errorf("%d connections are kept, want %d", n, maxIdlePerHost)
	}
	if s.transport.MaxIdleConns != maxIdle {
		t.Errorf("at most %d connections are kept in total, want %d", s.transport.MaxIdleConns, maxIdle)
	}
}

type countedConn struct {
	net.Conn
	closed func()
}

func (c *countedConn) Close() error {
	c.closed()
	return c.Conn.Close()
}

// A server that closes a kept connection while the next request is on its way is
// not failing.
func TestSendTriesAgainOnAClosedKeptConnection(t *testing.T) {
	r := answer(t, func(conn net.Conn, n int) bool {
		return n == 1 && say(conn, "HTTP/1.1 204 No Content\r\n\r\n")
	})
	s := sender(t, r, nil)
	for range 4 {
		if res := s.Send(t.Context(), testRequest(r.url())); res.Fault != "" || res.Phases.TLS < 0 {
			t.Fatalf("got %+v", res)
		}
	}
	if n := r.connections.Load(); n != 4 {
		t.Errorf("%d connections, want 4", n)
	}
}

func TestSendDoesNotTryAgainOnANewConnection(t *testing.T) {
	r := answer(t, func(net.Conn, int) bool { return false })
	res := sender(t, r, nil).Send(t.Context(), testRequest(r.url()))
	if res.Fault != controlplane.FaultProtocol || r.connections.Load() != 1 {
		t.Errorf("%s after %d connections, want %s after 1", res.Fault, r.connections.Load(), controlplane.FaultProtocol)
	}
}

func TestSendFollowsNoRedirect(t *testing.T) {
	for _, status := range []int{301, 302, 303, 304, 307, 308} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			var followed atomic.Int64
			r := serve(t, func(w http.ResponseWriter, req *http.Request) {
				if req.URL.Path != "/hook" {
					followed.Add(1)
					return
				}
				w.Header().Set("Location", "/other")
				w.WriteHeader(status)
			}, nil)
			res := sender(t, r, nil).Send(t.Context(), testRequest(r.url()))
			if res.Fault != controlplane.FaultStatus || res.Status != status || !strings.Contains(res.Detail, "redirects are not followed") || followed.Load() != 0 {
				t.Errorf("followed %d times: %+v", followed.Load(), res)
			}
		})
	}
}

func TestSendCarriesNothingFromOneAttemptToTheNext(t *testing.T) {
	r := serve(t, func(w http.ResponseWriter, req *http.Request) {
		if len(req.Cookies()) > 0 || req.Referer() != "" {
			w.WriteHeader(http.StatusTeapot)
		}
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "hidden-value"})
	}, nil)
	s := sender(t, r, nil)
	for range 2 {
		res := s.Send(t.Context(), testRequest(r.url()))
		if res.Status != 200 {
			t.Errorf("got %+v", res)
		}
		if !slices.Contains(res.Header, controlplane.Header{Name: "Set-Cookie", Value: redactedValue}) {
			t.Errorf("the cookie is shown: %v", res.Header)
		}
	}
}

func TestSendIgnoresTheProxyOfTheEnvironment(t *testing.T) {
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "ALL_PROXY"} {
		t.Setenv(name, "http://127.0.0.1:9")
	}
	r := serve(t, ok, nil)
	if res := sender(t, r, nil).Send(t.Context(), testRequest(r.url())); res.Status != http.StatusNoContent {
		t.Errorf("got %+v", res)
	}
}

func TestSendManyAtOnce(t *testing.T) {
	r := serve(t, func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		_, _ = w.Write(body)
	}, nil)
	s := sender(t, r, nil)
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for n := range 25 {
				req := testRequest(r.url())
				req.Body = []byte(strconv.Itoa(worker) + "/" + strconv.Itoa(n))
				if res := s.Send(t.Context(), req); res.Fault != "" || string(res.Body) != string(req.Body) {
					t.Errorf("%s: got %+v", req.Body, res)
				}
			}
		})
	}
	wg.Wait()
}

func TestSendRefusesWhatItCannotDo(t *testing.T) {
	r := serve(t, ok, nil)
	s := sender(t, r, nil)
	ended, end := context.WithCancel(t.Context())
	end()
	for name, c := range map[string]struct {
		ctx    context.Context
		change func(*Request)
		want   controlplane.Fault
	}{
		"URL with another scheme": {t.Context(), func(q *Request) { q.URL = "http" + strings.TrimPrefix(q.URL, "https") }, controlplane.FaultURL},
		"port not allowed":        {t.Context(), func(q *Request) { q.URL = "https://127.0.0.1:1/" }, controlplane.FaultURL},
		"no secret":               {t.Context(), func(q *Request) { q.Secrets = nil }, controlplane.FaultInternal},
		"empty secret":            {t.Context(), func(q *Request) { q.Secrets = []controlplane.Secret{controlplane.NewSecret("whsec_")} }, controlplane.FaultInternal},
		"caller is gone":          {ended, func(*Request) {}, controlplane.FaultInternal},
	} {
		t.Run(name, func(t *testing.T) {
			q := testRequest(r.url())
			c.change(&q)
			res := s.Send(c.ctx, q)
			if res.Fault != c.want || res.Detail == "" || res.Status != 0 || len(res.RequestHeader) != 0 || res.Address != (netip.AddrPort{}) {
				t.Errorf("got %+v, want fault %s", res, c.want)
			}
		})
	}
	if n := r.connections.Load(); n != 0 {
		t.Errorf("%d connections, want none", n)
	}
}

func TestNewHTTPSenderNeedsGuardAndName(t *testing.T) {
	g, err := NewGuard(GuardRules{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []SenderConfig{{UserAgent: "x"}, {Guard: g}} {
		if _, err := NewHTTPSender(c); err == nil {
			t.Errorf("%+v was accepted", c)
		}
	}
	s, err := NewHTTPSender(SenderConfig{Guard: g, UserAgent: "x"})
	if err != nil {
		t.Fatal(err)
	}
	if s.deadline != AttemptDeadline || s.transport.Proxy != nil || s.transport.TLSHandshakeTimeout != AttemptDeadline/3 {
		t.Errorf("got %+v", s)
	}
}
