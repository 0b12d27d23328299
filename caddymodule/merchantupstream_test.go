package caddymodule

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

// transportVariable names the transport of every reverse_proxy of a site, if it is
// not to be Caddy's own.
const transportVariable = "GATEWAY_TEST_TRANSPORT"

var proxies = regexp.MustCompile(`(?m)(\breverse_proxy [^\n{]*[^\n{ ]) ?(\{?)$`)

func withTransport(config string) string {
	name := os.Getenv(transportVariable)
	if name == "" {
		return config
	}
	return proxies.ReplaceAllStringFunc(config, func(line string) string {
		parts := proxies.FindStringSubmatch(line)
		end := "\n}"
		if parts[2] != "" {
			end = ""
		}
		return parts[1] + " {\ntransport " + name + end
	})
}

// TestTheGatewayOnItsOwnTransport runs what concerns the way to the upstream once
// more.
func TestTheGatewayOnItsOwnTransport(t *testing.T) {
	t.Setenv(transportVariable, "merchant_upstream")
	for _, test := range []func(*testing.T){
		TestSignedRequestPasses, TestEveryCodeOfUNK1, TestHeaderAbuseNeverBypasses, TestNoHeaderMovesTheClientAddress,
		TestEveryMerchantsBodyArrives, TestBodiesOfAllSizesAndFramingsArrive, TestBodiesThatDoNotFitTheBudgetAreRefused,
		TestSlowBodiesTimeOutOverEveryProtocol, TestABodyThatBreaksOffIsNobodysRequest,
		TestReloadsUnderLoad, TestARequestInFlightOutlivesTheReload, TestAnotherDatabaseTakesOverByReload,
		TestTheSignatureIsThatOfTheRequestAsItCame, TestReverseProxyRetriesWithTheWholeBody, TestAStaleConnectionToTheUpstreamIsReplaced,
		TestOneHTTP2ConnectionCarriesManyMerchants, TestRequestsWithoutABodyPassOverEveryProtocol,
		TestReportOnlyLetsThroughWithoutIdentity, TestRFC9421ThroughTheGateway, TestOnlyOneOfManyCopiesPasses,
		TestAccessLogAndPlaceholdersCarryTheDecision,
	} {
		name := runtime.FuncForPC(reflect.ValueOf(test).Pointer()).Name()
		t.Run(name[strings.LastIndex(name, ".")+1:], test)
	}
}

// merchantUpstream is a change of a site: it has the transport, with options.
func merchantUpstream(lines string) func(*site) {
	return func(s *site) {
		s.routes = "merchant_auth\nreverse_proxy " + s.upstream.address + " {\ntransport merchant_upstream {\n" + lines + "\n}\n}"
	}
}

func TestAnAnswerStreamsThroughMerchantUpstream(t *testing.T) {
	s := startSite(t, merchantUpstream(""))
	next := make(chan struct{})
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		w.WriteHeader(http.StatusEarlyHints)
		for i := range 3 {
			_, _ = fmt.Fprintf(w, "part %d\n", i) // the client looks for it
			_ = http.NewResponseController(w).Flush()
			<-next
		}
		w.Header().Set("X-Sum", "3")
	})
	s.upstream.answer.Store(&handler)
	client := s.client()
	res, err := client.Do(s.request(s.merchant("live", "127.0.0.1"), "GET", "/", ""))
	check(t, err)
	defer res.Body.Close()
	lines := bufio.NewReader(res.Body)
	for i := range 3 { // each is read before the next is written
		if line, err := lines.ReadString('\n'); err != nil || line != fmt.Sprintf("part %d\n", i) {
			t.Errorf("read %q, %v", line, err)
		}
		next <- struct{}{}
	}
	if _, err := io.ReadAll(lines); err != nil || res.Trailer.Get("X-Sum") != "3" {
		t.Errorf("%v, trailers %v", err, res.Trailer)
	}
}

func TestAClientThatGoesEndsTheUpstreamsWork(t *testing.T) {
	s := startSite(t, merchantUpstream(""))
	begun, ended := make(chan struct{}), make(chan struct{})
	handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(begun)
		<-r.Context().Done() // its connection was closed
		close(ended)
	})
	s.upstream.answer.Store(&handler)
	r := s.signedRaw(s.merchant("live", "127.0.0.1"), "http", "gateway.test:"+port(s.plain))
	c, err := net.Dial("tcp", s.plain)
	check(t, err)
	_, err = io.WriteString(c, r.text())
	check(t, err)
	<-begun
	check(t, c.Close())
	<-ended
}

func TestAnUpstreamThatDoesNotAnswerIsA504(t *testing.T) {
	s := startSite(t, merchantUpstream("response_header_timeout 50ms"))
	handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	s.upstream.answer.Store(&handler)
	if a := s.do(s.request(s.merchant("live", "127.0.0.1"), "POST", "/", "x")); a.status != http.StatusGatewayTimeout {
		t.Errorf("answer %d", a.status)
	}
}

func TestAnUpstreamWithALongHeadIsA502(t *testing.T) {
	s := startSite(t, merchantUpstream("max_response_header 4KiB"))
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Long", strings.Repeat("x", 5000)) })
	s.upstream.answer.Store(&handler)
	if a := s.do(s.request(s.merchant("live", "127.0.0.1"), "GET", "/", "")); a.status != http.StatusBadGateway {
		t.Errorf("answer %d", a.status)
	}
}

// TestHealthChecksGoThroughMerchantUpstream: Caddy's active checks use the transport
// with requests that no handler prepared.
func TestHealthChecksGoThroughMerchantUpstream(t *testing.T) {
	s := startSite(t, func(s *site) {
		s.routes = "reverse_proxy " + s.upstream.address + " {\nhealth_uri /health\nhealth_interval 10ms\ntransport merchant_upstream\n}"
	})
	for seen := s.upstream.take(); len(seen) == 0 || seen[0].target != "/health"; seen = s.upstream.take() {
		runtime.Gosched()
	}
}

func TestMerchantUpstreamRefusesNegativeLimits(t *testing.T) {
	for _, m := range []*MerchantUpstream{{DialTimeout: -1}, {MaxResponseHeader: -1}, {KeepAliveConns: -1}} {
		if err := m.Provision(caddy.Context{}); err == nil {
			t.Errorf("%+v was taken", m)
		}
	}
}
