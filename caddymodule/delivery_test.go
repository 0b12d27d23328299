package caddymodule

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

func TestAnEventReachesTheMerchant(t *testing.T) {
	s, r := startEvents(t)
	token, m := s.serviceToken(), s.newMerchant()
	e := s.endpoint(m, r.server.URL+"/hook")
	a := s.do(s.event(token, "dep-1", m, `{ "id": "dep_1", "note": "ฝากเงิน" }`))
	var taken struct{ ID string }
	if err := json.Unmarshal([]byte(a.body), &taken); err != nil {
		t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
	if a.status != http.StatusAccepted || taken.ID == "" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	got := r.wait(t)
	if id := got.header.Get("Webhook-Id"); id != taken.ID {
		t.Errorf("webhook-id %q, want %q", id, taken.ID)
	}
	if !strings.HasSuffix(got.body, `"environment":"test","data":{"id":"dep_1","note":"ฝากเงิน"}}`) {
		t.Errorf("body %s", got.body)
	}
	wantSigned(t, got, e.Secret)
}

// TestReloadsNeitherLoseNorRepeatWebhooks reloads while events come in: one engine
// delivers all the while, by the settings of whichever configuration is in force.
func TestReloadsNeitherLoseNorRepeatWebhooks(t *testing.T) {
	s, r := startEvents(t)
	token, m := s.serviceToken(), s.newMerchant()
	s.endpoint(m, r.server.URL)
	const events = 60
	taken := map[string]int{}
	var sending sync.WaitGroup
	sending.Go(func() {
		for i := range events {
			a, err := patiently(s.client(), func() *http.Request { return s.event(token, fmt.Sprint("dep-", i), m, "{}") })
			if err != nil || a.status != http.StatusAccepted {
				t.Errorf("%v, %d %s", err, a.status, a.body)
			}
			taken[eventID(t, a)]++
		}
	})
	block := s.merchants
	for i := range 12 {
		s.merchants = strings.Replace(block, "delivery {", fmt.Sprintf("delivery {\nworkers %d", 10+i), 1)
		if i%4 == 3 {
			s.merchants += "\nreplay memory " + s.path("cert.pem")
		}
		if err := s.load(); (err != nil) != (i%4 == 3) {
			t.Errorf("the %d. reload: %v", i+1, err)
		}
	}
	sending.Wait()
	for range events {
		taken[r.wait(t).header.Get("Webhook-Id")]++
	}
	for id, times := range taken {
		if times != 2 {
			t.Errorf("event %s was answered and delivered %d times together, want 2", id, times)
		}
	}
	if len(taken) != events {
		t.Errorf("%d events, want %d", len(taken), events)
	}
	eventually(t, "every attempt is counted", func() bool {
		return s.counter(t, "caddy_merchants_webhook_attempts_total", `outcome="2xx"`) == events
	})
}

func eventID(t testing.TB, a answer) string {
	t.Helper()
	var taken struct{ ID string }
	if err := json.Unmarshal([]byte(a.body), &taken); err != nil {
		t.Errorf("%d %s: %v", a.status, a.body, err)
	}
	return taken.ID
}

func TestEventsWaitForAConfigurationThatDelivers(t *testing.T) {
	s, r := startEvents(t)
	token, m := s.serviceToken(), s.newMerchant()
	s.endpoint(m, r.server.URL)
	block := s.merchants
	s.merchants = ""
	check(t, s.load())
	s.wantAnswer(t, s.do(s.event(token, "a", m, "{}")), 202)
	if n := s.counter(t, "caddy_merchants_webhook_deliveries", `state="pending"`); n != 1 {
		t.Errorf("%v deliveries are pending", n)
	}
	if n := s.counter(t, "caddy_merchants_webhook_oldest_pending_seconds"); n <= 0 || n > 60 {
		t.Errorf("the oldest is %v s old", n)
	}
	if n := s.counter(t, "caddy_merchants_database_wal_bytes"); n <= 0 && !s.node().db.Shared() {
		t.Errorf("the log has %v bytes", n)
	}
	_, err := s.node().service.CreateEndpoint(t.Context(), operator, controlplane.CreateEndpoint{MerchantID: m, Environment: controlplane.Live, URL: r.server.URL})
	if controlplane.CodeOf(err) != controlplane.CodeUnavailable {
		t.Errorf("an endpoint was saved: %v", err)
	}
	s.merchants = block
	check(t, s.load())
	r.wait(t)
}

// TestARejectedConfigurationLeavesTheDeliveryAsItIs: with its settings the receiver
// could not be reached.
func TestARejectedConfigurationLeavesTheDeliveryAsItIs(t *testing.T) {
	s, r := startEvents(t)
	token, m := s.serviceToken(), s.newMerchant()
	s.endpoint(m, r.server.URL)
	block := s.merchants
	for i, wrong := range []string{
		"delivery\nreplay memory " + s.path("cert.pem"),
		"replay memory " + s.path("cert.pem"),
		"delivery {\ntrusted_ca_certs " + s.path("log.json") + "\n}",
		"delivery {\ntrusted_ca_certs " + s.path("nowhere.pem") + "\n}",
		"delivery {\nallowed_private_ranges 192.0.2.0/24\n}",
		"delivery {\nmemory 1KiB\n}",
	} {
		s.merchants = wrong
		if err := s.load(); err == nil {
			t.Errorf("%s was accepted", wrong)
		}
		// A listener that cannot be had: the merchants app starts before or after.
		s.merchants, s.before, s.routes = "delivery", "bind 192.0.2.1", ""
		if err := s.load(); err == nil {
			t.Error("an address of nobody was bound")
		}
		s.merchants, s.before, s.routes = block, "", "merchant_events"
		s.wantAnswer(t, s.do(s.event(token, fmt.Sprint(i), m, "{}")), 202)
		r.wait(t)
	}
}

func TestAStopLetsAttemptsEnd(t *testing.T) {
	s, r := startEvents(t)
	token, m := s.serviceToken(), s.newMerchant()
	s.endpoint(m, r.server.URL)
	r.hold = make(chan struct{})
	s.wantAnswer(t, s.do(s.event(token, "a", m, "{}")), 202)
	first := r.wait(t) // it has arrived, and is not answered
	data, stopped := s.app().data, make(chan struct{})
	go func() {
		s.stop()
		close(stopped)
	}()
	eventually(t, "the engine is being stopped", func() bool { return data.delivering.newest() == nil })
	close(r.hold)
	<-stopped
	check(t, s.load())
	s.wantAnswer(t, s.do(s.event(token, "b", m, "{}")), 202)
	if again := r.wait(t); again.header.Get("Webhook-Id") == first.header.Get("Webhook-Id") {
		t.Error("it was sent again after a stop that waited for it")
	}
	eventually(t, "nothing is on its way", func() bool { return s.counter(t, "caddy_merchants_webhook_deliveries") == 0 })
}

// TestThisServersOwnPortsAreNoDestination, not even within ranges that are allowed.
func TestThisServersOwnPortsAreNoDestination(t *testing.T) {
	s, _ := startEvents(t)
	m := s.newMerchant()
	s.merchants = "delivery {\nallowed_ports 443 " + port(s.secure) + " " + port(s.plain) + "\nallowed_private_ranges 127.0.0.0/8\n}"
	check(t, s.load())
	for _, url := range []string{"https://" + s.secure, "https://" + s.plain + "/v1/events", "https://[::ffff:127.0.0.1]:" + port(s.secure)} {
		_, err := s.node().service.CreateEndpoint(t.Context(), operator, controlplane.CreateEndpoint{MerchantID: m, Environment: controlplane.Test, URL: url})
		if controlplane.CodeOf(err) != controlplane.CodeInvalid {
			t.Errorf("%s was saved: %v", url, err)
		}
	}
}

func TestListenersAsAddresses(t *testing.T) {
	for text, want := range map[string]string{
		":8443":                  "[[::]:8443]",
		"127.0.0.1:8443":         "[127.0.0.1:8443]",
		"udp/[::1]:8443":         "[[::1]:8443]",
		"[fe80::1%eth0]:8443":    "[[fe80::1]:8443]",
		"localhost:2019":         "[[::]:2019]",
		"tcp/0.0.0.0:8001-8003":  "[0.0.0.0:8001 0.0.0.0:8002 0.0.0.0:8003]",
		"unix//run/caddy/a.sock": "[]",
		"fd/3":                   "[]",
		"127.0.0.1:99999":        "error",
	} {
		got, err := listenerAddresses(text)
		if text := fmt.Sprint(got); err == nil && text != want || (err != nil) != (want == "error") {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

// TestTheAdminAddressIsFound holds the look at Caddy's unexported field to its
// version.
func TestTheAdminAddressIsFound(t *testing.T) {
	for _, c := range []struct {
		admin *caddy.AdminConfig
		want  string
	}{
		{nil, "[" + caddy.DefaultAdminListen + "]"},
		{&caddy.AdminConfig{}, "[" + caddy.DefaultAdminListen + "]"},
		{&caddy.AdminConfig{Listen: "127.0.0.1:2020"}, "[127.0.0.1:2020]"},
		{&caddy.AdminConfig{Disabled: true, Remote: &caddy.RemoteAdmin{}}, "[" + caddy.DefaultRemoteAdminListen + "]"},
		{&caddy.AdminConfig{Disabled: true}, "[]"},
	} {
		ctx, err := caddy.ProvisionContext(&caddy.Config{Admin: c.admin})
		check(t, err)
		if got := fmt.Sprint(adminListeners(ctx)); got != c.want {
			t.Errorf("%+v: %s, want %s", c.admin, got, c.want)
		}
	}
	if got := fmt.Sprint(adminListeners(caddy.Context{})); got != "["+caddy.DefaultAdminListen+"]" {
		t.Errorf("without a configuration: %s", got)
	}
}
