package roundtrip

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestAConnectionTakesManyRequests(t *testing.T) {
	p := startPeer(t, answering(honest))
	via := newTransport(t)
	for range 5 {
		if text := p.get(t, via); text != "honest" {
			t.Errorf("answer %q", text)
		}
		text, err := fetch(via, p.request(t, "POST", strings.NewReader("body")))
		if err != nil || text != "honest" {
			t.Errorf("answer %q, %v", text, err)
		}
		// Of unknown length, so by a goroutine.
		if _, err := fetch(via, p.request(t, "POST", stream("body"))); err != nil {
			t.Error(err)
		}
	}
	if n := p.opened.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

func TestAConnectionIsNotUsedAgainWhen(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		first  func(t *testing.T, p *peer, via *Transport)
		change func(*Config)
	}{
		"the answer was not read": {honest, func(t *testing.T, p *peer, via *Transport) {
			res, err := via.RoundTrip(p.request(t, "GET", nil))
			check(t, err)
			check(t, res.Body.Close())
		}, nil},
		"its request wanted it closed": {honest, func(t *testing.T, p *peer, via *Transport) {
			r := p.request(t, "GET", nil)
			r.Close = true
			if _, err := fetch(via, r); err != nil {
				t.Error(err)
			}
		}, nil},
		"it may be a tunnel": {honest, func(t *testing.T, p *peer, via *Transport) {
			if _, err := fetch(via, p.request(t, "CONNECT", nil)); err != nil {
				t.Error(err)
			}
		}, nil},
		"the transport was closed meanwhile": {honest, func(t *testing.T, p *peer, via *Transport) {
			res, err := via.RoundTrip(p.request(t, "GET", nil))
			check(t, err)
			via.Close()
			_, err = io.ReadAll(res.Body)
			check(t, err)
		}, nil},
		"the idle ones were closed": {honest, func(t *testing.T, p *peer, via *Transport) {
			p.get(t, via)
			via.CloseIdleConnections()
		}, nil},
		"none may wait": {honest, func(t *testing.T, p *peer, via *Transport) { p.get(t, via) }, func(c *Config) { c.MaxIdle = 0 }},
		"it has waited for too long": {honest, func(t *testing.T, p *peer, via *Transport) { p.get(t, via) }, func(c *Config) {
			now := time.Now()
			c.Clock = func() time.Time { now = now.Add(time.Minute); return now }
		}},
		"bytes came while it waited": {honest, func(t *testing.T, p *peer, via *Transport) {
			p.get(t, via)
			p.mu.Lock()
			defer p.mu.Unlock()
			_, err := io.WriteString(p.conns[0], "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
			check(t, err)
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			p := startPeer(t, answering(c.answer))
			via := newTransport(t, func(config *Config) {
				if c.change != nil {
					c.change(config)
				}
			})
			c.first(t, p, via)
			if text := p.get(t, via); text != "honest" || p.opened.Load() != 2 {
				t.Errorf("answer %q on connection %d", text, p.opened.Load())
			}
		})
	}
}

// TestAPaymentIsNotLostToAnIdleConnection: the upstream hangs up while nobody asks,
// and the next request, which may not be sent twice, finds that out beforehand.
func TestAPaymentIsNotLostToAnIdleConnection(t *testing.T) {
	p := startPeer(t, answering(honest))
	via := newTransport(t)
	for range 20 {
		if text, err := fetch(via, p.request(t, "POST", stream("pay"))); err != nil || text != "honest" {
			t.Fatalf("answer %q, %v", text, err)
		}
		p.hangUp()
	}
}

// hangsUpOnTheSecond answers one request of its first connection, and hangs up on
// what follows after saying something.
func hangsUpOnTheSecond(seen *bytes.Buffer, saying string) func(int64, net.Conn, *bufio.Reader) {
	return func(n int64, c net.Conn, in *bufio.Reader) {
		for i := 0; ; i++ {
			r := readRequest(in)
			if r == nil {
				return
			}
			if n == 1 && i == 1 {
				_, _ = io.WriteString(c, saying) // the outcome shows whether it came
				return
			}
			if n > 1 {
				seen.WriteString("again")
			}
			if _, err := io.WriteString(c, honest); err != nil {
				return
			}
		}
	}
}

func TestOnlyWhatMayBeSentTwiceIsSentTwice(t *testing.T) {
	for name, c := range map[string]struct {
		method, saying string
		body           io.Reader
		key            bool
		again          bool
	}{
		"GET":                              {method: "GET", again: true},
		"HEAD":                             {method: "HEAD", again: true},
		"POST":                             {method: "POST", body: strings.NewReader("pay")},
		"DELETE":                           {method: "DELETE"},
		"POST with a key":                  {method: "POST", body: strings.NewReader("pay"), key: true, again: true},
		"POST with a key, read once":       {method: "POST", body: stream("pay"), key: true},
		"GET after the answer was begun":   {method: "GET", saying: "H"},
		"GET after an informational reply": {method: "GET", saying: "HTTP/1.1 103 Early Hints\r\n\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var seen bytes.Buffer
			p := startPeer(t, hangsUpOnTheSecond(&seen, c.saying))
			via := newTransport(t)
			p.get(t, via)
			r := p.request(t, c.method, c.body)
			if c.key {
				r.Header.Set("Idempotency-Key", "pay-1")
			}
			_, err := fetch(via, r)
			if again := err == nil; again != c.again || again != (seen.String() == "again") {
				t.Errorf("sent again: %v (%q), error %v", again, &seen, err)
			}
		})
	}
}

func TestAFirstConnectionThatHangsUpIsAnError(t *testing.T) {
	p := startPeer(t, func(_ int64, _ net.Conn, in *bufio.Reader) { readRequest(in) })
	if _, err := fetch(newTransport(t), p.request(t, "GET", nil)); err == nil || p.opened.Load() != 1 {
		t.Errorf("%v after %d connections", err, p.opened.Load())
	}
}

func TestWhatTheUpstreamHasClosedIsClosedHere(t *testing.T) {
	p := startPeer(t, answering(honest))
	via := newTransport(t)
	p.get(t, via)
	kept := func() int { return len(via.idle.conns[target{"tcp", p.address}]) }
	via.idle.clean()
	if n := kept(); n != 1 {
		t.Errorf("%d connections wait", n)
	}
	p.hangUp()
	for kept() > 0 { // until the end has arrived
		via.idle.clean()
	}
	if len(via.idle.conns) != 0 || via.idle.sweep != nil {
		t.Error("the sweep goes on without connections")
	}
}

func TestNoMoreConnectionsWaitThanMay(t *testing.T) {
	p := startPeer(t, answering(honest))
	via := newTransport(t, func(c *Config) { c.MaxIdle = 2 })
	var open []*http.Response
	for range 5 {
		res, err := via.RoundTrip(p.request(t, "GET", nil))
		check(t, err)
		open = append(open, res)
	}
	for _, res := range open {
		_, err := io.ReadAll(res.Body)
		check(t, err)
	}
	if n := len(via.idle.conns[target{"tcp", p.address}]); n != 2 {
		t.Errorf("%d connections wait", n)
	}
}
