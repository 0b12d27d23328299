package storetest

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// fillChunk is how many merchants share a transaction. They share a revision too.
const fillChunk = 5000

// Fill inserts merchants 1 to n, each with an active live key and entries
// allowlist entries. A million merchants with three entries take about a minute.
func Fill(ctx context.Context, s controlplane.Store, n, entries int) error {
	for from := 0; from < n; from += fillChunk {
		err := s.Update(ctx, func(tx controlplane.Tx) error {
			return fillMerchants(ctx, tx, from+1, min(from+fillChunk, n), entries)
		})
		if err != nil {
			return fmt.Errorf("fill merchants from %d: %w", from+1, err)
		}
	}
	return nil
}

func fillMerchants(ctx context.Context, tx controlplane.Tx, from, to, entries int) error {
	revision, err := tx.BumpRevision(ctx)
	if err != nil {
		return err
	}
	for i := from; i <= to; i++ {
		if err := fillMerchant(ctx, tx, i, entries, revision); err != nil {
			return err
		}
	}
	return nil
}

func fillMerchant(ctx context.Context, tx controlplane.Tx, i, entries int, revision int64) error {
	m := Merchant(i)
	m.Revision = revision
	if err := tx.InsertMerchant(ctx, m); err != nil {
		return err
	}
	key := Key(m.ID, controlplane.Live, i)
	key.Revision = revision
	if err := tx.InsertKey(ctx, key, fillSecret()); err != nil {
		return err
	}
	for e := range entries {
		entry := Entry(m.ID, i*entries+e)
		entry.Prefix = fillPrefix(i*entries + e)
		if _, err := tx.InsertAllowlistEntry(ctx, entry); err != nil {
			return err
		}
	}
	return nil
}

// fillSecret has the length of a real record: version, data key id, nonce, 59
// bytes of secret, tag.
func fillSecret() []byte { return make([]byte, 1+4+12+59+16) }

// fillPrefix mixes single addresses and ranges of both families.
func fillPrefix(n int) netip.Prefix {
	four := netip.AddrFrom4([4]byte{byte(20 + n>>24), byte(n >> 16), byte(n >> 8), byte(n)})
	if n%3 == 2 {
		return netip.PrefixFrom(netip.AddrFrom16([16]byte{0x24, 0, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}), 48)
	}
	return netip.PrefixFrom(four, 32)
}
