package controlplane

import (
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Limits of an allowlist.
const (
	// MaxAllowlistEntries per merchant.
	MaxAllowlistEntries = 100
	// Prefixes shorter than these cover more of the Internet than any merchant
	// sends from.
	minPrefixIPv4 = 8
	minPrefixIPv6 = 16
)

// AllowlistEntry lets one range of addresses use a merchant's keys.
type AllowlistEntry struct {
	ID         string `json:"id"`
	MerchantID string `json:"merchant_id"`
	// Row is the short number by which gateways report matches.
	Row         int64        `json:"-"`
	Prefix      netip.Prefix `json:"cidr"`
	Note        string       `json:"note"`
	CreatedAt   time.Time    `json:"created_at"`
	CreatedBy   string       `json:"created_by"`
	LastMatchAt time.Time    `json:"last_match_at,omitzero"`
}

// ParseAllowlistCIDR reads an IP address or a CIDR as people write them. The
// returned prefix is canonical: masked, without a zone, IPv4-mapped IPv6 turned
// into IPv4. Errors are [CodeInvalid] on the field "cidr" and offer the corrected
// form where there is one.
//
// Ranges that cannot be a public sender (private, loopback, link-local, reserved)
// are refused unless allowPrivate: behind a proxy that forgets to say who called,
// every request would come from one.
func ParseAllowlistCIDR(text string, allowPrivate bool) (netip.Prefix, error) {
	text = strings.TrimSpace(text)
	p, err := parsePrefix(text)
	if err != nil {
		return netip.Prefix{}, err
	}
	if masked := p.Masked(); masked != p {
		return netip.Prefix{}, InvalidField("cidr", "%s has address bits behind its mask; the range is written %s, the single address %s",
			text, masked, netip.PrefixFrom(p.Addr(), p.Addr().BitLen())).because("host_bits", "range", masked.String(), "address", p.Addr().String())
	}
	if least := minBits(p.Addr()); p.Bits() < least {
		return netip.Prefix{}, InvalidField("cidr", "%s is wider than /%d, the widest range allowed", text, least).because("wide", "bits", strconv.Itoa(least))
	}
	if s, found := notPublic(p); found && !allowPrivate {
		return netip.Prefix{}, InvalidField("cidr", "%s overlaps %s (%s); no merchant sends from there over the Internet", text, s.prefix, s.what).because("not_public", "range", s.prefix.String())
	}
	return p, nil
}

func parsePrefix(text string) (netip.Prefix, error) {
	if strings.Contains(text, "%") {
		return netip.Prefix{}, InvalidField("cidr", "has a zone; leave out the %% and what follows it").because("zone")
	}
	if addr, err := netip.ParseAddr(text); err == nil {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, InvalidField("cidr", "is neither an IP address nor a CIDR such as 203.0.113.0/24 or 2001:db8::/48").because("cidr")
	}
	if !p.Addr().Is4In6() {
		return p, nil
	}
	if p.Bits() < 96 {
		return netip.Prefix{}, InvalidField("cidr", "%s covers all of IPv4; write the IPv4 range itself", text).because("mapped")
	}
	return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96), nil
}

func minBits(a netip.Addr) int {
	if a.Is4() {
		return minPrefixIPv4
	}
	return minPrefixIPv6
}

// notPublic returns the special range that p touches. The ranges
// are those of the IANA special-purpose registries (RFC 6890 and successors) that
// are not globally reachable.
func notPublic(p netip.Prefix) (specialRange, bool) {
	for _, s := range specialRanges() {
		if s.prefix.Overlaps(p) {
			return s, true
		}
	}
	return specialRange{}, false
}

type specialRange struct {
	prefix netip.Prefix
	what   string
}

func specialRanges() []specialRange {
	r := func(cidr, what string) specialRange { return specialRange{netip.MustParsePrefix(cidr), what} }
	return []specialRange{
		r("0.0.0.0/8", `"this network"`), r("10.0.0.0/8", "a private range"), r("100.64.0.0/10", "carrier-grade NAT space"),
		r("127.0.0.0/8", "loopback"), r("169.254.0.0/16", "link-local"), r("172.16.0.0/12", "a private range"),
		r("192.0.0.0/24", "an IETF protocol range"), r("192.0.2.0/24", "a documentation range"), r("192.168.0.0/16", "a private range"),
		r("198.18.0.0/15", "a benchmarking range"), r("198.51.100.0/24", "a documentation range"), r("203.0.113.0/24", "a documentation range"),
		r("224.0.0.0/4", "multicast"), r("240.0.0.0/4", "reserved"),
		r("::/96", "loopback or unspecified"), r("64:ff9b:1::/48", "a local translation range"), r("100::/64", "the discard range"), r("2001::/23", "an IETF protocol range"),
		r("2001:db8::/32", "a documentation range"), r("2002::/16", "6to4"), r("3fff::/20", "a documentation range"), r("5f00::/16", "segment routing"),
		r("fc00::/7", "a private range"), r("fe80::/10", "link-local"), r("fec0::/10", "site-local"), r("ff00::/8", "multicast"),
	}
}

// AllowlistCheck answers "will this address pass?".
type AllowlistCheck struct {
	IP      netip.Addr `json:"ip"`
	Allowed bool       `json:"allowed"`
	// Entry is the most specific entry that matches.
	Entry *AllowlistEntry `json:"entry,omitempty"`
	// Reason says why, in words for a person.
	Reason string `json:"reason"`
}
