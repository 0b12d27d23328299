package controlplane

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"slices"
)

// An entry of a packed allowlist: the address of its prefix (4 or 16 bytes), the
// row (4), the length of the prefix in bits (1), and the place of the next wider
// entry around it, counted from one, 0 for none (1).
const (
	entryTail = 6
	stride4   = 4 + entryTail
	stride6   = 16 + entryTail
	maxPacked = math.MaxUint8 // entries; the domain allows MaxAllowlistEntries
)

// packedAllowlist is an allowlist without pointers. The entries of a family are
// ordered by address, wider ones first. Prefixes either nest or are disjoint, so
// the entries that cover an address are the last one that does not begin after
// it and those around that one.
type packedAllowlist struct{ v4, v6 []byte }

// packAllowlist fails on an invalid prefix and on more entries than a merchant
// may have; both mean that the store holds what no operation wrote.
func packAllowlist(entries []AllowedPrefix) (packedAllowlist, error) {
	if len(entries) > maxPacked {
		return packedAllowlist{}, fmt.Errorf("%d allowlist entries, at most %d can be held", len(entries), maxPacked)
	}
	var few [8]AllowedPrefix // on the stack; most merchants have fewer
	sorted := append(few[:0], entries...)
	for i, e := range sorted {
		p, ok := canonicalPrefix(e.Prefix)
		if !ok {
			return packedAllowlist{}, fmt.Errorf("allowlist entry in row %d has an invalid prefix", e.Row)
		}
		sorted[i].Prefix = p
	}
	slices.SortStableFunc(sorted, func(a, b AllowedPrefix) int {
		return cmp.Or(a.Prefix.Addr().Compare(b.Prefix.Addr()), cmp.Compare(a.Prefix.Bits(), b.Prefix.Bits()))
	})
	// Addr.Compare puts all IPv4 before all IPv6.
	split := slices.IndexFunc(sorted, func(e AllowedPrefix) bool { return e.Prefix.Addr().Is6() })
	if split < 0 {
		split = len(sorted)
	}
	return packedAllowlist{v4: packFamily(sorted[:split]), v6: packFamily(sorted[split:])}, nil
}

func canonicalPrefix(p netip.Prefix) (netip.Prefix, bool) {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	p = p.Masked()
	return p, p.IsValid()
}

func packFamily(sorted []AllowedPrefix) []byte {
	if len(sorted) == 0 {
		return nil
	}
	out := make([]byte, 0, len(sorted)*(sorted[0].Prefix.Addr().BitLen()/8+entryTail))
	var few [8]int
	around := few[:0] // the entries that enclose the present one, widest first
	for i, e := range sorted {
		for len(around) > 0 && !sorted[around[len(around)-1]].Prefix.Contains(e.Prefix.Addr()) {
			around = around[:len(around)-1]
		}
		parent := byte(0)
		if len(around) > 0 {
			parent = byte(around[len(around)-1] + 1)
		}
		around = append(around, i)
		out = appendAddr(out, e.Prefix.Addr())
		out = binary.LittleEndian.AppendUint32(out, packRow(e.Row))
		out = append(out, byte(e.Prefix.Bits()), parent)
	}
	return out
}

func appendAddr(out []byte, a netip.Addr) []byte {
	if a.Is4() {
		b := a.As4()
		return append(out, b[:]...)
	}
	b := a.As16()
	return append(out, b[:]...)
}

// packRow keeps rows up to four billion. A larger one still lets its addresses
// in; only its last match goes unreported.
func packRow(row int64) uint32 {
	if row < 0 || row > math.MaxUint32 {
		return 0
	}
	return uint32(row)
}

// sound reports whether a list that was read back can be searched: each entry's
// way to the wider ones leads backwards, so that it ends.
func (l packedAllowlist) sound() bool { return soundFamily(l.v4, 4) && soundFamily(l.v6, 16) }

func soundFamily(list []byte, width int) bool {
	for i := 0; len(list) > 0; i++ {
		if int(list[width+4]) > 8*width || int(list[width+5]) > i {
			return false
		}
		list = list[width+entryTail:]
	}
	return true
}

func (l packedAllowlist) match(addr netip.Addr) (row int64, ok bool) {
	addr = addr.Unmap()
	switch {
	case addr.Is4():
		a := addr.As4()
		return matchFamily(l.v4, a[:])
	case addr.Is6():
		a := addr.As16()
		return matchFamily(l.v6, a[:])
	}
	return 0, false
}

func matchFamily(list, addr []byte) (row int64, ok bool) {
	width := len(addr)
	stride := width + entryTail
	low, high := 0, len(list)/stride
	for low < high {
		mid := int(uint(low+high) / 2)
		if bytes.Compare(list[mid*stride:][:width], addr) > 0 {
			high = mid
		} else {
			low = mid + 1
		}
	}
	for low > 0 {
		e := list[(low-1)*stride:][:stride]
		if covers(e[:width], int(e[width+4]), addr) {
			return int64(binary.LittleEndian.Uint32(e[width:])), true
		}
		low = int(e[width+5])
	}
	return 0, false
}

func covers(prefix []byte, bits int, addr []byte) bool {
	whole, rest := bits/8, bits%8
	if !bytes.Equal(prefix[:whole], addr[:whole]) {
		return false
	}
	return rest == 0 || (prefix[whole]^addr[whole])>>(8-rest) == 0
}

// CheckAllowlist answers "will this address pass?" with the code by which
// gateways decide, so that the answer cannot differ from what they do.
func CheckAllowlist(entries []AllowlistEntry, addr netip.Addr) AllowlistCheck {
	addr = addr.Unmap().WithZone("")
	check := AllowlistCheck{IP: addr}
	prefixes := make([]AllowedPrefix, len(entries))
	for i, e := range entries {
		prefixes[i] = AllowedPrefix{Row: int64(i), Prefix: e.Prefix}
	}
	list, err := packAllowlist(prefixes)
	if err != nil {
		check.Reason = "The allowlist cannot be enforced as it is stored, so every address is refused: " + err.Error() + "."
		return check
	}
	i, ok := list.match(addr)
	switch {
	case ok:
		check.Allowed, check.Entry = true, &entries[i]
		check.Reason = fmt.Sprintf("%s is in %s.", addr, entries[i].Prefix)
	case !addr.IsValid():
		check.Reason = "This is not an IP address; a request whose address cannot be told is refused."
	case len(entries) == 0:
		check.Reason = "The allowlist is empty, so every address is refused."
	default:
		check.Reason = fmt.Sprintf("%s is in none of the %d entries.", addr, len(entries))
	}
	return check
}
