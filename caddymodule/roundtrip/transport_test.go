package roundtrip

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestTheUpstreamGetsTheRequestAsItIs(t *testing.T) {
	got := make(chan string, 1)
	p := startPeer(t, func(_ int64, c net.Conn, in *bufio.Reader) {
		var seen bytes.Buffer
		if readRequest(bufio.NewReader(io.TeeReader(in, &seen))) != nil {
			got <- seen.String()
			_, _ = io.WriteString(c, honest) // the client says if it did not come
		}
	})
	for name, c := range map[string]struct {
		body   io.Reader
		change func(*http.Request)
		want   string
	}{
		"without a body": {nil, nil, "POST /v1/a%2Fb?x=%2e HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 0\r\nX-A: 1\r\nX-A: 2\r\n\r\n"},
		"with one":       {strings.NewReader("body"), nil, "POST /v1/a%2Fb?x=%2e HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 4\r\nX-A: 1\r\nX-A: 2\r\n\r\nbody"},
		"of unknown length": {stream("body"), nil,
			"POST /v1/a%2Fb?x=%2e HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\nX-A: 1\r\nX-A: 2\r\n\r\n4\r\nbody\r\n0\r\n\r\n"},
		"with trailers": {stream("body"), func(r *http.Request) { r.Trailer = http.Header{"X-T": {"end"}} },
			"POST /v1/a%2Fb?x=%2e HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\nX-A: 1\r\nX-A: 2\r\n\r\n4\r\nbody\r\n0\r\nX-T: end\r\n\r\n"},
		"without its offer of another protocol": {nil, func(r *http.Request) { r.Header.Set("Upgrade", "websocket"); r.Header.Set("Connection", "Upgrade") },
			"POST /v1/a%2Fb?x=%2e HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 0\r\nX-A: 1\r\nX-A: 2\r\n\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			via := newTransport(t, func(c *Config) { c.Address = func(*http.Request) (string, string) { return "tcp", p.address } })
			r, err := http.NewRequestWithContext(t.Context(), "POST", "http://shop.test/v1/a%2Fb?x=%2e", c.body)
			check(t, err)
			r.Header = http.Header{"X-A": {"1", "2"}, "User-Agent": {""}}
			if c.change != nil {
				c.change(r)
			}
			_, err = fetch(via, r)
			check(t, err)
			if seen := <-got; seen != c.want {
				t.Errorf("the upstream saw\n%q, want\n%q", seen, c.want)
			}
		})
	}
}

// closing notes that a body was closed.
type closing struct {
	io.Reader
	closed bool
}

func (c *closing) Close() error { c.closed = true; return nil }

func TestRequestsThatCannotBeSentAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*http.Request)
		want   string
	}{
		"by TLS":                   {func(r *http.Request) { r.URL.Scheme = "https" }, "transport http"},
		"by a method with a break": {func(r *http.Request) { r.Method = "GET / HTTP/1.1\r\nX" }, "the method"},
		"by a name with a break":   {func(r *http.Request) { r.Header["X\r\nY"] = []string{"1"} }, "the header name"},
		"by a value with a break":  {func(r *http.Request) { r.Header["X"] = []string{"1\r\nY: 2"} }, "the value of the header"},
		"by a trailer":             {func(r *http.Request) { r.Trailer = http.Header{"X": {"1\n"}} }, "the value of the header"},
		"when nothing listens":     {func(r *http.Request) { r.URL.Host = "127.0.0.1:1" }, "connect"},
		"when cancelled":           {func(r *http.Request) { ctx, stop := context.WithCancel(r.Context()); stop(); *r = *r.WithContext(ctx) }, "canceled"},
	} {
		p := startPeer(t, answering(honest))
		body := &closing{Reader: strings.NewReader("body")}
		r := p.request(t, "POST", body)
		c.change(r)
		_, err := newTransport(t).RoundTrip(r)
		if err == nil || !strings.Contains(err.Error(), c.want) || p.opened.Load() != 0 || !body.closed {
			t.Errorf("%s: %v, %d connections, body closed: %v", name, err, p.opened.Load(), body.closed)
		}
	}
}

