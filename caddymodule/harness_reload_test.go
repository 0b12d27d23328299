package caddymodule

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// oneServer waits until nobody but the running configuration listens on the site's
// ports. A reload returns while the server before it, on a socket of its own
// (SO_REUSEPORT), may still take connections, which it then drops.
func (s *site) oneServer() {
	s.t.Helper()
	for range 1000 {
		if listeners(s.t, s.plain) <= 1 && listeners(s.t, s.secure) <= 1 {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	s.t.Errorf("after 5 s two servers still listen on %s or %s", s.plain, s.secure)
}

// listeners counts the sockets that listen on a port of IPv4, as the kernel lists them
// (proc(5), /proc/net/tcp: local address in the second field, state in the fourth).
func listeners(t testing.TB, address string) (n int) {
	t.Helper()
	number, err := strconv.Atoi(port(address))
	check(t, err)
	table, err := os.Open("/proc/net/tcp")
	check(t, err)
	defer table.Close()
	for lines := bufio.NewScanner(table); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) > 3 && strings.HasSuffix(fields[1], fmt.Sprintf(":%04X", number)) && fields[3] == "0A" {
			n++
		}
	}
	return n
}

func TestAfterAReloadNewConnectionsAreServed(t *testing.T) {
	s := startSite(t)
	m := s.merchant(controlplane.Test, "127.0.0.1")
	for range 40 {
		check(t, s.load())
		for range 8 {
			if a, err := send(s.client(), s.request(m, "POST", "/pay", "x")); err != nil || a.status != 200 {
				t.Fatalf("%v, %d %s", err, a.status, a.body)
			}
		}
	}
}
