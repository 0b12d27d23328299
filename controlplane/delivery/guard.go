package delivery

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"

	"code.dny.dev/ssrf"
)

// errBlocked says nothing of the address: whoever chose the name learns that it
// leads where it must not, and not what is there.
var errBlocked = errors.New("the address is one that events are never sent to")

// neverDialled are addresses at which clouds hand out machines' credentials, and
// which lie in public ranges or in ranges that an operator may open. Those that
// are link-local need no mention: nothing opens that range.
var neverDialled = []netip.Addr{
	netip.MustParseAddr("168.63.129.16"),   // Azure
	netip.MustParseAddr("100.100.100.200"), // Alibaba Cloud
	netip.MustParseAddr("fd00:ec2::254"),   // AWS
	netip.MustParseAddr("fd20:ce::254"),    // Google Cloud
	netip.MustParseAddr("fd00:42::42"),     // Scaleway
}

// openableRanges are those in which a server of one's own can stand.
var openableRanges = []netip.Prefix{
	netip.MustParsePrefix("127.0.0.0/8"),
	netip.MustParsePrefix("10.0.0.0/8"), // RFC 1918
	netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("100.64.0.0/10"), // RFC 6598
	netip.MustParsePrefix("::1/128"),
	netip.MustParsePrefix("fc00::/7"), // RFC 4193
}

// GuardRules is what an operator decides about destinations. The zero value allows
// port 443 of public addresses.
type GuardRules struct {
	// Ports that URLs may name; none means 443.
	Ports []uint16
	// PrivateRanges are those in which an operator's own receivers stand. They have
	// to be loopback, RFC 1918, RFC 6598 or unique local ranges; nothing else that
	// is not public can be opened.
	PrivateRanges []netip.Prefix
	// Own is where this server listens, its admin API among it: never sent to, also
	// within PrivateRanges. The unspecified address is every address of the machine.
	Own []netip.AddrPort
	// LocalAddresses lists the machine's addresses, which may change; nil asks the
	// operating system each time.
	LocalAddresses func() ([]netip.Addr, error)
}

// Guard decides where events may be sent. Saving a URL, trying it and delivering
// to it ask the same one. It is safe for concurrent use.
type Guard struct {
	ports   []uint16
	private []netip.Prefix
	own     []netip.AddrPort
	local   func() ([]netip.Addr, error)
	public  *ssrf.Guardian
}

// NewGuard returns a guard for the rules, or an error that names the range which
// cannot be opened.
func NewGuard(rules GuardRules) (*Guard, error) {
	g := &Guard{ports: slices.Clone(rules.Ports), local: rules.LocalAddresses}
	if len(g.ports) == 0 {
		g.ports = []uint16{443}
	}
	if slices.Contains(g.ports, 0) {
		return nil, errors.New("port 0 cannot be allowed: it is no port")
	}
	for _, p := range rules.PrivateRanges {
		if !openable(p) {
			return nil, fmt.Errorf("range %s cannot be allowed: only ranges within %v can", p, openableRanges)
		}
		g.private = append(g.private, p.Masked())
	}
	for _, a := range rules.Own {
		g.own = append(g.own, netip.AddrPortFrom(a.Addr().Unmap(), a.Port()))
	}
	if g.local == nil {
		g.local = interfaceAddresses
	}
	g.public = ssrf.New(ssrf.WithPorts(g.ports...))
	return g, nil
}

// CheckAddress is nil for an address that may be dialled. The error does not say
// what is wrong with it.
func (g *Guard) CheckAddress(a netip.AddrPort) error {
	if slices.Contains(neverDialled, a.Addr()) || g.isOwn(a) || !slices.Contains(g.ports, a.Port()) {
		return errBlocked
	}
	if slices.ContainsFunc(g.private, func(p netip.Prefix) bool { return p.Contains(a.Addr()) }) {
		return nil
	}
	if !a.IsValid() || g.public.SafeAddrPort(a) != nil {
		return errBlocked
	}
	return nil
}

// control is the dialer's hook between socket and connect: what it is told is the
// address that the next system call dials, whatever a name resolved to before.
func (g *Guard) control(_ context.Context, network, address string, _ syscall.RawConn) error {
	a, err := netip.ParseAddrPort(address)
	if err != nil || network != "tcp4" && network != "tcp6" {
		return errBlocked
	}
	return g.CheckAddress(a)
}

// isOwn fails closed: an address that cannot be told from the machine's own is
// taken for one.
func (g *Guard) isOwn(a netip.AddrPort) bool {
	return slices.ContainsFunc(g.own, func(own netip.AddrPort) bool {
		if own.Port() != a.Port() {
			return false
		}
		if !own.Addr().IsUnspecified() {
			return own.Addr() == a.Addr()
		}
		if a.Addr().IsLoopback() || a.Addr().IsUnspecified() {
			return true
		}
		addresses, err := g.local()
		return err != nil || slices.Contains(addresses, a.Addr())
	})
}

func interfaceAddresses() ([]netip.Addr, error) {
	nets, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("list this machine's addresses: %w", err)
	}
	var all []netip.Addr
	for _, n := range nets {
		if p, err := netip.ParsePrefix(n.String()); err == nil {
			all = append(all, p.Addr().Unmap())
		}
	}
	return all, nil
}

func openable(p netip.Prefix) bool {
	return slices.ContainsFunc(openableRanges, func(r netip.Prefix) bool {
		return p.IsValid() && r.Bits() <= p.Bits() && r.Contains(p.Addr())
	})
}
