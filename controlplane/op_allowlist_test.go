package controlplane_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	. "github.com/unknownpay/merchant-gateway/controlplane"
)

func TestAllowlistEntryLife(t *testing.T) {
	w := newWorld(t)
	m, ctx := w.merchant("Shop"), t.Context()
	revision := func() int64 { return ok(w.Merchant(ctx, local(), m.ID))(t).Revision }
	before := revision()
	e := ok(w.AddAllowlistEntry(ctx, w.staff(RolePlatformAdmin), AddAllowlistEntry{m.ID, " 8.8.8.0/24 ", "office in Bangkok"}))(t)
	w.diffIs(OpAllowlistAdd, e.ID, `{"cidr":{"to":"8.8.8.0/24"},"note":{"to":"office in Bangkok"}}`)
	if e.Prefix.String() != "8.8.8.0/24" || e.CreatedBy != "sam" || e.Row == 0 || revision() <= before {
		t.Errorf("unexpected entry %+v or no new revision", e)
	}
	if err := justErr(w.AddAllowlistEntry(ctx, local(), AddAllowlistEntry{m.ID, "8.8.8.0/24", "again"})); true {
		wants(t, err, CodeConflict)
	}
	check := ok(w.CheckIP(ctx, local(), CheckIP{m.ID, "8.8.8.8"}))(t)
	if !check.Allowed || check.Entry == nil || check.Entry.ID != e.ID {
		t.Errorf("unexpected check: %+v", check)
	}
	before = revision()
	removed := ok(w.RemoveAllowlistEntry(ctx, local(), RemoveAllowlistEntry{MerchantID: m.ID, EntryID: e.ID}))(t)
	w.diffIs(OpAllowlistRemove, e.ID, `{"cidr":{"from":"8.8.8.0/24"},"note":{"from":"office in Bangkok"}}`)
	if removed.ID != e.ID || revision() <= before {
		t.Error("the wrong entry was removed, or gateways do not learn of it")
	}
	if check := ok(w.CheckIP(ctx, local(), CheckIP{m.ID, "8.8.8.8"}))(t); check.Allowed {
		t.Error("an empty allowlist lets somebody in")
	}
	wants(t, justErr(w.RemoveAllowlistEntry(ctx, local(), RemoveAllowlistEntry{MerchantID: m.ID, EntryID: e.ID})), CodeNotFound)
}

