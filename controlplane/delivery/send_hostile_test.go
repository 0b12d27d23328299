package delivery

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

func TestSendNamesWhatIsWrongWithTLS(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(testing.TB, authority, *tls.Config)
		want  string
	}{
		"expired": {func(t testing.TB, a authority, c *tls.Config) {
			c.Certificates[0] = a.issue(t, func(x *x509.Certificate) { x.NotAfter = time.Now().Add(-time.Minute) })
		}, "has expired, or is not valid yet"},
		"not valid yet": {func(t testing.TB, a authority, c *tls.Config) {
			c.Certificates[0] = a.issue(t, func(x *x509.Certificate) { x.NotBefore = time.Now().Add(time.Minute) })
		}, "has expired, or is not valid yet"},
		"self-signed": {func(t testing.TB, _ authority, c *tls.Config) {
			own := newAuthority(t)
			c.Certificates[0] = tls.Certificate{Certificate: [][]byte{own.cert.Raw}, PrivateKey: own.key}
		}, "not signed by a known authority"},
		"foreign authority": {func(t testing.TB, _ authority, c *tls.Config) {
			c.Certificates[0] = newAuthority(t).issue(t, nil)
		}, "not signed by a known authority"},
		"wrong name": {func(t testing.TB, a authority, c *tls.Config) {
			c.Certificates[0] = a.issue(t, func(x *x509.Certificate) { x.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 9)} })
		}, "the certificate is not for 127.0.0.1"},
		"for clients only": {func(t testing.TB, a authority, c *tls.Config) {
			c.Certificates[0] = a.issue(t, func(x *x509.Certificate) { x.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })
		}, "not valid for a server"},
		"TLS 1.1 only": {func(_ testing.TB, _ authority, c *tls.Config) {
			c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
		}, "TLS 1.2 or newer"},
		"another protocol only": {func(_ testing.TB, _ authority, c *tls.Config) {
			c.NextProtos = []string{"acme-tls/1"}
		}, "no application protocol"},
		"wants a client certificate": {func(_ testing.TB, _ authority, c *tls.Config) {
			c.ClientAuth = tls.RequireAnyClientCert
		}, "certificate required"},
		"wants a client certificate, TLS 1.2": {func(_ testing.TB, _ authority, c *tls.Config) {
			c.ClientAuth, c.MaxVersion = tls.RequireAnyClientCert, tls.VersionTLS12
		}, "the TLS handshake failed"},
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int64
			r := serve(t, func(http.ResponseWriter, *http.Request) { asked.Add(1) },
				func(a authority, config *tls.Config) { c.spoil(t, a, config) })
			res := sender(t, r, nil).Send(t.Context(), testRequest(r.url()))
			if res.Fault != controlplane.FaultTLS || !strings.Contains(res.Detail, c.want) || res.Status != 0 || asked.Load() != 0 {
				t.Errorf("asked %d times, %s: %q, want %q", asked.Load(), res.Fault, res.Detail, c.want)
			}
		})
	}
}

