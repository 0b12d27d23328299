package controlplane_test

import (
	"bytes"
	"crypto/rand"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/unknownpay/merchant-gateway/controlplane"
)

func TestIDsSortByTimeAndParse(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var ids []string
	for i := range 1000 {
		id := ok(NewID(PrefixMerchant, at.Add(time.Duration(i*i)*time.Millisecond), rand.Reader))(t)
		raw, parsed := ParseID(PrefixMerchant, id)
		if !parsed || FormatID(PrefixMerchant, raw) != id || len(id) != 30 {
			t.Fatalf("%q does not read back", id)
		}
		ids = append(ids, id)
	}
	if !slices.IsSorted(ids) {
		t.Error("ids do not sort by their times")
	}
	if slices.Sort(ids); len(slices.Compact(ids)) != 1000 {
		t.Error("ids repeat")
	}
	if _, err := NewID(PrefixUser, at, strings.NewReader("short")); err == nil {
		t.Error("an id without randomness")
	}
}

func TestIDsOfOneMomentDiffer(t *testing.T) {
	now := time.Now()
	seen := map[string]bool{}
	for range 1000 {
		seen[ok(NewID(PrefixRequest, now, rand.Reader))(t)] = true
	}
	if len(seen) != 1000 {
		t.Errorf("%d different ids of 1000", len(seen))
	}
}

func TestTextsThatAreNoIDs(t *testing.T) {
	good := ok(NewID(PrefixMerchant, time.Now(), rand.Reader))(t)
	for why, text := range map[string]string{
		"empty": "", "prefix only": "mer_", "other prefix": "usr_" + good[4:], "no prefix": good[4:], "short": good[:29], "long": good + "0",
		"upper case": strings.ToUpper(good), "letter i": good[:29] + "i", "letter u": good[:29] + "u", "spare bits": good[:29] + "1",
		"space": good[:29] + " ", "line break": good[:29] + "\n", "NUL": good[:29] + "\x00",
	} {
		if _, parsed := ParseID(PrefixMerchant, text); parsed {
			t.Errorf("%s: %q is taken for an id", why, text)
		}
	}
}

func FuzzParseID(f *testing.F) {
	f.Add("mer_00000000000000000000000000")
	f.Add("mer_zzzzzzzzzzzzzzzzzzzzzzzzzw")
	f.Add("mer_zzzzzzzzzzzzzzzzzzzzzzzzzz")
	f.Add("mer_0000000000000\n000000000000")
	f.Fuzz(func(t *testing.T, text string) {
		if raw, parsed := ParseID(PrefixMerchant, text); parsed && FormatID(PrefixMerchant, raw) != text {
			t.Fatalf("%q and %q name one thing", text, FormatID(PrefixMerchant, raw))
		}
	})
}

func FuzzNewID(f *testing.F) {
	f.Add(int64(0), bytes.Repeat([]byte{0}, 10), int64(1))
	f.Add(int64(1_767_225_600_000), bytes.Repeat([]byte{0xff}, 10), int64(1_767_225_600_001))
	f.Fuzz(func(t *testing.T, ms int64, random []byte, later int64) {
		const limit = 1 << 48
		if len(random) < 10 || ms < 0 || ms >= limit || later <= ms || later >= limit {
			return
		}
		a := ok(NewID(PrefixEntry, time.UnixMilli(ms), bytes.NewReader(random)))(t)
		b := ok(NewID(PrefixEntry, time.UnixMilli(later), bytes.NewReader(make([]byte, 10))))(t)
		if _, parsed := ParseID(PrefixEntry, a); !parsed || a >= b {
			t.Fatalf("%q of %d and %q of %d", a, ms, b, later)
		}
	})
}
