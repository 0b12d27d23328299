package delivery

import (
	"crypto/tls"
	"net/http/httptrace"
	"net/netip"
	"sync"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// trace notes when the parts of an attempt begin and end. The transport goes on
// dialling for later attempts when this one is over or has found a kept
// connection, and calls the hooks from that goroutine: hence the lock, and hence
// what an attempt reports is copied.
type trace struct {
	clock func() time.Time

	mu sync.Mutex
	// doing is for people.
	doing string
	// connected: what dials reveal from now on is no longer about this attempt.
	connected bool
	address   netip.AddrPort
	tlsErr    error
	phases    controlplane.Phases
	// When the phase of that name began; zero if it has not.
	dns, connect, tls, wrote time.Time
}

func (t *trace) hooks() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn:  t.getConn,
		DNSStart: func(httptrace.DNSStartInfo) { t.dial(func() { t.begin("looking up the name", &t.dns) }) },
		DNSDone:  func(httptrace.DNSDoneInfo) { t.dial(func() { t.end(&t.phases.DNS, t.dns) }) },
		ConnectStart: func(string, string) {
			t.dial(func() { t.begin("connecting", &t.connect) })
		},
		ConnectDone: func(_, address string, _ error) {
			t.dial(func() {
				t.end(&t.phases.Connect, t.connect)
				t.address = parseAddress(address)
			})
		},
		TLSHandshakeStart: func() { t.dial(func() { t.begin("in the TLS handshake", &t.tls) }) },
		TLSHandshakeDone: func(_ tls.ConnectionState, err error) {
			t.dial(func() {
				t.end(&t.phases.TLS, t.tls)
				t.tlsErr = err
			})
		},
		GotConn:              t.gotConn,
		WroteRequest:         func(httptrace.WroteRequestInfo) { t.locked(func() { t.begin("waiting for the answer", &t.wrote) }) },
		GotFirstResponseByte: func() { t.locked(func() { t.end(&t.phases.FirstByte, t.wrote) }) },
	}
}

func (t *trace) locked(note func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	note()
}

func (t *trace) dial(note func()) {
	t.locked(func() {
		if !t.connected {
			note()
		}
	})
}

// begin keeps the first beginning: the addresses of a name are dialled one after
// the other, or two at once.
func (t *trace) begin(doing string, at *time.Time) {
	t.doing = doing
	if at.IsZero() {
		*at = t.clock()
	}
}

func (t *trace) end(phase *time.Duration, since time.Time) {
	if !since.IsZero() {
		*phase = t.clock().Sub(since)
	}
}

// getConn comes a second time when a kept connection was found closed.
func (t *trace) getConn(string) {
	t.locked(func() {
		t.phases, t.tlsErr, t.connected = controlplane.Phases{}, nil, false
		t.dns, t.connect, t.tls, t.wrote = time.Time{}, time.Time{}, time.Time{}, time.Time{}
	})
}

func (t *trace) gotConn(info httptrace.GotConnInfo) {
	t.locked(func() {
		if info.Reused {
			t.phases = controlplane.Phases{}
		}
		t.connected, t.doing = true, "sending the request"
		t.address = parseAddress(info.Conn.RemoteAddr().String())
	})
}

// reading says that the headers of the answer are here.
func (t *trace) reading() { t.locked(func() { t.doing = "reading the answer" }) }

func parseAddress(s string) netip.AddrPort {
	a, err := netip.ParseAddrPort(s)
	if err != nil {
		return netip.AddrPort{} // not dialled over TCP: nothing to show
	}
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// seen is what a trace has noted.
type seen struct {
	doing     string
	connected bool
	address   netip.AddrPort
	tlsErr    error
	phases    controlplane.Phases
}

func (t *trace) seen() (s seen) {
	t.locked(func() { s = seen{t.doing, t.connected, t.address, t.tlsErr, t.phases} })
	return s
}