func TestAllowlistEntryIsRemovedByItsRangeToo(t *testing.T) {
	w := newWorld(t)
	m, ctx := w.merchant("Shop"), t.Context()
	add := func(cidr string) AllowlistEntry {
		return ok(w.AddAllowlistEntry(ctx, local(), AddAllowlistEntry{m.ID, cidr, "note"}))(t)
	}
	add("8.8.4.0/24")
	e := add("2001:4860::/32")
	removed := ok(w.RemoveAllowlistEntry(ctx, local(), RemoveAllowlistEntry{MerchantID: m.ID, CIDR: "2001:4860:0::/32"}))(t)
	if removed.ID != e.ID {
		t.Errorf("removed %+v", removed)
	}
	for name, in := range map[string]RemoveAllowlistEntry{
		"neither": {MerchantID: m.ID}, "both": {MerchantID: m.ID, EntryID: e.ID, CIDR: "8.8.4.0/24"},
		"host bits": {MerchantID: m.ID, CIDR: "8.8.4.1/24"}, "no merchant": {CIDR: "8.8.4.0/24"},
	} {
		if err := justErr(w.RemoveAllowlistEntry(ctx, local(), in)); CodeOf(err) != CodeInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAllowlistHoldsAHundredEntriesUnderRacingWriters(t *testing.T) {
	w := newWorld(t)
	m, ctx := w.merchant("Shop"), t.Context()
	for i := range MaxAllowlistEntries - 5 {
		ok(w.AddAllowlistEntry(ctx, local(), AddAllowlistEntry{m.ID, fmt.Sprintf("8.8.%d.0/24", i), "note"}))(t)
	}
	results := make(chan error)
	for i := range 20 {
		go func() {
			results <- justErr(w.AddAllowlistEntry(ctx, local(), AddAllowlistEntry{m.ID, fmt.Sprintf("9.9.%d.0/24", i), "note"}))
		}()
	}
	added := 0
	for range 20 {
		if err := <-results; err == nil {
			added++
		} else if CodeOf(err) != CodeLimit {
			t.Errorf("unexpected error: %v", err)
		}
	}
	if n := len(ok(w.ListAllowlist(ctx, local(), m.ID))(t)); n != MaxAllowlistEntries || added != 5 {
		t.Errorf("%d entries, %d of 20 added", n, added)
	}
}

func TestPrivateRangesNeedTheOperatorsLeave(t *testing.T) {
	w := newWorld(t)
	m := w.merchant("Shop")
	w.rebuild(func(p *Parts) { p.Rules.AllowPrivateRanges = false })
	err := justErr(w.AddAllowlistEntry(t.Context(), local(), AddAllowlistEntry{m.ID, "127.0.0.1", "demo"}))
	if e := wants(t, err, CodeInvalid); e.Fields[0].Field != "cidr" || !strings.Contains(e.Fields[0].Message, "loopback") {
		t.Errorf("unexpected error: %v", e)
	}
	w.rebuild(func(p *Parts) { p.Rules.AllowPrivateRanges = true })
	ok(w.AddAllowlistEntry(t.Context(), local(), AddAllowlistEntry{m.ID, "127.0.0.1", "demo"}))(t)
}

func TestCheckIPRefusesWhatIsNoAddress(t *testing.T) {
	w := newWorld(t)
	m := w.merchant("Shop")
	for _, text := range []string{"", "localhost", "8.8.8.8/32", "8.8.8", "unks_live_secret"} {
		e := wants(t, justErr(w.CheckIP(t.Context(), local(), CheckIP{m.ID, text})), CodeInvalid)
		if text != "" && strings.Contains(e.Error(), text) {
			t.Errorf("the error repeats %q", text)
		}
	}
}

// The canonical form of what people write, or a part of the error.
func allowlistForms() map[string]string {
	return map[string]string{
		"8.8.8.8":                   "8.8.8.8/32",
		"8.8.8.8/32":                "8.8.8.8/32",
		" 8.8.8.0/24\t":             "8.8.8.0/24",
		"8.0.0.0/8":                 "8.0.0.0/8",
		"2001:4860:4860::8888":      "2001:4860:4860::8888/128",
		"2001:4860:4860:0::8888":    "2001:4860:4860::8888/128",
		"2A00:1450::/32":            "2a00:1450::/32",
		"2600::/16":                 "2600::/16",
		"::ffff:8.8.8.8":            "8.8.8.8/32",
		"::ffff:808:808":            "8.8.8.8/32",
		"::ffff:8.8.8.0/120":        "8.8.8.0/24",
		"::ffff:8.0.0.0/104":        "8.0.0.0/8",
		"64:ff9b::8.8.8.8":          "64:ff9b::808:808/128",
		"8.8.8.8/24":                "error: the range is written 8.8.8.0/24, the single address 8.8.8.8/32",
		"2001:4860::1/32":           "error: the range is written 2001:4860::/32, the single address 2001:4860::1/128",
		"::ffff:8.8.8.8/120":        "error: the range is written 8.8.8.0/24, the single address 8.8.8.8/32",
		"1.2.3.4/4":                 "error: the range is written 0.0.0.0/4",
		"8.0.0.0/7":                 "error: wider than /8",
		"0.0.0.0/0":                 "error: wider than /8",
		"2600::/15":                 "error: wider than /16",
		"::/0":                      "error: wider than /16",
		"::ffff:0:0/95":             "error: covers all of IPv4",
		"::ffff:0:0/96":             "error: wider than /8",
		"fe80::1%eth0":              "error: has a zone",
		"fe80::%eth0/64":            "error: has a zone",
		"10.1.2.3":                  "error: overlaps 10.0.0.0/8 (a private range)",
		"172.31.0.0/16":             "error: a private range",
		"192.168.1.0/24":            "error: a private range",
		"100.64.0.1":                "error: carrier-grade NAT",
		"127.0.0.1":                 "error: loopback",
		"169.254.169.254":           "error: link-local",
		"0.0.0.0":                   "error: this network",
		"192.0.2.1":                 "error: documentation",
		"198.18.0.1":                "error: benchmarking",
		"198.0.0.0/8":               "error: overlaps 198.18.0.0/15",
		"224.0.0.1":                 "error: multicast",
		"255.255.255.255":           "error: reserved",
		"::ffff:10.0.0.1":           "error: a private range",
		"::1":                       "error: loopback",
		"::":                        "error: unspecified",
		"fc00::1":                   "error: a private range",
		"fe80::1":                   "error: link-local",
		"ff02::1":                   "error: multicast",
		"2001:db8::/32":             "error: documentation",
		"2002:808:808::1":           "error: 6to4",
		"64:ff9b:1::1":              "error: local translation",
		"":                          "error: is neither",
		"localhost":                 "error: is neither",
		"example.com/24":            "error: is neither",
		"8.8.8":                     "error: is neither",
		"8.8.8.8.8":                 "error: is neither",
		"256.1.1.1":                 "error: is neither",
		"08.8.8.8":                  "error: is neither",
		"0x8.8.8.8":                 "error: is neither",
		"134744072":                 "error: is neither",
		"8.8.8.8/33":                "error: is neither",
		"8.8.8.8/-1":                "error: is neither",
		"8.8.8.8/08":                "error: is neither",
		"8.8.8.8/":                  "error: is neither",
		"8.8.8.8/255.255.255.0":     "error: is neither",
		"8.8.8.0-8.8.8.255":         "error: is neither",
		"8.8.8.8:443":               "error: is neither",
		"[2001:4860::1]":            "error: is neither",
		"2001:4860::/129":           "error: is neither",
		"8.8.8.8,9.9.9.9":           "error: is neither",
		"８.8.8.8":                   "error: is neither",
		"unks_live_0000000000":      "error: is neither",
		"8.8.8.8\x00":               "error: is neither",
		strings.Repeat("8", 10_000): "error: is neither",
	}
}

func TestAllowlistForms(t *testing.T) {
	for text, want := range allowlistForms() {
		p, err := ParseAllowlistCIDR(text, false)
		part, refused := strings.CutPrefix(want, "error: ")
		switch {
		case !refused && (err != nil || p.String() != want):
			t.Errorf("%q: got %s, %v; want %s", text, p, err, want)
		case refused && (CodeOf(err) != CodeInvalid || !strings.Contains(err.Error(), part)):
			t.Errorf("%q: got %s, %v; want an error with %q", text, p, err, part)
		case refused && len(err.Error()) > 200:
			t.Errorf("%.20q: the error is %d bytes long", text, len(err.Error()))
		}
	}
}

func TestOperatorMayAllowPrivateRangesButNotLooseForms(t *testing.T) {
	for text, want := range allowlistForms() {
		p, err := ParseAllowlistCIDR(text, true)
		about := strings.Contains(want, "overlaps") || !strings.Contains(want, "written") &&
			!strings.Contains(want, "wider") && !strings.Contains(want, "covers") && !strings.Contains(want, "zone") && !strings.Contains(want, "neither")
		if about != (err == nil) {
			t.Errorf("%q: got %s, %v", text, p, err)
		}
	}
}

func FuzzParseAllowlistCIDR(f *testing.F) {
	for text := range allowlistForms() {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		loose, looseErr := ParseAllowlistCIDR(text, true)
		p, err := ParseAllowlistCIDR(text, false)
		if err != nil {
			if CodeOf(err) != CodeInvalid {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if looseErr != nil || loose != p {
			t.Fatalf("%q: %s when private ranges are refused, %s (%v) when allowed", text, p, loose, looseErr)
		}
		a := p.Addr()
		if p != p.Masked() || a.Is4In6() || a.Zone() != "" || a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified() {
			t.Fatalf("%q: %s is not canonical and public", text, p)
		}
		if a.Is4() && p.Bits() < 8 || a.Is6() && p.Bits() < 16 {
			t.Fatalf("%q: %s is too wide", text, p)
		}
		if again, err := ParseAllowlistCIDR(p.String(), false); err != nil || again != p {
			t.Fatalf("%s does not read back: %s, %v", p, again, err)
		}
		if _, err := netip.ParsePrefix(p.String()); err != nil {
			t.Fatal(err)
		}
	})
}
