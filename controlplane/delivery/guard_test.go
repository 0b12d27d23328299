package delivery

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

func guard(t testing.TB, rules GuardRules) *Guard {
	t.Helper()
	g, err := NewGuard(rules)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func prefixes(texts ...string) (all []netip.Prefix) {
	for _, s := range texts {
		all = append(all, netip.MustParsePrefix(s))
	}
	return all
}

// hostileHosts are what may stand in a URL to reach something inside. None of them
// is dialled here: the guard is asked, and the dialer's hook with the address that
// the host would come to.
var hostileHosts = []string{
	// IPv4, special ranges and their borders
	"0.0.0.0", "0.255.255.255", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.0.0.53",
	"127.255.255.255", "169.254.0.1", "169.254.169.254", "169.254.170.2", "172.16.0.1", "172.31.255.255", "192.0.0.1",
	"192.0.0.192", "192.0.2.1", "192.31.196.1", "192.52.193.1", "192.88.99.1", "192.168.0.1", "192.168.255.255",
	"192.175.48.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255",
	"240.0.0.1", "255.255.255.255",
	// clouds' metadata in public or openable ranges
	"168.63.129.16", "100.100.100.200", "[fd00:ec2::254]", "[fd20:ce::254]", "[fd00:42::42]",
	// IPv4 in other clothes: octal, hexadecimal, decimal, short, mixed, with a dot at the end
	"0177.0.0.1", "0177.0.0.01", "127.0.0.01", "00127.0.0.1", "0x7f.0.0.1", "0x7F000001", "0x7f.1", "2130706433", "017700000001",
	"127.1", "127.0.1", "0", "0x0", "1", "10.1", "192.168.1", "127.0.0.1.", "127.1.", "0xa9fea9fe", "2852039166", "0xa9.254.169.254",
	"169.254.43518", "256.0.0.1", "127.0.0.256", "4294967296", "127.0.0.0x1", "1.1.1.1.1", "0x", "foo.0x7f000001", "foo.1",
	// IPv6: unspecified, loopback, link-local with and without zone, unique local, site-local, multicast, discard
	"[::]", "[::1]", "[0:0:0:0:0:0:0:1]", "[0000:0000:0000:0000:0000:0000:0000:0001]", "[::1%25lo]", "[fe80::1]", "[fe80::1%25eth0]",
	"[2606:4700::1111%25eth0]", "[fc00::1]", "[fd12:3456::1]", "[fec0::1]", "[ff02::1]", "[ff0e::1]", "[100::1]", "[100:0:0:1::1]",
	// IPv4 within IPv6: mapped, compatible, translated, NAT64, 6to4, Teredo, ISATAP over link-local
	"[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:7f00:1]", "[::ffff:169.254.169.254]", "[::ffff:10.0.0.1]", "[::ffff:8.8.8.8]",
	"[::127.0.0.1]", "[::7f00:1]", "[::ffff:0:127.0.0.1]", "[64:ff9b::127.0.0.1]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::a9fe:a9fe]",
	"[2002:7f00:1::]", "[2002:a9fe:a9fe::1]", "[2002:c0a8:1::1]", "[2001:0:7f00:1::1]", "[2001::1]", "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
	"[fe80::5efe:7f00:1]", "[2001:db8::1]", "[2001:20::1]", "[2620:4f:8000::1]", "[3fff::1]", "[5f00::1]", "[4000::1]", "[::ffff:127.1]", "[127.0.0.1]",
	// names that only something inside answers for, and what is no name
	"localhost", "LOCALHOST", "foo.localhost", "metadata", "metadata.google.internal", "printer.local", "router.home.arpa", "x.onion",
	"localhost.", "shop.example.com.", "-shop.example.com", "shop-.example.com", "shop..example.com", ".example.com", "shop_1.example.com",
	"*.example.com", "ⓛocalhost.example", "１２７.0.0.1", "127。0。0。1", "shop.exämple", "%6cocalhost", strings.Repeat("a", 64) + ".example", strings.Repeat("a.", 127) + "aa",
	"[", "[]", "[::1", "::1", "[::1].example.com", "[localhost]", "[v1.x]",
}

func TestGuardRefusesHostileHosts(t *testing.T) {
	if len(hostileHosts) < 60 {
		t.Fatalf("%d forms", len(hostileHosts))
	}
	g := guard(t, GuardRules{})
	for _, host := range hostileHosts {
		t.Run(host, func(t *testing.T) {
			err := g.CheckURL("https://" + host + "/hook")
			var invalid *controlplane.Error
			if !errors.As(err, &invalid) || invalid.Code != controlplane.CodeInvalid || invalid.Fields[0].Field != "url" {
				t.Errorf("URL: got %v", err)
			}
			literal := strings.ReplaceAll(strings.Trim(host, "[]"), "%25", "%")
			a, err := netip.ParseAddr(literal)
			if err != nil {
				return
			}
			if err := g.CheckAddress(netip.AddrPortFrom(a, 443)); !errors.Is(err, errBlocked) {
				t.Errorf("address: got %v", err)
			}
			network := "tcp4"
			if a.Is6() {
				network = "tcp6"
			}
			if err := g.control(t.Context(), network, net.JoinHostPort(literal, "443"), nil); !errors.Is(err, errBlocked) {
				t.Errorf("dialling: got %v", err)
			}
		})
	}
}

func TestGuardRefusesURLs(t *testing.T) {
	g := guard(t, GuardRules{})
	for name, c := range map[string]struct{ url, want string }{
		"empty":                    {"", "such as https://"},
		"no scheme":                {"shop.example.com/hook", "such as https://"},
		"relative to a scheme":     {"//shop.example.com/hook", "begin with https://"},
		"no host":                  {"https:///hook", "such as https://"},
		"port only":                {"https://:443/hook", "host name"},
		"opaque":                   {"https:shop.example.com", "such as https://"},
		"http":                     {"http://shop.example.com/hook", "begin with https://"},
		"ftp":                      {"ftp://shop.example.com/hook", "begin with https://"},
		"javascript":               {"javascript:alert(1)", "such as https://"},
		"file":                     {"file:///etc/passwd", "such as https://"},
		"user":                     {"https://user@shop.example.com/", "user name"},
		"user and password":        {"https://user:pw@shop.example.com/", "user name"},
		"empty user":               {"https://@shop.example.com/", "user name"},
		"host that looks like one": {"https://shop.example.com:443@10.0.0.1/", "user name"},
		"backslash":                {`https://shop.example.com\@10.0.0.1/`, "such as https://"},
		"fragment":                 {"https://shop.example.com/#a", "fragment"},
		"empty fragment":           {"https://shop.example.com/#", "fragment"},
		"port 80":                  {"https://shop.example.com:80/", "allowed ports: 443"},
		"port 22":                  {"https://shop.example.com:22/", "allowed ports: 443"},
		"port 0":                   {"https://shop.example.com:0/", "allowed ports: 443"},
		"port past the last":       {"https://shop.example.com:65979/", "allowed ports: 443"}, // 443 + 65536
		"empty port":               {"https://shop.example.com:/", "allowed ports: 443"},
		"port in words":            {"https://shop.example.com:https/", "such as https://"},
		"space":                    {"https://shop.example.com/a b", "ASCII without spaces"},
		"space at the end":         {"https://shop.example.com/ ", "ASCII without spaces"},
		"line break":               {"https://shop.example.com/\r\nX: y", "ASCII without spaces"},
		"NUL":                      {"https://shop.example.com/\x00", "ASCII without spaces"},
		"other letters":            {"https://shöp.example.com/", "xn--"},
		"broken escape":            {"https://shop.example.com/%zz", "such as https://"},
		"too long":                 {"https://shop.example.com/" + strings.Repeat("a", maxURLBytes), "at most 2048 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			err := g.CheckURL(c.url)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestGuardAllowsPublicDestinations(t *testing.T) {
	g := guard(t, GuardRules{Ports: []uint16{443, 8443}})
	for _, url := range []string{
		"https://shop.example.com", "https://shop.example.com/hook?a=b&c=%20d", "HTTPS://Shop.Example.COM/", "https://shop.example.com:443/",
		"https://shop.example.com:8443/", "https://xn--bcher-kva.example/", "https://1.2.3.com/", "https://8.8.8.8/", "https://[2606:4700::1111]/",
		"https://[2606:4700::1111]:8443/", "https://a.co//double//slashes", "https://shop.example.com/hook;v=1",
	} {
		if err := g.CheckURL(url); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
	for _, a := range []string{"8.8.8.8:443", "11.0.0.1:8443", "172.32.0.1:443", "[2606:4700::1111]:443", "168.63.129.17:443"} {
		if err := g.CheckAddress(netip.MustParseAddrPort(a)); err != nil {
			t.Errorf("%s: %v", a, err)
		}
	}
}

func TestGuardHookTakesNothingButTCPToAnAddress(t *testing.T) {
	g := guard(t, GuardRules{})
	for _, c := range [][2]string{{"udp4", "8.8.8.8:443"}, {"tcp", "8.8.8.8:443"}, {"unix", "/run/x.sock"}, {"tcp4", "shop.example.com:443"}, {"tcp4", "8.8.8.8"}, {"tcp4", ""}, {"tcp4", "8.8.8.8:80"}} {
		if err := g.control(t.Context(), c[0], c[1], nil); !errors.Is(err, errBlocked) {
			t.Errorf("%v: got %v", c, err)
		}
	}
	if err := g.control(t.Context(), "tcp4", "8.8.8.8:443", nil); err != nil {
		t.Error(err)
	}
	if err := g.CheckAddress(netip.AddrPort{}); !errors.Is(err, errBlocked) {
		t.Errorf("no address: got %v", err)
	}
	if err := g.CheckAddress(netip.AddrPortFrom(netip.Addr{}, 443)); !errors.Is(err, errBlocked) {
		t.Errorf("no address: got %v", err)
	}
}

func TestGuardOpensRangesOnRequest(t *testing.T) {
	g := guard(t, GuardRules{Ports: []uint16{443, 9443}, PrivateRanges: prefixes("127.0.0.1/32", "10.1.0.0/16", "100.64.0.0/10", "fc00::/7")})
	for _, url := range []string{"https://127.0.0.1:9443/", "https://10.1.2.3/", "https://[fd00::7]/", "https://localhost/", "https://receiver/", "https://shop.internal/"} {
		if err := g.CheckURL(url); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
	for _, a := range []string{
		"127.0.0.2:443", "127.0.0.1:80", "10.2.0.1:443", "[::1]:443", "[::ffff:127.0.0.1]:443", "[::ffff:10.1.2.3]:443", "[fd00::7%eth0]:443",
		"169.254.169.254:443", "100.100.100.200:443", "[fd00:ec2::254]:443",
	} {
		if err := g.CheckAddress(netip.MustParseAddrPort(a)); !errors.Is(err, errBlocked) {
			t.Errorf("%s: got %v", a, err)
		}
	}
}

func TestGuardKeepsRangesShut(t *testing.T) {
	for _, p := range []string{"0.0.0.0/0", "8.8.8.0/24", "10.0.0.0/7", "126.0.0.0/7", "169.254.0.0/16", "169.254.169.254/32", "192.168.0.0/15", "::/0", "fe80::/10", "64:ff9b::/96", "::ffff:10.0.0.0/104", "::ffff:0:0/96", "2001:db8::/32", "0.0.0.0/32"} {
		if _, err := NewGuard(GuardRules{PrivateRanges: prefixes(p)}); err == nil || !strings.Contains(err.Error(), netip.MustParsePrefix(p).String()) {
			t.Errorf("%s: got %v", p, err)
		}
	}
	if _, err := NewGuard(GuardRules{PrivateRanges: []netip.Prefix{{}}}); err == nil {
		t.Error("an invalid range was accepted")
	}
	if _, err := NewGuard(GuardRules{Ports: []uint16{443, 0}}); err == nil {
		t.Error("port 0 was accepted")
	}
}

func TestGuardNeverSendsToItself(t *testing.T) {
	rules := GuardRules{
		Ports:         []uint16{443, 2019, 9443},
		PrivateRanges: prefixes("127.0.0.0/8", "::1/128", "10.0.0.0/8"),
		Own:           []netip.AddrPort{netip.MustParseAddrPort("[::]:443"), netip.MustParseAddrPort("127.0.0.1:2019"), netip.MustParseAddrPort("[::ffff:10.0.0.5]:9443")},
		LocalAddresses: func() ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("10.0.0.5"), netip.MustParseAddr("8.8.4.4")}, nil
		},
	}
	g := guard(t, rules)
	for a, free := range map[string]bool{
		"127.0.0.1:443": false, "127.9.9.9:443": false, "[::1]:443": false, "10.0.0.5:443": false, "8.8.4.4:443": false,
		"127.0.0.1:2019": false, "10.0.0.5:9443": false,
		"10.0.0.6:443": true, "8.8.8.8:443": true, "127.0.0.2:2019": true, "127.0.0.1:9443": true,
	} {
		if err := g.CheckAddress(netip.MustParseAddrPort(a)); (err == nil) != free {
			t.Errorf("%s: got %v", a, err)
		}
	}
	rules.LocalAddresses = func() ([]netip.Addr, error) { return nil, errors.New("no permission") }
	if err := guard(t, rules).CheckAddress(netip.MustParseAddrPort("8.8.8.8:443")); !errors.Is(err, errBlocked) {
		t.Errorf("without a list of its own addresses: got %v", err)
	}
}

func TestInterfaceAddresses(t *testing.T) {
	all, err := interfaceAddresses()
	if err != nil || len(all) == 0 {
		t.Fatalf("got %v, %v", all, err)
	}
	for _, a := range all {
		if !a.IsValid() || a.Is4In6() {
			t.Errorf("%s cannot be compared", a)
		}
	}
}

// Whatever is accepted is parsed once more by the client that sends: both must see
// one host, one port, and nothing else.
func FuzzCheckURL(f *testing.F) {
	for _, host := range hostileHosts {
		f.Add("https://" + host + "/hook")
	}
	for _, s := range []string{"https://shop.example.com/hook?x=y", "https://8.8.8.8:443/", "https://[2606:4700::1111]/", "https://a.b\\@c.d/", "https://a:b@c.d/#e", "//x.y", ""} {
		f.Add(s)
	}
	g, err := NewGuard(GuardRules{Ports: []uint16{443, 8443}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := g.destination(raw)
		if (err == nil) != (g.CheckURL(raw) == nil) {
			t.Fatal("saving and sending do not agree")
		}
		if err != nil {
			if !strings.HasPrefix(urlProblem(err), "the URL must") {
				t.Errorf("no reason: %v", err)
			}
			return
		}
		if u.Scheme != "https" || u.User != nil || u.Fragment != "" || u.Opaque != "" || len(raw) > maxURLBytes {
			t.Errorf("accepted %q", raw)
		}
		again, err := g.destination(u.String())
		if err != nil || again.Host != u.Host {
			t.Errorf("%q reads as %q, then as %v, %v", raw, u.Host, again, err)
		}
		if a, err := netip.ParseAddr(u.Hostname()); err == nil {
			if g.CheckAddress(netip.AddrPortFrom(a, 443)) != nil {
				t.Errorf("accepted %q", raw)
			}
		} else if net.ParseIP(u.Hostname()) != nil || !strings.Contains(u.Hostname(), ".") {
			t.Errorf("accepted %q", raw)
		}
	})
}
