package caddymodule

import (
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
)

// upstream is what stands behind the gateway. It notes every request.
type upstream struct {
	address string
	server  *http.Server
	served  chan error
	// bytes counts what arrived at all, requests or not.
	bytes atomic.Int64
	// answer, if set, is how it answers.
	answer atomic.Pointer[http.HandlerFunc]

	mu   sync.Mutex
	seen []sighting
	open map[net.Conn]http.ConnState
}

// sighting is one request as the upstream saw it.
type sighting struct {
	method, target, host, body string
	header, trailer            http.Header
	length                     int64
}

func startUpstream(t testing.TB) *upstream {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	u := &upstream{address: l.Addr().String(), served: make(chan error, 1)}
	u.open = map[net.Conn]http.ConnState{}
	u.server = &http.Server{Handler: u, ConnState: func(c net.Conn, state http.ConnState) {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.open[c] = state
	}}
	go func() { u.served <- u.server.Serve(countingListener{l, &u.bytes}) }()
	return u
}

func (u *upstream) close() {
	_ = u.server.Close() // the listener is closed either way
	<-u.served
}

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	u.mu.Lock()
	u.seen = append(u.seen, sighting{
		method: r.Method, target: r.RequestURI, host: r.Host, body: string(body),
		header: r.Header.Clone(), trailer: r.Trailer.Clone(), length: r.ContentLength,
	})
	u.mu.Unlock()
	if answer := u.answer.Load(); answer != nil {
		(*answer)(w, r)
		return
	}
	_, _ = w.Write(body) // the caller has gone if this fails
}

// hangUp closes the connections that wait for a request.
func (u *upstream) hangUp() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for c, state := range u.open {
		if state == http.StateIdle {
			_ = c.Close() // the other side may have closed it
		}
	}
}

// take returns what was seen since the last call.
func (u *upstream) take() []sighting {
	u.mu.Lock()
	defer u.mu.Unlock()
	seen := u.seen
	u.seen = nil
	return seen
}

type countingListener struct {
	net.Listener
	bytes *atomic.Int64
}

func (l countingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return countingConn{c, l.bytes}, err
}

type countingConn struct {
	net.Conn
	bytes *atomic.Int64
}

func (c countingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.bytes.Add(int64(n))
	return n, err
}
