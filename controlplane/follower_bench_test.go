package controlplane_test

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	. "github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/store"
)

// gcmSealer costs what the keyring does, and opens what an earlier run of the
// benchmark has sealed.
type gcmSealer struct{ cipher.AEAD }

func newGCMSealer(b *testing.B) gcmSealer {
	block, err := aes.NewCipher(make([]byte, 32))
	if err == nil {
		var aead cipher.AEAD
		if aead, err = cipher.NewGCM(block); err == nil {
			return gcmSealer{aead}
		}
	}
	b.Fatal(err)
	return gcmSealer{}
}

func (s gcmSealer) Seal(_ string, aad, text []byte) ([]byte, error) {
	nonce := make([]byte, 12)
	return s.AEAD.Seal(nonce, nonce, text, aad), nil
}

func (s gcmSealer) Unseal(_ string, aad, record []byte) ([]byte, error) {
	return s.AEAD.Open(nil, record[:12], record[12:], aad)
}

const benchChunk = 5000

// benchStore has n merchants, each with a live key and three allowlist entries.
// FOLLOWER_BENCH_KEYS sets n, 20,000 by default; FOLLOWER_BENCH_DIR keeps the
// database from one run to the next.
func benchStore(b *testing.B, s Sealer) (*store.DB, int) {
	b.Helper()
	n, dir := 20_000, os.Getenv("FOLLOWER_BENCH_DIR")
	if text := os.Getenv("FOLLOWER_BENCH_KEYS"); text != "" {
		n = ok(strconv.Atoi(text))(b)
	}
	if dir == "" {
		dir = b.TempDir()
	}
	db := ok(store.OpenSQLite(b.Context(), store.SQLiteConfig{Path: filepath.Join(dir, fmt.Sprintf("follower%d.db", n))}))(b)
	b.Cleanup(func() {
		if err := db.Close(); err != nil {
			b.Error(err)
		}
	})
	revision := int64(0)
	view := db.View(b.Context(), func(tx Tx) (err error) { revision, err = tx.Revision(b.Context()); return err })
	if view != nil {
		b.Fatal(view)
	}
	for from := int(revision) * benchChunk; from < n; from += benchChunk {
		err := db.Update(b.Context(), func(tx Tx) error { return fillBench(b.Context(), tx, s, from, min(from+benchChunk, n)) })
		if err != nil {
			b.Fatal(err)
		}
	}
	return db, n
}

func fillBench(ctx context.Context, tx Tx, s Sealer, from, to int) error {
	revision, err := tx.BumpRevision(ctx)
	if err != nil {
		return err
	}
	at := time.Unix(1_767_225_600, 0)
	for i := from; i < to; i++ {
		var raw [16]byte
		binary.BigEndian.PutUint64(raw[:], uint64(i)<<16) // ordered as times are
		binary.BigEndian.PutUint64(raw[8:], uint64(i)*0x9e3779b97f4a7c15)
		m := Merchant{ID: FormatID(PrefixMerchant, raw), Name: "m", State: MerchantActive, CreatedAt: at, UpdatedAt: at, Revision: revision}
		if err := tx.InsertMerchant(ctx, m); err != nil {
			return err
		}
		k := APIKey{ID: fmt.Sprintf("unk_live_%022d", i), MerchantID: m.ID, Environment: Live, State: KeyActive, CreatedAt: at, Revision: revision}
		sealed, err := s.Seal(PurposeAPISecret, APISecretLocation(k.ID, m.ID, Live).AAD(), fmt.Appendf(nil, "unks_live_%049d", i))
		if err != nil {
			return err
		}
		if err := tx.InsertKey(ctx, k, sealed); err != nil {
			return err
		}
		for e := range 3 {
			addr := netip.AddrFrom4([4]byte{byte(20 + e), byte(i >> 16), byte(i >> 8), byte(i)})
			entry := AllowlistEntry{ID: FormatID(PrefixEntry, [16]byte(append(binary.BigEndian.AppendUint64(nil, uint64(i)), byte(e), 0, 0, 0, 0, 0, 0, 1))), MerchantID: m.ID, Prefix: netip.PrefixFrom(addr, 32), Note: "n", CreatedAt: at}
			if _, err := tx.InsertAllowlistEntry(ctx, entry); err != nil {
				return err
			}
		}
	}
	return nil
}

// BenchmarkFollowerLoad is the start of a gateway: from an open database to the
// first snapshot.
func BenchmarkFollowerLoad(b *testing.B) {
	sealer := newGCMSealer(b)
	db, n := benchStore(b, sealer)
	for b.Loop() {
		f := NewFollower(FollowerConfig{Store: db, Sealer: sealer, Clock: time.Now, OnError: func(err error) { b.Error(err) }})
		stop := runFollower(b, f)
		if err := f.WaitRevision(b.Context(), 1); err != nil || f.Current().Len() < n {
			b.Fatal(err, f.Current().Len())
		}
		stop()
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "keys/s")
	b.ReportMetric(float64(n), "keys")
}

func runFollower(b *testing.B, f *Follower) (stop func()) {
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	return func() {
		cancel()
		<-done
	}
}

// BenchmarkEnforcement is the time from a committed change to the snapshot that
// has it, one change at a time.
func BenchmarkEnforcement(b *testing.B) {
	sealer := newGCMSealer(b)
	db, n := benchStore(b, sealer)
	f := NewFollower(FollowerConfig{Store: db, Sealer: sealer, Clock: time.Now, OnError: func(err error) { b.Error(err) }})
	defer runFollower(b, f)()
	var raw [16]byte
	m := Merchant{ID: FormatID(PrefixMerchant, raw), Name: "m", State: MerchantActive}
	if err := f.WaitRevision(b.Context(), 1); err != nil {
		b.Fatal(err)
	}
	var waits []time.Duration
	runtime.GC()
	for b.Loop() {
		err := db.Update(b.Context(), func(tx Tx) (err error) {
			if m.Revision, err = tx.BumpRevision(b.Context()); err != nil {
				return err
			}
			return tx.UpdateMerchant(b.Context(), m)
		})
		if err != nil {
			b.Fatal(err)
		}
		committed := time.Now()
		if err := f.WaitRevision(b.Context(), m.Revision); err != nil {
			b.Fatal(err)
		}
		waits = append(waits, time.Since(committed))
	}
	slices.Sort(waits)
	b.ReportMetric(float64(waits[len(waits)/2].Microseconds()), "p50-us")
	b.ReportMetric(float64(waits[len(waits)*99/100].Microseconds()), "p99-us")
	b.ReportMetric(float64(n), "keys")
}
