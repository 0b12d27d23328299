package delivery

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// Config is what an [Engine] is made of and keeps for its life. Store, Sealer,
// Clock and Random are required.
type Config struct {
	Store  controlplane.Store
	Sealer controlplane.Sealer
	Clock  func() time.Time
	// Random spreads retries; it must be safe for concurrent use.
	Random io.Reader
	Limits Limits
	// Lease is how long what this engine has claimed stays its own without word from
	// it, 20 s at least: several engines share the database, by clocks that differ by
	// less than 5 s. 0: it is the only one, and claims end with it. [Lease] is the
	// preset for several.
	Lease time.Duration
}

// Limits bound what an engine does at once. The zero value of each means its
// preset.
type Limits struct {
	// Slots is how many attempts run at once: 256. A quarter of them is for
	// endpoints that are slow, failing or not yet known to be neither.
	Slots int
	// PerEndpoint is how many run at once to one endpoint: 8.
	PerEndpoint int
	// Claims and Bytes bound the deliveries held in memory: 8,192 of them, with
	// 64 MiB of bodies. What does not fit waits in the store.
	Claims int
	Bytes  int
	// Queue bounds those of one endpoint: 256.
	Queue int
}

func (l Limits) withPresets() Limits {
	preset := func(n *int, value int) {
		if *n <= 0 {
			*n = value
		}
	}
	preset(&l.Slots, 256)
	preset(&l.PerEndpoint, 8)
	preset(&l.Claims, 8192)
	preset(&l.Bytes, 64<<20)
	preset(&l.Queue, 256)
	return l
}

// Operations are those of [controlplane.Service] that an engine carries out.
type Operations interface {
	DisableEndpoint(ctx context.Context, a controlplane.Actor, in controlplane.DisableEndpoint) (controlplane.Endpoint, error)
	StepReplays(ctx context.Context) (more bool, err error)
	NoteEndpoint(ctx context.Context, n controlplane.EndpointNotice) error
}

// Settings are what a configuration lends to an engine. They can be replaced while
// it runs; attempts that have begun end with what they began with.
type Settings struct {
	Sender     Sender
	Operations Operations
	Log        *zap.Logger
}

// Engine delivers. There is one for each database of one process, however many
// configurations come and go.
type Engine struct {
	store    controlplane.Store
	sealer   controlplane.Sealer
	clock    func() time.Time
	random   io.Reader
	lease    time.Duration
	limits   Limits
	settings atomic.Pointer[Settings]

	mu sync.Mutex
	// running is false before Start and from Stop on: nothing is begun. From
	// starting on it is noted what waits in the store: an event may be committed
	// after Start has read the backlogs.
	starting  bool
	running   bool
	endpoints map[int64]*endpoint
	fast      rotation
	slow      rotation
	fastBusy  int
	slowBusy  int
	slowTurn  bool
	// claims and bytes are what is held in memory: reserved, queued and in flight.
	claims  int
	bytes   int
	looks   lookHeap
	release []controlplane.Claim
	health  healthCounts
	dirty   map[int64]*endpoint // conditions to write
	changed map[int64]*endpoint // breakers that opened or closed, and who should be told
	chores  chores

	lookNow   chan struct{} // wakes the loader
	recordNow chan struct{} // wakes the recorder
	choreNow  chan struct{} // wakes the keeper
	results   chan outcome

	// attempts end when cut is called; loops when stop is.
	attemptContext context.Context
	cut            context.CancelFunc
	stop           context.CancelFunc
	attempts       sync.WaitGroup
	loops          sync.WaitGroup
	recorder       chan struct{} // closed when the recorder has ended
}

// New puts an engine together. It begins nothing.
func New(c Config) (*Engine, error) {
	if c.Store == nil || c.Sealer == nil || c.Clock == nil || c.Random == nil {
		return nil, errors.New("delivery engine: a part is missing")
	}
	if c.Lease != 0 && c.Lease < minLease {
		return nil, fmt.Errorf("delivery engine: a lease of %s is over before an attempt may be; give %s or more", c.Lease, minLease)
	}
	return &Engine{
		store: c.Store, sealer: c.Sealer, clock: c.Clock, random: c.Random, lease: c.Lease, limits: c.Limits.withPresets(),
		endpoints: map[int64]*endpoint{}, fast: newRotation(), slow: newRotation(), health: healthCounts{}, dirty: map[int64]*endpoint{}, changed: map[int64]*endpoint{}, chores: newChores(),
		lookNow: make(chan struct{}, 1), recordNow: make(chan struct{}, 1), choreNow: make(chan struct{}, 1),
	}, nil
}

