package delivery

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

const testAgent = "Receiver-Test/1.0"

// authority signs certificates for receivers.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(tb testing.TB) authority {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, // so that it can also be a self-signed certificate
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		tb.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatal(err)
	}
	return authority{cert, key}
}

// issue makes a certificate for a receiver on loopback, or as change has it.
func (a authority) issue(tb testing.TB, change func(*x509.Certificate)) tls.Certificate {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "Receiver"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"hook.example"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if change != nil {
		change(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		tb.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func (a authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// receiver is a merchant's server on loopback.
type receiver struct {
	authority authority
	address   netip.AddrPort
	// connections counts those that were accepted.
	connections atomic.Int64
}

func (r *receiver) url() string { return "https://" + r.address.String() + "/hook" }

// named is the URL under another host.
func (r *receiver) named(host string) string {
	return fmt.Sprintf("https://%s:%d/hook", host, r.address.Port())
}

// serve starts a receiver that speaks HTTPS; change may spoil its TLS.
func serve(tb testing.TB, handler http.HandlerFunc, change func(authority, *tls.Config)) *receiver {
	tb.Helper()
	verifyNoLeak(tb)
	r := &receiver{authority: newAuthority(tb)}
	s := httptest.NewUnstartedServer(handler)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{r.authority.issue(tb, nil)}}
	if change != nil {
		change(r.authority, s.TLS)
	}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			r.connections.Add(1)
		}
	}
	s.StartTLS()
	tb.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	r.address = netip.MustParseAddrPort(s.Listener.Addr().String())
	return r
}

// accept starts a receiver that does with each TCP connection what handle does.
func accept(tb testing.TB, handle func(net.Conn)) *receiver {
	tb.Helper()
	verifyNoLeak(tb)
	r := &receiver{authority: newAuthority(tb)}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	tb.Cleanup(func() {
		stop()
		l.Close()
	})
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			r.connections.Add(1)
			go func() {
				defer conn.Close()
				defer context.AfterFunc(ctx, func() { conn.Close() })()
				handle(conn)
			}()
		}
	}()
	r.address = netip.MustParseAddrPort(l.Addr().String())
	return r
}

// acceptTLS is accept over TLS, with the receiver's good certificate.
func acceptTLS(tb testing.TB, handle func(net.Conn)) *receiver {
	tb.Helper()
	config := &tls.Config{}
	r := accept(tb, func(tcp net.Conn) {
		conn := tls.Server(tcp, config)
		defer conn.Close()
		handle(conn)
	})
	config.Certificates = []tls.Certificate{r.authority.issue(tb, nil)}
	return r
}

// answer starts a receiver that reads requests and does with the connection after
// the nth what write does. It closes the connection when write returns false.
func answer(tb testing.TB, write func(conn net.Conn, n int) bool) *receiver {
	tb.Helper()
	return acceptTLS(tb, func(conn net.Conn) {
		in := bufio.NewReader(conn)
		for n := 1; ; n++ {
			req, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			if _, err := io.Copy(io.Discard, req.Body); err != nil || !write(conn, n) {
				return
			}
		}
	})
}

func say(conn net.Conn, text string) bool {
	_, err := io.WriteString(conn, text)
	return err == nil
}

// hang waits until the other side gives up.
func hang(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) } // it ends with an error

// sender returns one that may dial the receivers' ports on loopback.
func sender(tb testing.TB, r *receiver, change func(*SenderConfig, *GuardRules)) *HTTPSender {
	tb.Helper()
	rules := GuardRules{
		Ports:         []uint16{r.address.Port()},
		PrivateRanges: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")},
	}
	config := SenderConfig{UserAgent: testAgent, Roots: r.authority.pool()}
	if change != nil {
		change(&config, &rules)
	}
	var err error
	if config.Guard, err = NewGuard(rules); err != nil {
		tb.Fatal(err)
	}
	s, err := NewHTTPSender(config)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.Close)
	return s
}

// impatient is for receivers that hang. Those that only hang later must get through
// the handshake in a third of it, on any machine.
func impatient(c *SenderConfig, _ *GuardRules) { c.Deadline = 1500 * time.Millisecond }

func testSecret(fill byte) controlplane.Secret {
	return controlplane.NewSecret(controlplane.WebhookSecretPrefix + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{fill}, 32)))
}

func testRequest(url string) Request {
	return Request{
		EventID: "evt_0123456789", URL: url, Secrets: []controlplane.Secret{testSecret(1)},
		Body: []byte(`{"type":"deposit.success","data":{"amount":"10.00"}}`), At: time.Now(),
	}
}

func verifyNoLeak(tb testing.TB) {
	tb.Helper()
	before := goleak.IgnoreCurrent()
	tb.Cleanup(func() { goleak.VerifyNone(tb, before) })
}

// resolver answers queries for IPv4 addresses with what next returns; nil means
// that there is no such name.
func resolver(next func(name string) []netip.Addr) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go func() {
			defer server.Close()
			for answerQuery(server, next) == nil {
			}
		}()
		return client, nil
	}}
}

func answerQuery(conn net.Conn, next func(string) []netip.Addr) error {
	var size uint16
	if err := binary.Read(conn, binary.BigEndian, &size); err != nil {
		return err
	}
	packet := make([]byte, size)
	if _, err := io.ReadFull(conn, packet); err != nil {
		return err
	}
	var m dnsmessage.Message
	if err := m.Unpack(packet); err != nil {
		return err
	}
	if len(m.Questions) != 1 {
		return errors.New("want one question")
	}
	q := m.Questions[0]
	m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
	if q.Type == dnsmessage.TypeA {
		addresses := next(q.Name.String())
		if addresses == nil {
			m.RCode = dnsmessage.RCodeNameError
		}
		for _, a := range addresses {
			m.Answers = append(m.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET},
				Body:   &dnsmessage.AResource{A: a.As4()},
			})
		}
	}
	reply, err := m.Pack()
	if err != nil {
		return err
	}
	_, err = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...))
	return err
}
