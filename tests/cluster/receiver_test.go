package cluster

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// receiver is the merchants' server. It notes which process made each attempt.
type receiver struct {
	c                         *cluster
	server                    *httptest.Server
	caFile, certFile, keyFile string

	mu       sync.Mutex
	arrivals []arrival
	holding  chan struct{} // closed while it answers at once
}

// arrival is one attempt.
type arrival struct {
	id     string // webhook-id
	number int    // of the event, by its body
	pid    int    // of the node, 0 if it was gone too soon to tell
	at     time.Time
}

type pidKey struct{}

func startReceiver(c *cluster) *receiver {
	r := &receiver{c: c, holding: make(chan struct{}), certFile: c.path("cert.pem"), keyFile: c.path("key.pem"), caFile: c.path("cert.pem")}
	close(r.holding)
	r.server = httptest.NewUnstartedServer(r)
	r.server.TLS = &tls.Config{Certificates: []tls.Certificate{r.certificate()}}
	r.server.Config.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		return context.WithValue(ctx, pidKey{}, c.processOf(conn.RemoteAddr()))
	}
	// Nodes are killed in the middle of handshakes.
	r.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	r.server.StartTLS()
	c.t.Cleanup(func() {
		r.release()
		r.server.Close()
	})
	return r
}

// certificate is for the receiver and for the nodes' portals.
func (r *receiver) certificate() tls.Certificate {
	t := r.c.t
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "cluster"}, DNSNames: []string{"portal.test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	check(t, err)
	private, err := x509.MarshalECPrivateKey(key)
	check(t, err)
	certPEM, keyPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private})
	check(t, os.WriteFile(r.certFile, certPEM, 0o600))
	check(t, os.WriteFile(r.keyFile, keyPEM, 0o600))
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	check(t, err)
	return pair
}

func (r *receiver) port() string { return port(r.server.Listener.Addr().String()) }

func (r *receiver) url() string { return r.server.URL + "/hook" }

var numberOf = regexp.MustCompile(`"number":(\d+)`)

// ServeHTTP takes every webhook.
func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	if err != nil {
		return // the node was killed while it sent
	}
	a := arrival{id: q.Header.Get("Webhook-Id"), number: -1, at: time.Now()}
	a.pid, _ = q.Context().Value(pidKey{}).(int)
	if m := numberOf.FindSubmatch(body); m != nil {
		if a.number, err = strconv.Atoi(string(m[1])); err != nil {
			r.c.t.Error(err)
		}
	}
	r.mu.Lock()
	r.arrivals = append(r.arrivals, a)
	holding := r.holding
	r.mu.Unlock()
	<-holding
	w.WriteHeader(http.StatusNoContent)
}

// hold lets attempts wait for their answer until release.
func (r *receiver) hold() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.holding = make(chan struct{})
}

func (r *receiver) release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-r.holding:
	default:
		close(r.holding)
	}
}

// seen are the attempts so far, by webhook-id, in the order of their arrival.
func (r *receiver) seen() map[string][]arrival {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := map[string][]arrival{}
	for _, a := range r.arrivals {
		all[a.id] = append(all[a.id], a)
	}
	return all
}

func (r *receiver) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.arrivals)
}

// processOf is the node that has the other end of a connection: the kernel tells whose
// socket it is, but may leave one out of a list that changes while it is read. It is 0
// for a node that was killed meanwhile.
func (c *cluster) processOf(client net.Addr) int {
	for range 5 {
		if pid := c.lookUp(client); pid != 0 {
			return pid
		}
	}
	return 0
}

func (c *cluster) lookUp(client net.Addr) int {
	text, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		return 0
	}
	local := fmt.Sprintf("0100007F:%04X", client.(*net.TCPAddr).Port)
	for line := range bytes.Lines(text) {
		f := strings.Fields(string(line))
		if len(f) > 9 && f[1] == local {
			return c.holder("socket:[" + f[9] + "]")
		}
	}
	return 0
}

func (c *cluster) holder(socket string) int {
	for _, n := range c.nodes {
		pid := n.pid()
		if pid == 0 {
			continue
		}
		files, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
		if err != nil {
			return 0
		}
		for _, file := range files {
			if at, err := os.Readlink(file); err == nil && at == socket {
				return pid
			}
		}
	}
	return 0
}