var _ controlplane.Dispatcher = (*Engine)(nil)

// Configure lends the engine what a configuration has made. It is called before
// Start, and again by each new configuration.
func (e *Engine) Configure(s Settings) error {
	if s.Sender == nil || s.Operations == nil || s.Log == nil {
		return errors.New("delivery engine: a setting is missing")
	}
	e.settings.Store(&s)
	return nil
}

// Limit replaces the limits, for what is begun from now on.
func (e *Engine) Limit(l Limits) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.limits = l.withPresets()
	for _, ep := range e.endpoints {
		ep.limit = min(ep.limit, e.limits.PerEndpoint)
	}
}

// Start takes back what was in flight when the process ended before, and begins to
// deliver. The engine may be started again after Stop.
func (e *Engine) Start(ctx context.Context) error {
	if e.settings.Load() == nil {
		return errors.New("delivery engine: start without settings")
	}
	e.mu.Lock()
	already := e.starting
	e.starting = true
	e.mu.Unlock()
	if already {
		return errors.New("delivery engine: it runs already")
	}
	backlogs, unhealthy, err := e.recover(ctx)
	e.mu.Lock()
	defer e.mu.Unlock()
	if err != nil {
		e.standStill()
		return fmt.Errorf("start the delivery engine: %w", err)
	}
	e.running = true
	e.results = make(chan outcome, maxWaiting)
	e.recorder = make(chan struct{})
	e.attemptContext, e.cut = context.WithCancel(context.WithoutCancel(ctx))
	loops, stop := context.WithCancel(context.WithoutCancel(ctx))
	e.stop = stop
	for _, c := range unhealthy {
		ep := e.endpoint(c.EndpointRow, c.MerchantID)
		ep.remember(c, e.now())
		e.changed[ep.row] = ep
	}
	for _, b := range backlogs {
		e.takeUp(b)
	}
	for _, ep := range e.endpoints {
		e.look(ep) // some were changed while the engine stood still
	}
	e.chores.replays = true
	if e.lease > 0 {
		e.loops.Go(func() { e.share(loops) })
	}
	go e.record()
	e.loops.Go(func() { e.load(loops) })
	e.loops.Go(func() { e.keep(loops) })
	return nil
}

func (e *Engine) recover(ctx context.Context) (backlogs []controlplane.Backlog, unhealthy []controlplane.EndpointCondition, err error) {
	err = e.store.Update(controlplane.Concurrent(ctx), func(tx controlplane.Tx) error {
		if _, err := tx.RecoverDeliveries(ctx, e.lapsed()); err != nil {
			return err
		}
		if unhealthy, err = tx.UnhealthyEndpoints(ctx, e.now()); err != nil {
			return err
		}
		backlogs, err = tx.Backlogs(ctx)
		return err
	})
	return backlogs, unhealthy, err
}

// Stop begins nothing more, lets running attempts end until ctx does, cuts off
// those that are left, and writes everything down. What was cut off is attempted
// again after the next start. A second call does nothing.
func (e *Engine) Stop(ctx context.Context) {
	e.mu.Lock()
	if !e.running {
		e.mu.Unlock()
		return
	}
	e.running = false
	for _, ep := range e.endpoints {
		e.empty(ep)
	}
	e.mu.Unlock()
	e.stop()
	e.loops.Wait()
	cancel := context.AfterFunc(ctx, e.cut)
	e.attempts.Wait()
	cancel()
	e.cut()
	close(e.results)
	<-e.recorder
	e.mu.Lock()
	defer e.mu.Unlock()
	e.standStill()
}

// standStill forgets what the next start reads anew. The lock is held.
func (e *Engine) standStill() {
	e.starting, e.looks, e.fast, e.slow = false, nil, newRotation(), newRotation()
	for _, ep := range e.endpoints {
		// One that was about to be disabled may not have been: its next failure asks again.
		ep.stored, ep.index, ep.turning, ep.condemned = [lanes]time.Time{}, -1, false, false
	}
}

// now has the resolution of the store.
func (e *Engine) now() time.Time { return e.clock().UTC().Truncate(time.Microsecond) }

func (e *Engine) log() *zap.Logger { return e.settings.Load().Log }

// poke wakes a loop that is not awake yet.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