func TestABodyThatFailsIsNoRequest(t *testing.T) {
	whole := make(chan bool, 2)
	p := startPeer(t, func(_ int64, _ net.Conn, in *bufio.Reader) { whole <- readRequest(in) != nil })
	broken := errors.New("the client has gone")
	for _, length := range []int64{100, 100_000, -1} {
		r := p.request(t, "POST", io.MultiReader(strings.NewReader("half"), errReader{broken}))
		r.ContentLength = length
		if _, err := fetch(newTransport(t), r); !errors.Is(err, broken) {
			t.Errorf("error %v", err)
		}
		select {
		case w := <-whole:
			if w {
				t.Error("the upstream took half a body for a whole one")
			}
		default: // it may be that nothing was written
		}
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

func TestAClientThatGoesTakesItsConnectionAlong(t *testing.T) {
	gone := make(chan struct{}, 1)
	reached := make(chan struct{}, 1)
	for name, say := range map[string]string{"before the answer": "", "within the answer": "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"} {
		t.Run(name, func(t *testing.T) {
			p := startPeer(t, func(_ int64, c net.Conn, in *bufio.Reader) {
				readRequest(in)
				_, _ = io.WriteString(c, say) // the client looks for it
				reached <- struct{}{}
				_, _ = in.ReadByte() // until it is closed
				gone <- struct{}{}
			})
			r, cancel := cancelled(t, p.request(t, "GET", nil))
			go func() { <-reached; cancel() }()
			res, err := newTransport(t).RoundTrip(r)
			if err == nil {
				_, err = io.ReadAll(res.Body)
				check(t, res.Body.Close())
			}
			if !errors.Is(err, context.Canceled) {
				t.Errorf("error %v", err)
			}
			<-gone
		})
	}
}

func TestAnUpstreamThatIsSlowTimesOut(t *testing.T) {
	limit := 20 * time.Millisecond
	large := strings.Repeat("x", 32<<20)
	for name, c := range map[string]struct {
		say, body string
		change    func(*Config)
	}{
		"with its head":           {"", "", func(c *Config) { c.HeaderTimeout = limit }},
		"with its final head":     {"HTTP/1.1 103 Early Hints\r\n\r\n", "", func(c *Config) { c.HeaderTimeout = limit }},
		"with anything":           {"", "", func(c *Config) { c.ReadTimeout = limit }},
		"with its body":           {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", "", func(c *Config) { c.ReadTimeout = limit }},
		"in taking the request":   {"", large, func(c *Config) { c.WriteTimeout = limit }},
		"with both limits, first": {"", "", func(c *Config) { c.HeaderTimeout, c.ReadTimeout = limit, time.Hour }},
	} {
		t.Run(name, func(t *testing.T) {
			over := make(chan struct{})
			p := startPeer(t, func(_ int64, out net.Conn, _ *bufio.Reader) {
				_, _ = io.WriteString(out, c.say) // the client looks for it
				<-over
			})
			defer close(over)
			res, err := newTransport(t, c.change).RoundTrip(p.request(t, "POST", strings.NewReader(c.body)))
			if err == nil {
				_, err = io.ReadAll(res.Body)
			}
			if timeout, is := err.(net.Error); !is || !timeout.Timeout() { //nolint:errorlint // reverse_proxy answers 504 only to what is a net.Error itself
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestLimitsOfOneRequestAreNotThoseOfTheNext(t *testing.T) {
	p := startPeer(t, answering(honest))
	limit := 300 * time.Millisecond
	via := newTransport(t, func(c *Config) { c.HeaderTimeout, c.ReadTimeout, c.WriteTimeout = limit, limit, limit })
	p.get(t, via)
	time.Sleep(limit + 50*time.Millisecond)
	if p.get(t, via); p.opened.Load() != 1 {
		t.Error("the deadline of an answer ended the connection that had given it")
	}
}

// TestAnUpstreamMayAnswerWhileItReads sends and gets more than all buffers between
// hold.
func TestAnUpstreamMayAnswerWhileItReads(t *testing.T) {
	const size = 32 << 20
	p := startPeer(t, func(_ int64, c net.Conn, in *bufio.Reader) {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", size) // the client counts
		_, _ = io.Copy(c, r.Body)
	})
	text, err := fetch(newTransport(t), p.request(t, "POST", strings.NewReader(strings.Repeat("0123456789abcdef", size/16))))
	if err != nil || len(text) != size {
		t.Errorf("%d bytes, %v", len(text), err)
	}
}

// TestAnAnswerBeforeTheBodyIsTaken: the upstream refuses a body that it never reads.
func TestAnAnswerBeforeTheBodyIsTaken(t *testing.T) {
	over := make(chan struct{})
	p := startPeer(t, func(_ int64, c net.Conn, _ *bufio.Reader) {
		_, _ = io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno") // the client looks for it
		<-over
	})
	defer close(over)
	via := newTransport(t)
	for range 2 {
		text, err := fetch(via, p.request(t, "POST", strings.NewReader(strings.Repeat("x", 32<<20))))
		if err != nil || text != "no" {
			t.Errorf("answer %q, %v", text, err)
		}
	}
	if n := p.opened.Load(); n != 2 {
		t.Errorf("a connection with half a request was used again: %d connections for 2 requests", n)
	}
}

func TestInformationalAnswersArePassedOn(t *testing.T) {
	p := startPeer(t, answering("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"+honest))
	var seen []string
	r := p.request(t, "GET", nil)
	r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
		seen = append(seen, fmt.Sprint(code, h.Get("Link")))
		return nil
	}}))
	if text, err := fetch(newTransport(t), r); err != nil || text != "honest" || fmt.Sprint(seen) != "[100 103a]" {
		t.Errorf("%q, %v, informational %v", text, err, seen)
	}
}

func TestABodyCannotBeReadAfterItWasClosed(t *testing.T) {
	p := startPeer(t, answering(honest))
	res, err := newTransport(t).RoundTrip(p.request(t, "GET", nil))
	check(t, err)
	check(t, res.Body.Close())
	check(t, res.Body.Close())
	if _, err := res.Body.Read(make([]byte, 10)); !errors.Is(err, http.ErrBodyReadAfterClose) {
		t.Errorf("error %v", err)
	}
}

// TestNobodyGetsWhatIsAnothers sends bodies that name who sends them to an upstream
// that sends them back, hangs up, cuts off, answers early and says too much, while
// clients go away. Run it with -race.
func TestNobodyGetsWhatIsAnothers(t *testing.T) {
	p := startPeer(t, capricious)
	via := newTransport(t, func(c *Config) { c.MaxIdle = 4 })
	var clients sync.WaitGroup
	var mu sync.Mutex
	whole := 0
	for client := range 8 {
		clients.Go(func() {
			for n := range 300 {
				name := fmt.Sprintf("client %d, request %d\n", client, n)
				want := strings.Repeat(name, 1+rand.IntN(3000))
				r, err := http.NewRequest("POST", "http://"+p.address+"/", []io.Reader{strings.NewReader(want), stream(want)}[n%2])
				if err != nil {
					t.Error(err)
					return
				}
				ctx, cancel := context.WithCancel(t.Context())
				if n%7 == 0 {
					time.AfterFunc(time.Duration(rand.IntN(1000))*time.Microsecond, cancel)
				}
				text, err := fetch(via, r.WithContext(ctx))
				cancel()
				if !strings.HasPrefix(want, text) {
					t.Errorf("%q was answered with %.200q", name, text)
				}
				mu.Lock()
				if err == nil && text == want {
					whole++
				}
				mu.Unlock()
			}
		})
	}
	clients.Wait()
	if whole < 200 {
		t.Errorf("only %d requests came through whole", whole)
	}
}

func capricious(_ int64, c net.Conn, in *bufio.Reader) {
	for {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		whim := rand.IntN(10)
		if whim == 0 { // early
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") // the client may have gone
		}
		body, err := io.ReadAll(r.Body)
		if err != nil || whim == 1 { // without a word
			return
		}
		switch whim {
		case 0:
		case 2: // cut off
			_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body)+1, body)
			return
		case 3: // too much
			_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%sHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", len(body), body)
		case 4:
			_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(body), body)
		default:
			_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		}
	}
}
