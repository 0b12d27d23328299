package store

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/store/storetest"
)

// BenchmarkUpdate is how many durable changes a second one caller and 64 get.
func BenchmarkUpdate(b *testing.B) {
	for _, producers := range []int{1, 64} {
		b.Run(strconv.Itoa(producers)+"_producers", func(b *testing.B) {
			db := openTest(b)
			var next atomic.Int64
			var wg sync.WaitGroup
			b.ResetTimer()
			for range producers {
				wg.Go(func() {
					for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
						if err := insert(b.Context(), db, int(n)); err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "changes/s")
		})
	}
}

// BenchmarkSnapshot streams what a gateway loads at start. STORE_BENCH_MERCHANTS
// sets the size, 20,000 by default; STORE_BENCH_DIR keeps the filled database
// from one run to the next.
func BenchmarkSnapshot(b *testing.B) {
	n := 20_000
	if text := os.Getenv("STORE_BENCH_MERCHANTS"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			b.Fatal(err)
		}
	}
	dir := os.Getenv("STORE_BENCH_DIR")
	if dir == "" {
		dir = b.TempDir()
	}
	db := openAt(b, SQLiteConfig{Path: filepath.Join(dir, "snapshot"+strconv.Itoa(n)+".db")})
	if err := fillOnce(b.Context(), db, n); err != nil {
		b.Fatal(err)
	}
	b.Run("full", func(b *testing.B) { benchmarkStream(b, db, -1, n) })
	b.Run("empty_delta", func(b *testing.B) { benchmarkStream(b, db, 1<<40, 0) })
}

func fillOnce(ctx context.Context, db *DB, n int) error {
	var revision int64
	err := db.View(ctx, func(tx controlplane.Tx) (err error) {
		revision, err = tx.Revision(ctx)
		return err
	})
	if err != nil || revision > 0 {
		return err
	}
	return storetest.Fill(ctx, db, n, 3)
}

func benchmarkStream(b *testing.B, db *DB, after int64, want int) {
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		keys, merchants := 0, 0
		err := db.View(ctx, func(tx controlplane.Tx) error {
			err := tx.SnapshotMerchants(ctx, after, func(controlplane.MerchantRecord) error { merchants++; return nil })
			if err != nil {
				return err
			}
			return tx.SnapshotKeys(ctx, after, time.Unix(0, 1000), func(controlplane.KeyRecord) error { keys++; return nil })
		})
		if err != nil || keys != want || merchants != want {
			b.Fatalf("%d keys, %d merchants, error %v", keys, merchants, err)
		}
	}
}
