package delivery_test

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/delivery"
)

// BenchmarkIngest is how many events a second are durable, one at a time, without
// an engine that sends them.
func BenchmarkIngest(b *testing.B) {
	for _, producers := range []int{1, 64} {
		b.Run(strconv.Itoa(producers)+"_producers", func(b *testing.B) {
			p := newPlant(b, delivery.Limits{})
			defer p.close()
			e := p.shop()
			b.ResetTimer()
			produce(p, []controlplane.Endpoint{e}, producers, 1, b.N)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// BenchmarkIngestBatch is the same for batches of 100.
func BenchmarkIngestBatch(b *testing.B) {
	p := newPlant(b, delivery.Limits{})
	defer p.close()
	e := p.shop()
	b.ResetTimer()
	produce(p, []controlplane.Endpoint{e}, 8, 100, b.N)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkEngine is how many events a second go from ingest to a sender that
// answers at once, with everything written down.
func BenchmarkEngine(b *testing.B) {
	for _, endpoints := range []int{1, 100, 1000} {
		for _, batch := range []int{1, 100} {
			b.Run(fmt.Sprintf("%d_endpoints/batch_%d", endpoints, batch), func(b *testing.B) { benchmarkEngine(b, endpoints, batch) })
		}
	}
}

func benchmarkEngine(b *testing.B, endpoints, batch int) {
	p := newPlant(b, delivery.Limits{})
	defer p.close()
	all := make([]controlplane.Endpoint, endpoints)
	for i := range all {
		all[i] = p.shop()
	}
	var sent atomic.Int64
	done := make(chan struct{})
	p.must(p.engine.Configure(delivery.Settings{Sender: countingSender{&sent, int64(b.N), done}, Operations: p.Service, Log: p.log}))
	p.start()
	b.ResetTimer()
	produce(p, all, 64, batch, b.N)
	<-done
	p.stop()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
	delivered := 0
	for _, e := range all {
		delivered += p.states(e)[controlplane.DeliveryDelivered]
	}
	if delivered != b.N {
		b.Fatalf("%d of %d delivered", delivered, b.N)
	}
}

// countingSender answers at once.
type countingSender struct {
	sent *atomic.Int64
	want int64
	done chan struct{}
}

func (s countingSender) Send(_ context.Context, _ delivery.Request) delivery.Result {
	if s.sent.Add(1) == s.want {
		close(s.done)
	}
	return delivery.Result{
		Status: 200, Phases: controlplane.Phases{Total: time.Millisecond},
		RequestHeader: []controlplane.Header{{Name: "webhook-id", Value: "evt_01jh2y3d0000000000000000000"}, {Name: "webhook-timestamp", Value: "1790000000"}},
		Header:        []controlplane.Header{{Name: "Date", Value: "Mon, 01 Jan 2026 00:00:00 GMT"}, {Name: "Content-Length", Value: "0"}},
	}
}

// produce hands n events in, spread over endpoints, from many producers at once.
func produce(p *plant, endpoints []controlplane.Endpoint, producers, batch, n int) {
	p.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range producers {
		wg.Go(func() {
			for {
				from := next.Add(int64(batch)) - int64(batch)
				if from >= int64(n) {
					return
				}
				in := make([]controlplane.IngestEvent, min(int64(batch), int64(n)-from))
				for i := range in {
					in[i] = newEvent(endpoints[(int(from)+i)%len(endpoints)].MerchantID)
				}
				if _, err := p.IngestEvents(p.Context(), ledger(), in); err != nil {
					p.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
