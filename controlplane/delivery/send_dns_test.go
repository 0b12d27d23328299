package delivery

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

func withResolver(next func(string) []netip.Addr) func(*SenderConfig, *GuardRules) {
	return func(c *SenderConfig, _ *GuardRules) { c.Resolver = resolver(next) }
}

var (
	allowed = netip.MustParseAddr("127.0.0.1")
	// inside is what stands for the operator's network: an address on loopback that
	// is not opened.
	inside = netip.MustParseAddr("127.0.0.2")
)

// listenInside counts the connections to inside, on the receiver's port.
func listenInside(t *testing.T, r *receiver) *receiver {
	t.Helper()
	l, err := net.Listen("tcp", netip.AddrPortFrom(inside, r.address.Port()).String())
	if err != nil {
		t.Fatal(err)
	}
	in := &receiver{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			in.connections.Add(1)
			conn.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return in
}

// A name that leads to an allowed address while it is saved, tried or checked, and
// inside a moment later: the check is on what is dialled.
func TestSendIsNotRebound(t *testing.T) {
	r := serve(t, func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Connection", "close") // so that each attempt looks the name up
		ok(w, req)
	}, nil)
	in := listenInside(t, r)
	var mu sync.Mutex
	asked := 0
	s := sender(t, r, withResolver(func(name string) []netip.Addr {
		mu.Lock()
		defer mu.Unlock()
		if name != "hook.example." {
			t.Errorf("asked for %q: the name was tried within a search domain", name)
		}
		if asked++; asked%2 == 1 {
			return []netip.Addr{allowed}
		}
		return []netip.Addr{inside}
	}))
	for n := range 6 {
		res := s.Send(t.Context(), testRequest(r.named("hook.example")))
		if n%2 == 0 {
			if res.Fault != "" || res.Phases.DNS <= 0 || res.Address != r.address {
				t.Errorf("attempt %d: got %+v", n, res)
			}
			continue
		}
		if res.Fault != controlplane.FaultBlocked || res.Address != (netip.AddrPort{}) || strings.Contains(res.Detail, "127.") || res.RequestHeader != nil {
			t.Errorf("attempt %d: got %+v", n, res)
		}
	}
	if n := in.connections.Load(); n != 0 {
		t.Errorf("%d connections went inside", n)
	}
}

func TestSendDialsTheAllowedOneOfSeveralAddresses(t *testing.T) {
	r := serve(t, ok, nil)
	in := listenInside(t, r)
	s := sender(t, r, withResolver(func(string) []netip.Addr { return []netip.Addr{inside, allowed} }))
	if res := s.Send(t.Context(), testRequest(r.named("hook.example"))); res.Fault != "" || res.Address != r.address {
		t.Errorf("got %+v", res)
	}
	if n := in.connections.Load(); n != 0 {
		t.Errorf("%d connections went inside", n)
	}
}

func TestSendNamesWhatIsWrongWithDNS(t *testing.T) {
	verifyNoLeak(t)
	over, end := context.WithCancel(t.Context())
	defer end()
	for name, c := range map[string]struct {
		resolver *net.Resolver
		want     string
	}{
		"no such name": {resolver(func(string) []netip.Addr { return nil }), "the name hook.example does not exist"},
		"no address":   {resolver(func(string) []netip.Addr { return []netip.Addr{} }), "the name hook.example does not exist"},
		"no answer": {&net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
			client, server := net.Pipe()
			// The resolver goes on asking when nobody waits any more.
			context.AfterFunc(over, func() { server.Close() })
			go hang(server)
			return client, nil
		}}, "did not answer in time"},
		"no name server": {&net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
			return nil, errors.New("10.9.8.7: not now")
		}}, "answered with an error"},
	} {
		t.Run(name, func(t *testing.T) {
			r := &receiver{authority: newAuthority(t), address: netip.MustParseAddrPort("127.0.0.1:443")}
			res := sender(t, r, func(config *SenderConfig, rules *GuardRules) {
				impatient(config, rules)
				config.Resolver = c.resolver
			}).Send(t.Context(), testRequest(r.named("hook.example")))
			if res.Fault != controlplane.FaultDNS || !strings.Contains(res.Detail, c.want) || res.Address != (netip.AddrPort{}) {
				t.Errorf("got %+v, want %q", res, c.want)
			}
		})
	}
}

func TestRooted(t *testing.T) {
	for from, want := range map[string]string{
		"shop.example:443": "shop.example.:443", "127.0.0.1:443": "127.0.0.1:443", "[2606:4700::1111]:443": "[2606:4700::1111]:443", "no port": "no port",
	} {
		if got := rooted(from); got != want {
			t.Errorf("%s becomes %s, want %s", from, got, want)
		}
	}
}
