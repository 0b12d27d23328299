package store

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// Both databases hold times as microseconds since 1970 and booleans as 0 or 1:
// types that they agree on to the bit.

// micros is 0 for the zero time.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// timeColumn reads what micros wrote.
type timeColumn struct{ t *time.Time }

func (c timeColumn) Scan(src any) error {
	us, ok := src.(int64)
	if !ok {
		return fmt.Errorf("a time is stored as %T", src)
	}
	*c.t = fromMicros(us)
	return nil
}

func addrText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// addrColumn reads what addrText wrote.
type addrColumn struct{ a *netip.Addr }

func (c addrColumn) Scan(src any) (err error) {
	text, ok := src.(string)
	if !ok {
		return fmt.Errorf("an address is stored as %T", src)
	}
	if text == "" {
		*c.a = netip.Addr{}
		return nil
	}
	*c.a, err = netip.ParseAddr(text)
	return err
}

type prefixColumn struct{ p *netip.Prefix }

func (c prefixColumn) Scan(src any) (err error) {
	text, ok := src.(string)
	if !ok {
		return fmt.Errorf("a range is stored as %T", src)
	}
	*c.p, err = netip.ParsePrefix(text)
	return err
}

type secretColumn struct{ s *controlplane.Secret }

func (c secretColumn) Scan(src any) error {
	text, ok := src.(string)
	if !ok {
		return fmt.Errorf("a hash is stored as %T", src)
	}
	*c.s = controlplane.Secret{}
	if text != "" {
		*c.s = controlplane.NewSecret(text)
	}
	return nil
}

type hashColumn struct{ h *[32]byte }

func (c hashColumn) Scan(src any) error {
	b, ok := src.([]byte)
	if !ok || len(b) != len(c.h) {
		return fmt.Errorf("a hash of %d bytes is stored as %T of %d bytes", len(c.h), src, len(b))
	}
	copy(c.h[:], b)
	return nil
}

// scanValue reads a row of one column.
func scanValue[T any](r scanner, v *T) error { return r.Scan(v) }
