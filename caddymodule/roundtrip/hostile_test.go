package roundtrip

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
)

// outcome is all that a caller can see of an answer.
type outcome struct {
	refused             bool
	proto, status       string
	code                int
	header, trailer     http.Header
	length              int64
	encoding            []string
	closes, broken      bool
	body, informational string
	// strange: an informational answer had fields that are not those of HTTP.
	strange bool
}

// observe sends a request and looks at everything that comes of it.
func observe(via http.RoundTripper, r *http.Request) outcome {
	var informational []string
	strange := false
	ctx, cancel := context.WithTimeout(r.Context(), 10*time.Second)
	defer cancel()
	r = r.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
			informational = append(informational, fmt.Sprint(code, header))
			strange = strange || checkFields(http.Header(header)) != nil
			return nil
		},
	}))
	res, err := via.RoundTrip(r)
	if err != nil {
		return outcome{refused: true}
	}
	body, err := io.ReadAll(res.Body)
	_ = res.Body.Close() // what is broken was seen
	return outcome{
		proto: res.Proto, status: res.Status, code: res.StatusCode, header: res.Header, trailer: res.Trailer, length: res.ContentLength,
		encoding: res.TransferEncoding, closes: res.Close, broken: err != nil, body: string(body), informational: strings.Join(informational, "\n"), strange: strange,
	}
}

// oncePeer answers the first request with bytes of a test, whatever it is, and every
// other with an honest answer. It hangs up after the bytes if it is to.
func oncePeer(answer string, hangUp bool) func(int64, net.Conn, *bufio.Reader) {
	var once sync.Mutex
	first := true
	return func(_ int64, c net.Conn, in *bufio.Reader) {
		for readRequest(in) != nil {
			once.Lock()
			text, last := honest, false
			if first {
				text, last, first = answer, hangUp, false
			}
			once.Unlock()
			if _, err := io.WriteString(c, text); err != nil || last {
				return
			}
		}
	}
}

type hostile struct {
	name, method, answer string
	hangUp               bool
	// stricter: http.Transport lets it pass, this one does not.
	stricter bool
	// refused, broken, body: what has to come of it. Everything else has to be as it
	// is with http.Transport.
	refused, broken bool
	body            string
	// poisoned: the connection must not be used again.
	poisoned bool
}

const ok = "HTTP/1.1 200 OK\r\n"

