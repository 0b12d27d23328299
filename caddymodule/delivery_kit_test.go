package caddymodule

import (
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/delivery"
)

// receiver is a merchant's server with a certificate of its own.
type receiver struct {
	server  *httptest.Server
	status  atomic.Int64
	arrived chan arrival
	// hold, if set, is what every answer waits for.
	hold chan struct{}
	// forward has handlers that answer in its place, by path.
	forward sync.Map
}

type arrival struct {
	header http.Header
	body   string
}

func startReceiverServer(s *site) *receiver {
	r := &receiver{arrived: make(chan arrival, 100)}
	r.status.Store(http.StatusNoContent)
	r.server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if handler, ok := r.forward.Load(q.URL.Path); ok {
			handler.(http.Handler).ServeHTTP(w, q)
			return
		}
		body, err := io.ReadAll(q.Body)
		if err != nil {
			s.t.Error(err)
		}
		r.arrived <- arrival{q.Header, string(body)}
		if r.hold != nil {
			<-r.hold
		}
		w.WriteHeader(int(r.status.Load()))
	}))
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.server.Certificate().Raw})
	check(s.t, os.WriteFile(s.path("receiver.pem"), certificate, 0o600))
	return r
}

// wait returns the next webhook.
func (r *receiver) wait(t testing.TB) arrival {
	t.Helper()
	select {
	case a := <-r.arrived:
		return a
	case <-time.After(20 * time.Second):
		t.Fatal("no webhook came")
		return arrival{}
	}
}

// startEvents is a site that takes events in and delivers them to a receiver.
func startEvents(t testing.TB, change ...func(*site)) (*site, *receiver) {
	t.Helper()
	var r *receiver
	s := startSite(t, append([]func(*site){func(s *site) {
		r = startReceiverServer(s)
		s.merchants = r.deliveryBlock(s)
		s.routes = "merchant_events"
	}}, change...)...)
	t.Cleanup(r.server.Close)
	return s, r
}

func (r *receiver) deliveryBlock(s *site) string {
	return fmt.Sprintf("delivery {\nallowed_ports %s\nallowed_private_ranges 127.0.0.0/8\ntrusted_ca_certs %s\n}", port(r.server.Listener.Addr().String()), s.path("receiver.pem"))
}

func (s *site) serviceToken() string {
	s.t.Helper()
	issued, err := s.node().service.IssueServiceToken(context.Background(), operator, controlplane.IssueServiceToken{Name: "payments"})
	check(s.t, err)
	return issued.Secret.Reveal()
}

func (s *site) endpoint(merchantID, url string) controlplane.CreatedEndpoint {
	s.t.Helper()
	made, err := s.node().service.CreateEndpoint(context.Background(), operator, controlplane.CreateEndpoint{MerchantID: merchantID, Environment: controlplane.Test, URL: url})
	check(s.t, err)
	return made
}

func (s *site) newMerchant() string {
	s.t.Helper()
	m, err := s.node().service.CreateMerchant(context.Background(), operator, controlplane.CreateMerchant{Name: "Blue Bottle Books"})
	check(s.t, err)
	return m.ID
}

// event is a request with one event.
func (s *site) event(token, key, merchantID, data string) *http.Request {
	return s.events(token, key, fmt.Sprintf(`{"merchant_id":%q,"environment":"test","type":"deposit.success","data":%s}`, merchantID, data))
}

func (s *site) events(token, key, body string) *http.Request {
	s.t.Helper()
	r, err := http.NewRequest("POST", "http://"+s.plain+"/v1/events", strings.NewReader(body))
	check(s.t, err)
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	return r
}

// wantSigned holds a webhook against the secret, by the sender's own function.
func wantSigned(t testing.TB, a arrival, secret controlplane.Secret) {
	t.Helper()
	at, err := strconv.ParseInt(a.header.Get("Webhook-Timestamp"), 10, 64)
	check(t, err)
	want, err := delivery.Sign([]controlplane.Secret{secret}, a.header.Get("Webhook-Id"), time.Unix(at, 0), []byte(a.body))
	check(t, err)
	if got := a.header.Get("Webhook-Signature"); got != want {
		t.Errorf("signature %q, want %q", got, want)
	}
}

// eventually waits for what another goroutine does.
func eventually(t testing.TB, what string, happened func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if happened() {
			return
		}
	}
	t.Fatalf("waited in vain: %s", what)
}
