package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/store/storetest"
)

// BenchmarkDeliveries is what an event costs that its first attempt delivers, by how
// many events and how many results share a transaction: CPU, and bytes written to the
// disk, those of checkpoints among them (Linux; it needs a TMPDIR on a disk).
func BenchmarkDeliveries(b *testing.B) {
	for _, group := range []struct{ events, results int }{{1, 10}, {4, 25}, {30, 60}, {800, 512}} {
		for _, endpoints := range []int{100, 1000} {
			b.Run(fmt.Sprintf("groups_of_%d_and_%d/%d_endpoints", group.events, group.results, endpoints), func(b *testing.B) {
				f := newFlow(b, endpoints)
				cpu, written := used(b)
				b.ResetTimer()
				for f.made < b.N {
					f.take(min(group.events, b.N-f.made))
					if len(f.claims) >= group.results || f.made == b.N {
						f.finish()
					}
				}
				b.StopTimer()
				cpuAfter, writtenAfter := used(b)
				b.ReportMetric(float64((cpuAfter-cpu).Nanoseconds())/1000/float64(b.N), "cpu-us/event")
				b.ReportMetric(float64(writtenAfter-written)/1000/float64(b.N), "kB/event")
			})
		}
	}
}

// used is what the process has used of processors and disks.
func used(b *testing.B) (cpu time.Duration, written int64) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\nwrite_bytes: ")
	line, _, _ := strings.Cut(rest, "\n")
	if written, err = strconv.ParseInt(line, 10, 64); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), written
}

// flow makes events of a platform, each for the next of some merchants.
type flow struct {
	*testing.B
	db        *DB
	endpoints []controlplane.Endpoint
	made      int
	claims    []controlplane.Claim
}

func newFlow(b *testing.B, endpoints int) *flow {
	f := &flow{B: b, db: openTest(b)}
	f.update(func(ctx context.Context, tx controlplane.Tx) error {
		for n := range endpoints {
			m := storetest.Merchant(n + 1)
			if err := tx.InsertMerchant(ctx, m); err != nil {
				return err
			}
			e, err := tx.InsertEndpoint(ctx, storetest.Endpoint(m.ID, n+1))
			if err != nil {
				return err
			}
			f.endpoints = append(f.endpoints, e)
		}
		return nil
	})
	return f
}

func (f *flow) update(fn func(context.Context, controlplane.Tx) error) {
	ctx := controlplane.Concurrent(f.Context())
	if err := f.db.Update(ctx, func(tx controlplane.Tx) error { return fn(ctx, tx) }); err != nil {
		f.Fatal(err)
	}
}

// now passes with the events, 2,000 of them a second.
func (f *flow) now() time.Time {
	return storetest.At(10_000).Add(time.Duration(f.made) * 500 * time.Microsecond)
}

// id is random where real ones are.
func (f *flow) id(prefix string) (string, error) {
	random := sha256.Sum256(binary.BigEndian.AppendUint64([]byte(prefix), uint64(f.made)))
	return controlplane.NewID(prefix, f.now(), bytes.NewReader(random[:]))
}

func (f *flow) take(n int) {
	f.update(func(ctx context.Context, tx controlplane.Tx) error {
		for range n {
			if err := f.takeOne(ctx, tx); err != nil {
				return err
			}
			f.made++
		}
		return nil
	})
}

func (f *flow) takeOne(ctx context.Context, tx controlplane.Tx) error {
	to := f.endpoints[f.made%len(f.endpoints)]
	event := storetest.Event(to.MerchantID, f.made)
	event.Body = fmt.Appendf(nil, `{"type":"deposit.success","timestamp":"2026-07-01T12:00:00.123456Z","environment":"live","data":{"n":%d,"id":"dep_01jh2y3d4e5f6g7h8j9k0m1n2p",`+
		`"amount":"1500.00","currency":"THB","reference":"order-2026-000123","paid_at":"2026-07-01T12:00:00Z","channel":"promptpay"}}`, f.made)
	event.KeyHash = sha256.Sum256(strconv.AppendInt(nil, int64(f.made), 10))
	event.CreatedAt = f.now()
	var err error
	if event.ID, err = f.id(controlplane.PrefixEvent); err != nil {
		return err
	}
	if event, _, err = tx.InsertEvent(ctx, event); err != nil {
		return err
	}
	d := storetest.Delivery(to, event, f.made)
	d.State, d.Lease, d.CreatedAt, d.NextAt = controlplane.DeliveryInflight, 1, f.now(), f.now()
	if d.ID, err = f.id(controlplane.PrefixDelivery); err != nil {
		return err
	}
	row, err := tx.InsertDelivery(ctx, d)
	f.claims = append(f.claims, controlplane.Claim{Row: row, DeliveryID: d.ID, MerchantID: d.MerchantID, EndpointRow: to.Row, EventID: event.ID, Lease: 1})
	return err
}

// finish writes the results of all claims.
func (f *flow) finish() {
	f.update(func(ctx context.Context, tx controlplane.Tx) error {
		for _, c := range f.claims {
			ok, err := tx.FinishAttempt(ctx, controlplane.AttemptOutcome{Claim: c, Attempt: f.attempt(c), State: controlplane.DeliveryDelivered})
			if err != nil || !ok {
				return errors.Join(errors.New("a claim was refused"), err)
			}
		}
		return nil
	})
	f.claims = f.claims[:0]
}

func (f *flow) attempt(c controlplane.Claim) controlplane.Attempt {
	return controlplane.Attempt{
		Number: 1, At: f.now(), Status: 200, Address: netip.MustParseAddrPort("192.0.2.17:443"),
		Phases: controlplane.Phases{FirstByte: 1234 * time.Microsecond, Total: 1345 * time.Microsecond},
		RequestHeader: []controlplane.Header{
			{Name: "host", Value: "shop.example"}, {Name: "user-agent", Value: "unknownpay-webhooks/1.0"}, {Name: "content-length", Value: "273"},
			{Name: "content-type", Value: "application/json"}, {Name: "webhook-id", Value: c.EventID}, {Name: "webhook-timestamp", Value: "1790010000"},
			{Name: "webhook-signature", Value: "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4="},
		},
		ResponseHeader: []controlplane.Header{{Name: "Date", Value: "Wed, 01 Jul 2026 12:00:00 GMT"}, {Name: "Content-Length", Value: "0"}},
	}
}