var hostiles = []hostile{
	{name: "an honest answer", answer: honest, body: "honest"},
	{name: "length and chunked", answer: ok + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", body: "hello"},
	{name: "chunked and a length that smuggles", answer: ok + "Transfer-Encoding: chunked\r\nContent-Length: 100\r\n\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", poisoned: true},
	{name: "two lengths that differ", answer: ok + "Content-Length: 3\r\nContent-Length: 5\r\n\r\nhello", refused: true, poisoned: true},
	{name: "two lengths in one field", answer: ok + "Content-Length: 3, 5\r\n\r\nhello", refused: true, poisoned: true},
	{name: "the same length twice", answer: ok + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", body: "hello"},
	{name: "a negative length", answer: ok + "Content-Length: -1\r\n\r\n", refused: true, poisoned: true},
	{name: "a signed length", answer: ok + "Content-Length: +5\r\n\r\nhello", refused: true, poisoned: true},
	{name: "a length beyond 63 bits", answer: ok + "Content-Length: 99999999999999999999\r\n\r\nhello", refused: true, poisoned: true},
	{name: "a length in hexadecimal", answer: ok + "Content-Length: 0x5\r\n\r\nhello", refused: true, poisoned: true},
	{name: "a length of nothing", answer: ok + "Content-Length: \r\n\r\nhello", refused: true, poisoned: true},
	{name: "bytes after the body", answer: ok + "Content-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", body: "hello", poisoned: true},
	{name: "one byte after the body", answer: ok + "Content-Length: 5\r\n\r\nhello!", body: "hello", poisoned: true},
	{name: "bytes after the last chunk", answer: ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nevil", body: "hello", poisoned: true},
	{name: "a body after 204", answer: "HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nevil", poisoned: true},
	{name: "a body after 304", answer: "HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nevil", poisoned: true},
	{name: "chunks after 204", answer: "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n", poisoned: true},
	{name: "a body after HEAD", method: "HEAD", answer: ok + "Content-Length: 4\r\n\r\nevil", poisoned: true},
	{name: "a length after HEAD", method: "HEAD", answer: ok + "Content-Length: 4\r\n\r\n"},
	{name: "chunked after HEAD", method: "HEAD", answer: ok + "Transfer-Encoding: chunked\r\n\r\n"},
	{name: "no length and no end", answer: ok + "\r\nuntil it hangs up", hangUp: true, body: "until it hangs up", poisoned: true},
	{name: "a body cut off", answer: ok + "Content-Length: 10\r\n\r\nhello", hangUp: true, broken: true, body: "hello", poisoned: true},
	{name: "a chunk cut off", answer: ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhel", hangUp: true, broken: true, body: "hel", poisoned: true},
	{name: "no last chunk", answer: ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", hangUp: true, broken: true, body: "hello", poisoned: true},
	{name: "trailers cut off", answer: ok + "Trailer: X-T\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1", hangUp: true, broken: true, body: "hello", poisoned: true},
	{name: "a chunk size beyond 64 bits", answer: ok + "Transfer-Encoding: chunked\r\n\r\n10000000000000005\r\nhello\r\n0\r\n\r\n", broken: true, poisoned: true},
	{name: "a negative chunk size", answer: ok + "Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n", broken: true, poisoned: true},
	{name: "a chunk size that is none", answer: ok + "Transfer-Encoding: chunked\r\n\r\nxyz\r\nhello\r\n0\r\n\r\n", broken: true, poisoned: true},
	{name: "a chunk longer than its size", answer: ok + "Transfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n0\r\n\r\n", broken: true, body: "hel", poisoned: true},
	{name: "chunk extensions", answer: ok + "Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\n\r\n", body: "hello"},
	{name: "bare LF after a chunk size", answer: ok + "Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n", broken: true, poisoned: true},
	{name: "two codings", answer: ok + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", refused: true, poisoned: true},
	{name: "an unknown coding", answer: ok + "Transfer-Encoding: xchunked\r\n\r\nhello", refused: true, poisoned: true},
	{name: "chunked twice", answer: ok + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", refused: true, poisoned: true},
	{name: "a coding in HTTP/1.0", answer: "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", hangUp: true, body: "5\r\nhello\r\n0\r\n\r\n", poisoned: true},
	{name: "a folded header", answer: ok + "X-A: one\r\n two\r\nContent-Length: 5\r\n\r\nhello", body: "hello"},
	{name: "a folded length", answer: ok + "Content-Length:\r\n 5\r\n\r\nhello", body: "hello"},
	{name: "a fold before the first header", answer: ok + " X-A: one\r\nContent-Length: 5\r\n\r\nhello", refused: true, poisoned: true},
	{name: "a space before the colon", answer: ok + "Content-Length : 5\r\n\r\nhello", hangUp: true, refused: true, stricter: true, poisoned: true},
	{name: "a header without a colon", answer: ok + "Content-Length 5\r\n\r\nhello", refused: true, poisoned: true},
	{name: "a header without a name", answer: ok + ": 5\r\n\r\nhello", refused: true, poisoned: true},
	{name: "a NUL in a header", answer: ok + "X-A: a\x00b\r\nContent-Length: 5\r\n\r\nhello", refused: true, poisoned: true},
	{name: "bare LF in the head", answer: "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", body: "hello"},
	{name: "bare CR in a header", answer: ok + "X-A: a\rContent-Length: 3\r\nContent-Length: 5\r\n\r\nhello", refused: true, poisoned: true},
	{name: "no status", answer: "HTTP/1.1\r\n\r\n", refused: true, poisoned: true},
	{name: "a status of four digits", answer: "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n", refused: true, poisoned: true},
	{name: "a status below 100", answer: "HTTP/1.1 042 Odd\r\nContent-Length: 0\r\n\r\n", refused: true, stricter: true, poisoned: true},
	{name: "a status of a word", answer: "HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n", refused: true, poisoned: true},
	{name: "HTTP/2", answer: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", refused: true, poisoned: true},
	{name: "TLS", answer: "\x15\x03\x01\x00\x02\x02\x46", hangUp: true, refused: true, poisoned: true},
	{name: "nothing", answer: "", hangUp: true, refused: true, poisoned: true},
	{name: "half a head", answer: ok + "Content-Le", hangUp: true, refused: true, poisoned: true},
	{name: "a head without end", answer: ok + strings.Repeat("X-Filler: "+strings.Repeat("x", 100)+"\r\n", 1000), refused: true, poisoned: true},
	{name: "a status line without end", answer: "HTTP/1.1 200 " + strings.Repeat("O", 1<<17), refused: true, poisoned: true},
	{name: "it says that it hangs up", answer: ok + "Connection: close\r\nContent-Length: 5\r\n\r\nhello", body: "hello", poisoned: true},
	{name: "HTTP/1.0", answer: "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", body: "hello", poisoned: true},
	{name: "HTTP/1.0 that keeps alive", answer: "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello", body: "hello"},
	{name: "informational answers", answer: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n" + honest, body: "honest"},
	{name: "an informational answer with a length", answer: "HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\n" + honest, body: "honest"},
	{name: "only an informational answer", answer: "HTTP/1.1 103 Early Hints\r\n\r\n", hangUp: true, refused: true, poisoned: true},
	{name: "a protocol nobody asked for", answer: "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: evil\r\n\r\n", hangUp: true, refused: true, stricter: true, poisoned: true},
	{name: "trailers", answer: ok + "Trailer: X-T\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\nX-U: 2\r\n\r\n", body: "hello"},
	{name: "a trailer that would frame", answer: ok + "Trailer: Content-Length\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nContent-Length: 1\r\n\r\n", refused: true, poisoned: true},
}

// TestHostileAnswersAreTakenAsNetHTTPTakesThem gives the same bytes to both, and then
// an honest answer, which has to arrive whatever came before it.
func TestHostileAnswersAreTakenAsNetHTTPTakesThem(t *testing.T) {
	log.SetOutput(io.Discard) // http.Transport says so when there are bytes too many
	for _, h := range hostiles {
		t.Run(h.name, func(t *testing.T) {
			p := startPeer(t, oncePeer(h.answer, h.hangUp))
			via := newTransport(t)
			got := observe(via, p.request(t, h.method, nil))
			if got.refused != h.refused || got.broken != h.broken || got.body != h.body {
				t.Errorf("outcome %+v", got)
			}
			if text := p.get(t, via); text != "honest" {
				t.Errorf("the next answer is %q", text)
			}
			if kept := p.opened.Load() == 1; kept == h.poisoned {
				t.Errorf("used again: %v", kept)
			}
			stock := &http.Transport{DisableCompression: true, MaxResponseHeaderBytes: 1 << 16}
			defer stock.CloseIdleConnections()
			other := startPeer(t, oncePeer(h.answer, h.hangUp))
			if want := observe(stock, other.request(t, h.method, nil)); !h.stricter && !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

// FuzzAnswer looks for bytes of which this transport makes anything else than
// http.Transport does.
func FuzzAnswer(f *testing.F) {
	log.SetOutput(io.Discard)
	for _, h := range hostiles {
		f.Add(h.method, h.answer)
	}
	f.Fuzz(func(t *testing.T, method, answer string) {
		switch method {
		case "GET", "HEAD", "POST":
		default:
			method = "GET"
		}
		var peers sync.WaitGroup
		defer peers.Wait()
		dial := func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			peers.Go(func() {
				defer theirs.Close()
				if readRequest(bufio.NewReader(theirs)) != nil {
					_, _ = io.WriteString(theirs, answer) // nobody reads on after a mistake
				}
			})
			return ours, nil
		}
		r, err := http.NewRequestWithContext(t.Context(), method, "http://upstream/v1/pay", nil)
		check(t, err)
		via := newTransport(t, func(c *Config) { c.Dial = dial })
		stock := &http.Transport{DisableCompression: true, DisableKeepAlives: true, MaxResponseHeaderBytes: 1 << 16, DialContext: dial}
		got, want := observe(via, r), observe(stock, r)
		if !want.refused && (want.code < 100 || want.code == http.StatusSwitchingProtocols || checkFields(want.header) != nil || want.strange) {
			want = outcome{refused: true}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
	})
}
