package store

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

func FuzzKeyText(f *testing.F) {
	f.Add("unk_live_0000000000000000000001 mer_00000000000000000000000001 live active 0 7 93")
	f.Add("a b c d 1")
	f.Add("a b c d 1 2 ")
	f.Add("a b c d 1 2 -1")
	f.Add("     ")
	f.Fuzz(func(t *testing.T, text string) {
		k, n, err := keyOf(text)
		if err != nil {
			return
		}
		again := fmt.Sprint(k.ID, " ", k.MerchantID, " ", k.Environment, " ", k.State, " ", micros(k.RetireAt), " ", k.Revision, " ", n)
		if got, m, err := keyOf(again); err != nil || m != n || !reflect.DeepEqual(got, k) {
			t.Fatalf("%q reads as %v, and that as %v (%v)", text, k, got, err)
		}
	})
}

// What is read is what was written, and nothing else is accepted.
func FuzzAllowlistText(f *testing.F) {
	f.Add("1 192.0.2.0/24 2 2001:db8::/48")
	f.Add("")
	f.Add("1")
	f.Add("1 ")
	f.Add("x 192.0.2.0/24")
	f.Add("1 192.0.2.0/24 ")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := prefixesOf(text, new(arena[controlplane.AllowedPrefix]))
		if err != nil {
			return
		}
		var words []string
		for _, p := range got {
			words = append(words, fmt.Sprint(p.Row), p.Prefix.String())
		}
		if again, err := prefixesOf(strings.Join(words, " "), new(arena[controlplane.AllowedPrefix])); err != nil || fmt.Sprint(again) != fmt.Sprint(got) {
			t.Fatalf("%q reads as %v, and that as %v (%v)", text, got, again, err)
		}
	})
}
