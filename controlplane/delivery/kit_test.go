package delivery_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/delivery"
	"github.com/unknownpay/merchant-gateway/controlplane/keyring"
	"github.com/unknownpay/merchant-gateway/controlplane/outbox"
	"github.com/unknownpay/merchant-gateway/controlplane/store"
)

// plant is an engine among real parts: a database, a keyring and the service. Only the other end is played.
type plant struct {
	testing.TB
	*controlplane.Service
	engine   *delivery.Engine
	store    *store.DB
	ring     *keyring.Ring
	receiver *receiver
	notices  *notices
	log      *zap.Logger
}

// receiver plays every endpoint. It is a delivery.Sender.
type receiver struct {
	mu     sync.Mutex
	answer func(delivery.Request) delivery.Result
	seen   []seen
	// latency is how long an answer takes.
	latency time.Duration
}

type seen struct {
	delivery.Request
	result delivery.Result
}

func (r *receiver) Send(ctx context.Context, req delivery.Request) delivery.Result {
	r.mu.Lock()
	answer, latency := r.answer, r.latency
	r.mu.Unlock()
	start := time.Now()
	if latency > 0 {
		select {
		case <-time.After(latency):
		case <-ctx.Done():
			return delivery.Result{Fault: controlplane.FaultTimeout}
		}
	}
	result := answer(req)
	result.Phases.Total = time.Since(start)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, seen{req, result})
	return result
}

func (r *receiver) answers(fn func(delivery.Request) delivery.Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = fn
}

// takes sets how long an answer takes.
func (r *receiver) takes(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.latency = d
}

// got is every attempt so far.
func (r *receiver) got() []seen {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]seen(nil), r.seen...)
}

func (r *receiver) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = nil
}

func status(code int, header ...controlplane.Header) func(delivery.Request) delivery.Result {
	return func(delivery.Request) delivery.Result {
		result := delivery.Result{Status: code, Header: header}
		if code < 200 || code > 299 {
			result.Fault = controlplane.FaultStatus
		}
		return result
	}
}

// notices are what the service told the merchant's people.
type notices struct {
	mu  sync.Mutex
	all []controlplane.EndpointNotice
	// failures is how many are refused before one is taken.
	failures int
}

func (n *notices) notify(ctx context.Context, tx controlplane.Tx, notice controlplane.EndpointNotice) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.failures > 0 {
		n.failures--
		return errors.New("no notice now")
	}
	n.all = append(n.all, notice)
	return outbox.NotifyEndpoint(ctx, tx, notice)
}

func (n *notices) fail(times int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.failures = times
}

func (n *notices) kinds() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var text []string
	for _, notice := range n.all {
		text = append(text, string(notice.Kind))
	}
	return strings.Join(text, " ")
}

// newPlant opens everything but does not start the engine. Inside a synctest
// bubble everything lives in its time.
func newPlant(tb testing.TB, limits delivery.Limits) *plant {
	tb.Helper()
	return openPlant(tb, tb.TempDir(), limits)
}

func openPlant(tb testing.TB, dir string, limits delivery.Limits) *plant {
	tb.Helper()
	return openPlantAt(tb, dir, limits, time.Now)
}

func openPlantAt(tb testing.TB, dir string, limits delivery.Limits, clock func() time.Time) *plant {
	tb.Helper()
	p := &plant{TB: tb, receiver: &receiver{answer: status(200)}, notices: &notices{}, log: zap.NewNop()}
	if _, bench := tb.(*testing.B); !bench {
		p.log = zaptest.NewLogger(tb, zaptest.Level(zap.WarnLevel))
	}
	var err error
	p.store, err = store.OpenSQLite(tb.Context(), store.SQLiteConfig{Path: filepath.Join(dir, "control.db")})
	p.must(err)
	p.ring = openRing(p, filepath.Join(dir, "root.key"))
	p.assembleAt(limits, clock)
	return p
}

// assemble puts an engine and a service on top of the data, as a restart does.
func (p *plant) assemble(limits delivery.Limits) {
	p.Helper()
	p.assembleAt(limits, time.Now)
}

func (p *plant) assembleAt(limits delivery.Limits, clock func() time.Time) {
	p.Helper()
	var err error
	config := delivery.Config{Store: p.store, Sealer: p.ring, Clock: clock, Random: rand.Reader, Limits: limits}
	if p.store.Shared() {
		config.Lease = delivery.Lease
	}
	p.engine, err = delivery.New(config)
	p.must(err)
	p.serve(clock)
}

// serve puts a service in front of the engine.
func (p *plant) serve(clock func() time.Time) {
	p.Helper()
	var err error
	p.Service, err = controlplane.NewService(controlplane.Parts{
		Store: p.store, Sealer: p.ring, Hasher: noHasher{}, Clock: clock, Random: rand.Reader,
		Dispatcher: p.engine, CheckURL: func(string) error { return nil }, NotifyEndpoint: p.notices.notify,
	})
	p.must(err)
	p.must(p.engine.Configure(delivery.Settings{Sender: p.receiver, Operations: p.Service, Log: p.log}))
}

