package controlplane

import (
	"math"
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestAllowlistMatch(t *testing.T) {
	list := []string{"203.0.113.0/24", "203.0.113.7/32", "10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.3.0.0/16", "2001:db8::/32", "2001:db8:1::/48", "0.0.0.0/32"}
	for _, c := range []struct {
		addr string
		row  int64 // 0: denied
	}{
		{"203.0.113.0", 1}, {"203.0.113.255", 1}, {"203.0.113.7", 2}, {"203.0.114.0", 0}, {"203.0.112.255", 0},
		{"10.255.255.255", 3}, {"10.1.9.9", 4}, {"10.1.2.3", 5}, {"10.2.0.0", 3}, {"10.1.3.0", 4}, {"10.3.255.255", 6}, {"10.4.0.0", 3}, {"11.0.0.0", 0}, {"9.255.255.255", 0},
		{"0.0.0.0", 9}, {"0.0.0.1", 0}, {"255.255.255.255", 0},
		{"::ffff:203.0.113.7", 2}, {"::ffff:203.0.113.7%eth0", 2}, {"::203.0.113.7", 0},
		{"2001:db8::1", 7}, {"2001:db8:1::1", 8}, {"2001:db8:1:ffff:ffff:ffff:ffff:ffff", 8}, {"2001:db8:2::", 7}, {"2001:db9::", 0}, {"2001:db8:1::1%7", 8}, {"::", 0},
	} {
		packed, err := packAllowlist(prefixes(list...))
		must(t, err)
		row, ok := packed.match(netip.MustParseAddr(c.addr))
		if ok != (c.row != 0) || row != c.row {
			t.Errorf("%s: row %d, %v; want row %d", c.addr, row, ok, c.row)
		}
	}
}

func TestAllowlistDeniesWhatCannotBeTold(t *testing.T) {
	full, err := packAllowlist(prefixes("0.0.0.0/0", "::/0"))
	must(t, err)
	if _, ok := full.match(netip.Addr{}); ok {
		t.Error("an invalid address was let in")
	}
	if _, ok := (packedAllowlist{}).match(netip.MustParseAddr("127.0.0.1")); ok {
		t.Error("an empty allowlist let an address in")
	}
}

func TestAllowlistPacksWhatTheStoreMayHold(t *testing.T) {
	mapped := AllowedPrefix{Row: math.MaxInt64, Prefix: netip.MustParsePrefix("::ffff:198.51.100.9/120")}
	l, err := packAllowlist([]AllowedPrefix{mapped})
	must(t, err)
	if row, ok := l.match(netip.MustParseAddr("198.51.100.77")); !ok || row != 0 {
		t.Errorf("row %d, %v", row, ok)
	}
	if _, err := packAllowlist(make([]AllowedPrefix, maxPacked+1)); err == nil {
		t.Error("too many entries: no error")
	}
}

// TestAllowlistMatchIsTheMostSpecificOne compares with a look at every entry.
func TestAllowlistMatchIsTheMostSpecificOne(t *testing.T) {
	// Few distinct bytes, so that prefixes nest and addresses hit.
	octet := rapid.SampledFrom([]byte{0, 1, 10, 127, 128, 255})
	addrOf := func(t *rapid.T, v6 bool) netip.Addr {
		if !v6 {
			return netip.AddrFrom4([4]byte(rapid.SliceOfN(octet, 4, 4).Draw(t, "v4")))
		}
		return netip.AddrFrom16([16]byte(rapid.SliceOfN(octet, 16, 16).Draw(t, "v6")))
	}
	rapid.Check(t, func(t *rapid.T) {
		var list []AllowedPrefix
		for i := range rapid.IntRange(0, maxPacked).Draw(t, "entries") {
			a := addrOf(t, rapid.Bool().Draw(t, "is6"))
			p := netip.PrefixFrom(a, rapid.IntRange(0, a.BitLen()).Draw(t, "bits")).Masked()
			list = append(list, AllowedPrefix{Row: int64(i + 1), Prefix: p})
		}
		packed, err := packAllowlist(list)
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			a := addrOf(t, rapid.Bool().Draw(t, "is6"))
			best := -1
			for i, e := range list {
				if e.Prefix.Contains(a.Unmap()) && (best < 0 || e.Prefix.Bits() > list[best].Prefix.Bits()) {
					best = i
				}
			}
			row, ok := packed.match(a)
			if ok != (best >= 0) || ok && list[row-1].Prefix != list[best].Prefix {
				t.Fatalf("%s in %v: row %d, %v; want %d", a, list, row, ok, best+1)
			}
		}
	})
}

func TestCheckAllowlistSaysWhy(t *testing.T) {
	entry := AllowlistEntry{ID: "ipa_1", Prefix: netip.MustParsePrefix("203.0.113.0/24")}
	for name, c := range map[string]struct {
		entries []AllowlistEntry
		addr    string
		allowed bool
		reason  string
	}{
		"allowed":   {[]AllowlistEntry{entry}, "::ffff:203.0.113.9", true, "203.0.113.9 is in 203.0.113.0/24."},
		"elsewhere": {[]AllowlistEntry{entry}, "203.0.114.9", false, "in none of the 1 entries"},
		"empty":     {nil, "203.0.114.9", false, "allowlist is empty"},
		"invalid":   {[]AllowlistEntry{entry}, "", false, "not an IP address"},
		"corrupt":   {[]AllowlistEntry{{}}, "203.0.114.9", false, "cannot be enforced"},
	} {
		var addr netip.Addr
		if c.addr != "" {
			addr = netip.MustParseAddr(c.addr)
		}
		got := CheckAllowlist(c.entries, addr)
		if got.Allowed != c.allowed || !strings.Contains(got.Reason, c.reason) || c.allowed != (got.Entry != nil) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