func TestSendToWhatDoesNotSpeakTLS(t *testing.T) {
	for name, c := range map[string]struct {
		handle func(net.Conn)
		want   string
	}{
		"plain HTTP":         {func(c net.Conn) { say(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"); hang(c) }, "does not speak TLS"},
		"closes at once":     {func(net.Conn) {}, "closed during the TLS handshake"},
		"resets":             {reset, "closed during the TLS handshake"},
		"never says a thing": {hang, "did not end in time"},
	} {
		t.Run(name, func(t *testing.T) {
			r := accept(t, c.handle)
			res := sender(t, r, impatient).Send(t.Context(), testRequest(r.url()))
			if res.Fault != controlplane.FaultTLS || !strings.Contains(res.Detail, c.want) || res.Address != r.address {
				t.Errorf("%s: %q, want %q", res.Fault, res.Detail, c.want)
			}
		})
	}
}

func reset(conn net.Conn) {
	// The client's hello has to be here: what is not read makes Close a reset.
	_, _ = conn.Read(make([]byte, 1))
	_ = conn.(*net.TCPConn).SetLinger(0)
}

func TestSendToSlowReceivers(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
	var all sync.WaitGroup // they wait together
	for name, c := range map[string]struct {
		write  func(net.Conn)
		status int
		want   string
	}{
		"no answer":            {hang, 0, "waiting for the answer"},
		"headers byte by byte": {drip("HTTP/1.1 200 OK\r\nX: "), 0, "waiting for the answer"},
		"no body":              {func(c net.Conn) { say(c, head); hang(c) }, 200, "reading the answer"},
		"body byte by byte":    {drip(head), 200, "reading the answer"},
		"chunk byte by byte":   {drip("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n"), 200, "reading the answer"},
		"body without end":     {drip("HTTP/1.1 200 OK\r\n\r\n"), 200, "reading the answer"},
	} {
		r := answer(t, func(conn net.Conn, _ int) bool { c.write(conn); return false })
		s := sender(t, r, impatient)
		all.Go(func() {
			res := s.Send(t.Context(), testRequest(r.url()))
			if res.Fault != controlplane.FaultTimeout || !strings.Contains(res.Detail, c.want) || res.Status != c.status || r.connections.Load() != 1 {
				t.Errorf("%s: %d, %s: %q, want %q", name, res.Status, res.Fault, res.Detail, c.want)
			}
		})
	}
	all.Wait()
}

func drip(start string) func(net.Conn) {
	return func(conn net.Conn) {
		for going := say(conn, start); going; time.Sleep(10 * time.Millisecond) {
			going = say(conn, "x")
		}
	}
}

func TestSendToReceiversThatBreakHTTP(t *testing.T) {
	for name, c := range map[string]struct {
		write func(net.Conn)
		want  string
	}{
		"closes":                  {func(net.Conn) {}, "closed before the end"},
		"closes in the headers":   {func(c net.Conn) { say(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n") }, "closed before the end"},
		"closes in the body":      {func(c net.Conn) { say(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345") }, "closed before the end"},
		"closes in a chunk":       {func(c net.Conn) { say(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n123") }, "closed before the end"},
		"resets in the body":      {func(c net.Conn) { say(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345"); resetTLS(c) }, "closed before the end"},
		"HTTP/0.9":                {func(c net.Conn) { say(c, "<html>welcome</html>\r\n\r\n") }, "not valid HTTP"},
		"garbage":                 {func(c net.Conn) { say(c, "\x00\x01\x02\r\n\r\n") }, "not valid HTTP"},
		"status 000":              {func(c net.Conn) { say(c, "HTTP/1.1 000 \r\nContent-Length: 0\r\n\r\n") }, "not valid HTTP"},
		"two lengths":             {func(c net.Conn) { say(c, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab") }, "not valid HTTP"},
		"bad chunk":               {func(c net.Conn) { say(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n") }, "not valid HTTP"},
		"headers without end":     {flood("HTTP/1.1 200 OK\r\n", func(n int) string { return fmt.Sprintf("X-%d: %01000d\r\n", n, n) }), "longer than 32 KiB"},
		"one header without end":  {flood("HTTP/1.1 200 OK\r\nX: ", func(int) string { return strings.Repeat("x", 1000) }), "longer than 32 KiB"},
		"1xx answers without end": {flood("", func(int) string { return "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" }), "longer than 32 KiB"},
	} {
		t.Run(name, func(t *testing.T) {
			r := answer(t, func(conn net.Conn, _ int) bool { c.write(conn); return false })
			res := sender(t, r, nil).Send(t.Context(), testRequest(r.url()))
			if res.Fault != controlplane.FaultProtocol || !strings.Contains(res.Detail, c.want) {
				t.Errorf("%s: %q, want %q", res.Fault, res.Detail, c.want)
			}
		})
	}
}

func resetTLS(conn net.Conn) { _ = conn.(*tls.Conn).NetConn().(*net.TCPConn).SetLinger(0) }

func flood(start string, next func(n int) string) func(net.Conn) {
	return func(conn net.Conn) {
		going := say(conn, start)
		for n := 0; going; n++ {
			going = say(conn, next(n))
		}
	}
}

func TestSendToOldAndOddReceivers(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		status int
		fault  controlplane.Fault
		body   string
	}{
		"HTTP/1.0":                      {"HTTP/1.0 200 OK\r\n\r\nfine", 200, "", "fine"},
		"no reason phrase":              {"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", 200, "", ""},
		"a few hints first":             {"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", 204, "", ""},
		"switches protocols":            {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nxyz", 101, controlplane.FaultStatus, ""},
		"299":                           {"HTTP/1.1 299 Odd\r\nContent-Length: 0\r\n\r\n", 299, "", ""},
		"199 is no success":             {"HTTP/1.1 600 Odd\r\nContent-Length: 0\r\n\r\n", 600, controlplane.FaultStatus, ""},
		"410 with a body that ends":     {"HTTP/1.1 410 Gone\r\nContent-Length: 2\r\n\r\nno", 410, controlplane.FaultStatus, "no"},
		"410 with a body that does not": {"HTTP/1.1 410 Gone\r\nContent-Length: 9\r\n\r\nno", 410, controlplane.FaultStatus, "no"},
	} {
		t.Run(name, func(t *testing.T) {
			r := answer(t, func(conn net.Conn, _ int) bool { say(conn, c.answer); return false })
			res := sender(t, r, nil).Send(t.Context(), testRequest(r.url()))
			if res.Status != c.status || res.Fault != c.fault || string(res.Body) != c.body {
				t.Errorf("got %+v", res)
			}
		})
	}
}

// The receiver counts what it got rid of: kernel buffers take some of it, the
// sender 64 KiB, and the rest is refused by closing the connection.
func TestSendReadsABoundedPartOfAHugeBody(t *testing.T) {
	const patience = 64 << 20
	written := make(chan int, 1)
	r := answer(t, func(conn net.Conn, _ int) bool {
		n, chunk := 0, make([]byte, 64<<10)
		for going := say(conn, "HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n"); going && n < patience; n += len(chunk) {
			_, err := conn.Write(chunk)
			going = err == nil
		}
		written <- n
		return false
	})
	s := sender(t, r, nil)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	res := s.Send(t.Context(), testRequest(r.url()))
	n := <-written
	runtime.ReadMemStats(&after)
	if res.Fault != "" || res.Status != 200 || len(res.Body) != controlplane.MaxKeptBody || !res.BodyCut {
		t.Errorf("%s: %q, %d bytes kept", res.Fault, res.Detail, len(res.Body))
	}
	if n >= patience {
		t.Errorf("%d bytes of the body were taken", n)
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 4<<20 {
		t.Errorf("the attempt allocated %d bytes", grown)
	}
}

func TestSendDoesNotUnpack(t *testing.T) {
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	if _, err := z.Write(make([]byte, 16<<20)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	r := serve(t, func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get("Accept-Encoding") != "" {
			w.WriteHeader(http.StatusTeapot)
		}
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(bomb.Bytes())
	}, nil)
	res := sender(t, r, nil).Send(t.Context(), testRequest(r.url()))
	if res.Status != 200 || !bytes.Equal(res.Body, bomb.Bytes()[:controlplane.MaxKeptBody]) || !res.BodyCut {
		t.Errorf("got %d, %d bytes kept", res.Status, len(res.Body))
	}
}

func TestSendKeepsABoundedPartOfTheHeaders(t *testing.T) {
	r := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		for n := range 25 {
			w.Header().Set(fmt.Sprintf("A-%02d", n), strings.Repeat("\xff", 1<<10))
		}
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusServiceUnavailable)
	}, nil)
	res := sender(t, r, nil).Send(t.Context(), testRequest(r.url()))
	size := 0
	for _, h := range res.Header {
		size += len(h.Name) + len(h.Value)
	}
	if res.Status != 503 || size > maxKeptHeader || len(res.Header) < 3 || res.Header[0] != (controlplane.Header{Name: "Retry-After", Value: "7"}) {
		t.Errorf("%d: %d bytes in %d headers", res.Status, size, len(res.Header))
	}
}

// Linux completes as many handshakes as fit a listener's queue, and then drops
// what comes: a connection that is never made, without leaving loopback.
func TestSendToAPortThatDropsConnections(t *testing.T) {
	verifyNoLeak(t)
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	r := &receiver{authority: newAuthority(t), address: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(name.(*syscall.SockaddrInet4).Port))}
	filler, err := net.Dial("tcp", r.address.String())
	if err != nil {
		t.Fatal(err)
	}
	defer filler.Close()
	res := sender(t, r, impatient).Send(t.Context(), testRequest(r.url()))
	if res.Fault != controlplane.FaultConnect || !strings.Contains(res.Detail, "in time") || res.Address != r.address {
		t.Errorf("got %+v", res)
	}
}

func TestSendToAPortWhereNothingListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &receiver{authority: newAuthority(t), address: netip.MustParseAddrPort(l.Addr().String())}
	l.Close()
	res := sender(t, r, nil).Send(t.Context(), testRequest(r.url()))
	if res.Fault != controlplane.FaultConnect || !strings.Contains(res.Detail, "refused") || res.Address != r.address || res.RequestHeader != nil {
		t.Errorf("got %+v", res)
	}
}

func TestSendEndsWithItsCaller(t *testing.T) {
	arrived := make(chan struct{})
	r := answer(t, func(conn net.Conn, _ int) bool { close(arrived); hang(conn); return false })
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		<-arrived
		stop()
	}()
	res := sender(t, r, nil).Send(ctx, testRequest(r.url()))
	if res.Fault != controlplane.FaultInternal {
		t.Errorf("an attempt that was stopped counts against the receiver: %+v", res)
	}
}

// What a merchant may read has no address of this machine, of its name servers, or
// of a network that was refused.
func TestFaultsInWords(t *testing.T) {
	secret := &net.TCPAddr{IP: net.IPv4(10, 1, 2, 3), Port: 53}
	for name, c := range map[string]struct {
		err  error
		tls  error
		want controlplane.Fault
	}{
		"no such name":    {err: &net.DNSError{Err: "no such host", Server: "10.1.2.3:53", IsNotFound: true}, want: controlplane.FaultDNS},
		"slow DNS":        {err: &net.DNSError{Err: "i/o timeout on 10.1.2.3", IsTimeout: true}, want: controlplane.FaultDNS},
		"broken DNS":      {err: &net.DNSError{Err: "server misbehaving", Server: "10.1.2.3:53"}, want: controlplane.FaultDNS},
		"no route":        {err: &net.OpError{Op: "dial", Source: secret, Addr: secret, Err: syscall.EHOSTUNREACH}, want: controlplane.FaultConnect},
		"odd refusal":     {err: &net.OpError{Op: "dial", Source: secret, Addr: secret, Err: syscall.EACCES}, want: controlplane.FaultConnect},
		"blocked":         {err: &net.OpError{Op: "dial", Addr: secret, Err: errBlocked}, want: controlplane.FaultBlocked},
		"no descriptors":  {err: &net.OpError{Op: "dial", Addr: secret, Err: syscall.EMFILE}, want: controlplane.FaultInternal},
		"no ports left":   {err: &net.OpError{Op: "dial", Addr: secret, Err: syscall.EADDRNOTAVAIL}, want: controlplane.FaultInternal},
		"TLS reading":     {tls: &net.OpError{Op: "read", Source: secret, Addr: secret, Err: syscall.ETIMEDOUT}, want: controlplane.FaultTLS},
		"TLS, odd":        {tls: &net.OpError{Op: "read", Source: secret, Addr: secret, Err: syscall.EIO}, want: controlplane.FaultTLS},
		"answer broke":    {err: &net.OpError{Op: "read", Source: secret, Addr: secret, Err: syscall.ECONNRESET}, want: controlplane.FaultProtocol},
		"answer is odd":   {err: fmt.Errorf("from 10.1.2.3: %w", io.ErrNoProgress), want: controlplane.FaultProtocol},
		"request is lost": {err: &net.OpError{Op: "write", Source: secret, Addr: secret, Err: syscall.EPIPE}, want: controlplane.FaultProtocol},
	} {
		t.Run(name, func(t *testing.T) {
			if c.err == nil {
				c.err = c.tls
			}
			got, detail := fault(t.Context(), c.err, seen{tlsErr: c.tls}, "hook.example")
			if got != c.want || detail == "" || strings.Contains(detail, "10.1.2.3") {
				t.Errorf("%s: %q, want %s", got, detail, c.want)
			}
		})
	}
}