func openRing(p *plant, path string) *keyring.Ring {
	p.Helper()
	root, err := keyring.LoadOrCreateRoot(path, rand.Reader)
	p.must(err)
	var stored []keyring.WrappedKey
	p.view(func(ctx context.Context, tx controlplane.Tx) error {
		keys, err := tx.DataKeys(ctx)
		for _, k := range keys {
			stored = append(stored, keyring.WrappedKey(k))
		}
		return err
	})
	ring, err := keyring.Open(root, stored)
	p.must(err)
	if len(stored) == 0 {
		k, err := ring.NewDataKey(controlplane.PurposeWebhookSecret, time.Now())
		p.must(err)
		p.update(func(ctx context.Context, tx controlplane.Tx) error {
			return tx.PutDataKey(ctx, controlplane.DataKey(k))
		})
		p.must(ring.Add(k))
	}
	return ring
}

type noHasher struct{}

func (noHasher) Hash(context.Context, controlplane.Secret) (controlplane.Secret, error) {
	return controlplane.NewSecret("$hash$"), nil
}

func (p *plant) must(err error) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
}

func (p *plant) start() { p.Helper(); p.must(p.engine.Start(p.Context())) }

// stop lets attempts end, at most for 20 s.
func (p *plant) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	p.engine.Stop(ctx)
}

func (p *plant) close() {
	p.stop()
	if err := p.store.Close(); err != nil {
		p.Error(err)
	}
}

func (p *plant) view(fn func(ctx context.Context, tx controlplane.Tx) error) {
	p.Helper()
	p.must(p.store.View(p.Context(), func(tx controlplane.Tx) error { return fn(p.Context(), tx) }))
}

func (p *plant) update(fn func(ctx context.Context, tx controlplane.Tx) error) {
	p.Helper()
	p.must(p.store.Update(p.Context(), func(tx controlplane.Tx) error { return fn(p.Context(), tx) }))
}

func root() controlplane.Actor { return controlplane.LocalActor("root") }

func ledger() controlplane.Actor {
	return controlplane.Actor{Kind: controlplane.ActorSystem, ID: "svt_1", Name: "ledger", Role: controlplane.RoleService}
}

func (p *plant) merchant() string {
	p.Helper()
	m, err := p.CreateMerchant(p.Context(), root(), controlplane.CreateMerchant{Name: "Shop"})
	p.must(err)
	return m.ID
}

// shop is a merchant with one endpoint.
func (p *plant) shop() controlplane.Endpoint {
	p.Helper()
	return p.endpointOf(p.merchant())
}

func (p *plant) endpointOf(merchantID string) controlplane.Endpoint {
	p.Helper()
	e, err := p.CreateEndpoint(p.Context(), root(), controlplane.CreateEndpoint{
		MerchantID: merchantID, Environment: controlplane.Live, URL: "https://" + strings.ToLower(rand.Text()) + ".example.com/hook",
	})
	p.must(err)
	return e.Endpoint
}

// ingest hands n events in and returns their ids.
func (p *plant) ingest(merchantID string, n int) (ids []string) {
	p.Helper()
	for n > 0 {
		batch := make([]controlplane.IngestEvent, min(n, controlplane.MaxEventBatch))
		for i := range batch {
			batch[i] = newEvent(merchantID)
		}
		out, err := p.IngestEvents(p.Context(), ledger(), batch)
		p.must(err)
		for _, e := range out {
			ids = append(ids, e.ID)
		}
		n -= len(batch)
	}
	return ids
}

func newEvent(merchantID string) controlplane.IngestEvent {
	return controlplane.IngestEvent{
		MerchantID: merchantID, Environment: controlplane.Live, Type: controlplane.EventDepositSuccess, IdempotencyKey: rand.Text(),
		Data: json.RawMessage(`{"id":"dep_1","amount":"10.00","currency":"THB"}`),
	}
}

// written waits until all that was sent is written down too.
func written() {
	synctest.Wait()
	time.Sleep(delivery.RecordLinger)
	synctest.Wait()
}

// states counts a merchant's deliveries by state.
func (p *plant) states(e controlplane.Endpoint) map[controlplane.DeliveryState]int {
	p.Helper()
	counts := map[controlplane.DeliveryState]int{}
	for _, d := range p.deliveries(e) {
		counts[d.State]++
	}
	return counts
}

// deliveries lists all of an endpoint, newest first.
func (p *plant) deliveries(e controlplane.Endpoint) (all []controlplane.Delivery) {
	p.Helper()
	f := controlplane.DeliveryFilter{MerchantID: e.MerchantID, Environment: e.Environment, EndpointID: e.ID, Limit: 1000}
	for {
		page, err := p.ListDeliveries(p.Context(), root(), f)
		p.must(err)
		all = append(all, page...)
		if len(page) < f.Limit {
			return all
		}
		f.Before = page[len(page)-1].ID
	}
}

func (p *plant) detail(d controlplane.Delivery) controlplane.DeliveryDetail {
	p.Helper()
	out, err := p.Delivery(p.Context(), root(), controlplane.DeliveryRef{MerchantID: d.MerchantID, DeliveryID: d.ID})
	p.must(err)
	return out
}

func (p *plant) look(e controlplane.Endpoint) controlplane.EndpointDetail {
	p.Helper()
	out, err := p.Endpoint(p.Context(), root(), controlplane.EndpointRef{MerchantID: e.MerchantID, EndpointID: e.ID})
	p.must(err)
	return out
}
