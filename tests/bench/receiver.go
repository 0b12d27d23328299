package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"
)

// receivers are merchants' HTTPS servers in this process, each with an address of
// its own: they share nothing that real ones would not, so that connections are
// kept per receiver.
type receivers struct {
	urls   []string
	port   string
	caFile string
	roots  *x509.CertPool
	server *http.Server
	// flow is what arrivals are noted in; dead hosts hang, bad ones answer 503.
	flow atomic.Pointer[flow]
}

// Paths of endpoints say how the receiver treats them.
const (
	pathGood = "/good"
	pathBad  = "/bad"
	pathDead = "/dead"
)

func startReceivers(dir string, n int) (r *receivers, err error) {
	authority, err := newAuthority()
	if err != nil {
		return nil, err
	}
	r = &receivers{caFile: filepath.Join(dir, "receivers.pem"), roots: x509.NewCertPool(), port: "0"}
	r.roots.AddCert(authority.cert)
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority.cert.Raw})
	if err := os.WriteFile(r.caFile, text, 0o600); err != nil {
		return nil, err
	}
	// Connections that end in the middle of a handshake are no news.
	r.server = &http.Server{Handler: r, ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: time.Minute}
	for i := range n {
		if err := r.listen(authority, i); err != nil {
			return nil, errors.Join(err, r.server.Close())
		}
	}
	return r, nil
}

// listen opens one address of 127/8, all on one port.
func (r *receivers) listen(authority *authority, i int) error {
	host := fmt.Sprintf("127.1.%d.%d", i/250, 1+i%250)
	plain, err := net.Listen("tcp", net.JoinHostPort(host, r.port))
	if err != nil {
		return err
	}
	_, r.port, err = net.SplitHostPort(plain.Addr().String())
	if err != nil {
		return err
	}
	certificate, err := authority.issue(host)
	if err != nil {
		return err
	}
	listener := tls.NewListener(plain, &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12})
	r.urls = append(r.urls, "https://"+net.JoinHostPort(host, r.port))
	go func() { _ = r.server.Serve(listener) }() // always ErrServerClosed, by Close
	return nil
}

func (r *receivers) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	switch q.URL.Path {
	case pathDead:
		<-q.Context().Done() // until the sender has had enough
		return
	case pathBad:
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	body, err := io.ReadAll(q.Body)
	if err != nil {
		return // the sender sees as much
	}
	if f := r.flow.Load(); f != nil {
		f.arrive(eventNumber(body))
	}
	w.Header()["Date"] = nil
	w.WriteHeader(http.StatusNoContent)
}

var numberField = []byte(`"n":`)

// eventNumber is -1 for what has none.
func eventNumber(body []byte) int64 {
	_, rest, found := bytes.Cut(body, numberField)
	digits, _, closed := bytes.Cut(rest, []byte(","))
	n, err := strconv.ParseInt(string(digits), 10, 64)
	if !found || !closed || err != nil {
		return -1
	}
	return n
}

// authority signs receivers' certificates. One key for all: what is measured is
// what a sender does.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	a := &authority{key: key}
	der, err := a.sign(&x509.Certificate{Subject: pkix.Name{CommonName: "bench"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	if err != nil {
		return nil, err
	}
	a.cert, err = x509.ParseCertificate(der)
	return a, err
}

func (a *authority) issue(host string) (tls.Certificate, error) {
	der, err := a.sign(&x509.Certificate{IPAddresses: []net.IP{net.ParseIP(host)}, KeyUsage: x509.KeyUsageDigitalSignature})
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: a.key}, err
}

func (a *authority) sign(c *x509.Certificate) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	c.SerialNumber, c.NotBefore, c.NotAfter = serial, time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	parent := a.cert
	if parent == nil {
		parent = c
	}
	return x509.CreateCertificate(rand.Reader, c, parent, &a.key.PublicKey, a.key)
}
