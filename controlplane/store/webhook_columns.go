package store

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// wordsColumn reads words with a space between.
type wordsColumn[T ~string] struct{ all *[]T }

func words[T ~string](all []T) string {
	text := make([]string, len(all))
	for i, w := range all {
		text[i] = string(w)
	}
	return strings.Join(text, " ")
}

func (c wordsColumn[T]) Scan(src any) error {
	text, ok := src.(string)
	if !ok {
		return fmt.Errorf("words are stored as %T", src)
	}
	*c.all = nil
	for _, w := range strings.Fields(text) {
		*c.all = append(*c.all, T(w))
	}
	return nil
}

// headerColumn reads what headerText wrote.
type headerColumn struct{ fields *[]controlplane.Header }

func headerText(fields []controlplane.Header) (string, error) {
	if len(fields) == 0 {
		return "", nil
	}
	b, err := json.Marshal(fields)
	return string(b), err
}

func (c headerColumn) Scan(src any) error {
	text, ok := src.(string)
	if !ok {
		return fmt.Errorf("a header is stored as %T", src)
	}
	if *c.fields = nil; text == "" {
		return nil
	}
	return json.Unmarshal([]byte(text), c.fields)
}

func addrPortText(a netip.AddrPort) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

type addrPortColumn struct{ a *netip.AddrPort }

func (c addrPortColumn) Scan(src any) (err error) {
	text, ok := src.(string)
	if !ok {
		return fmt.Errorf("an address is stored as %T", src)
	}
	if *c.a = (netip.AddrPort{}); text == "" {
		return nil
	}
	*c.a, err = netip.ParseAddrPort(text)
	return err
}

// durationColumn reads microseconds.
type durationColumn struct{ d *time.Duration }

func (c durationColumn) Scan(src any) error {
	us, ok := src.(int64)
	if !ok {
		return fmt.Errorf("a duration is stored as %T", src)
	}
	*c.d = time.Duration(us) * time.Microsecond
	return nil
}
