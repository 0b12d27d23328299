package delivery_test

import (
	"context"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/delivery"
	"github.com/unknownpay/merchant-gateway/controlplane/store"
)

const (
	// soakTime is how long events come in; WEBHOOK_SOAK=10m makes a soak of it.
	soakTime = 4 * time.Second
	soakEnv  = "WEBHOOK_SOAK"
	soakRate = 500 // events a second
	// soakTerms is how many times 90 days, as long as payloads are kept, pass
	// meanwhile: the soak's clock goes fast.
	soakTerms = 10
	// soakReads is how many transactions each reader holds, one after the other.
	soakReads = 5
	// maxLog is where reads are ended, and what may be written until that is noticed.
	maxLog = (320 + 64 + 16) << 20
	// slack is what a database may differ by from one time to another.
	slack = 32 << 20
)

// Events at a steady rate, and readers one of which holds a transaction at any
// time, let neither the write-ahead log grow without end nor the database.
func TestSoakStaysBounded(t *testing.T) {
	d := soakTime
	if text := os.Getenv(soakEnv); text != "" {
		var err error
		if d, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	s := newSoak(t, d)
	defer s.close()
	s.start()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	var all sync.WaitGroup
	all.Go(func() { s.handIn(ctx) })
	for i := range 2 {
		all.Go(func() { s.readOn(ctx, d/soakReads, time.Duration(i)*d/soakReads/2) })
	}
	for ctx.Err() == nil {
		time.Sleep(d / 200)
		s.engine.Purge(t.Context())
		s.sample()
	}
	all.Wait()
	s.settled(s.endpoint)
	s.judge()
}

type soak struct {
	*plant
	endpoint controlplane.Endpoint
	sizes    []store.Stats

	mu sync.Mutex
	// handed is how many events were taken in, reads and ended how many transactions
	// were held, and ended for it.
	handed, reads, ended int
}

func newSoak(t *testing.T, d time.Duration) *soak {
	began := time.Now()
	const term = 90 * 24 * time.Hour
	speed := soakTerms * float64(term) / float64(d)
	clock := func() time.Time { return began.Add(time.Duration(speed * float64(time.Since(began)))) }
	p := openPlantAt(t, t.TempDir(), delivery.Limits{}, clock)
	p.must(p.engine.Configure(delivery.Settings{Sender: steadySender{}, Operations: p.Service, Log: p.log}))
	return &soak{plant: p, endpoint: p.shop()}
}

// steadySender answers after 2 ms, and keeps nothing.
type steadySender struct{}

func (steadySender) Send(_ context.Context, r delivery.Request) delivery.Result {
	time.Sleep(2 * time.Millisecond)
	return delivery.Result{
		Status: 200, Body: []byte(`{"ok":true}`), Phases: controlplane.Phases{Total: 2 * time.Millisecond},
		RequestHeader: []controlplane.Header{{Name: "webhook-id", Value: r.EventID}, {Name: "content-type", Value: "application/json"}},
		Header:        []controlplane.Header{{Name: "Date", Value: "Mon, 01 Jan 2026 00:00:00 GMT"}, {Name: "Content-Length", Value: "11"}},
	}
}

// handIn takes events in at the rate, from a few backends at once.
func (s *soak) handIn(ctx context.Context) {
	const backends = 4
	var all sync.WaitGroup
	start := time.Now()
	for b := range backends {
		all.Go(func() {
			for i := b; ctx.Err() == nil; i += backends {
				time.Sleep(time.Until(start.Add(time.Duration(i) * time.Second / soakRate)))
				s.ingest(s.endpoint.MerchantID, 1)
				s.mu.Lock()
				s.handed++
				s.mu.Unlock()
			}
		})
	}
	all.Wait()
}

// readOn holds one transaction after the other.
func (s *soak) readOn(ctx context.Context, hold, wait time.Duration) {
	for pause(ctx, wait); ctx.Err() == nil; {
		err := s.store.View(s.Context(), func(tx controlplane.Tx) error {
			for until := time.Now().Add(hold); time.Now().Before(until) && ctx.Err() == nil; pause(ctx, hold/100) {
				if _, err := tx.EndpointTarget(s.Context(), s.endpoint.Row); err != nil {
					return err
				}
			}
			return nil
		})
		s.mu.Lock()
		if s.reads++; controlplane.CodeOf(err) == controlplane.CodeUnavailable {
			s.ended, err = s.ended+1, nil
		}
		s.mu.Unlock()
		if err != nil {
			s.Error(err)
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

func (s *soak) sample() {
	s.Helper()
	now, err := s.store.Stats(s.Context())
	s.must(err)
	s.sizes = append(s.sizes, now)
}

func (s *soak) judge() {
	s.Helper()
	third := len(s.sizes) / 3
	largest := func(sizes []store.Stats) (file, log int64) {
		for _, size := range sizes {
			file, log = max(file, size.FileBytes), max(log, size.WALBytes)
		}
		return file, log
	}
	_, log := largest(s.sizes)
	middle, _ := largest(s.sizes[third : 2*third])
	end, _ := largest(s.sizes[2*third:])
	s.Logf("%d events, %d transactions held, %d of them ended; the log had at most %d MiB, the database %d MiB in the middle and %d MiB in the end",
		s.handed, s.reads, s.ended, log>>20, middle>>20, end>>20)
	if log > maxLog {
		s.Errorf("the log had %d bytes", log)
	}
	if end > middle+middle/5+slack {
		s.Errorf("the database grew from %d to %d bytes", middle, end)
	}
}
