package caddymodule

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/unknownpay/merchant-gateway/caddymodule/gate"
	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/outbox"
)

// dataSlot is the place in the pool for the open data of one database. Provision
// takes the slot without opening anything; the first Start opens it, and from
// then on every configuration that shares it finds it open. After a reload,
// requests therefore never wait for a snapshot.
type dataSlot struct {
	open    atomic.Pointer[node]
	opening sync.Mutex
	metrics *metrics
	bodies  bodies
	// refusals is one for all routes: they share the processors.
	refusals refusalPace

	tenants tenants[dataSettings]

	// delivering are those that deliver. The lock of opening guards engaged: the
	// engine runs.
	delivering tenants[deliverySettings]
	engaged    bool
	// engaging: something waits for the database to be there to run it.
	engaging bool
}

// dataSettings are what a started configuration lends to the data.
type dataSettings struct {
	logger *zap.Logger
	// bodyBudget is in bytes.
	bodyBudget int64
	// requestLog is nil if it is off.
	requestLog *requestLogSettings
	// mail is nil without a mail server.
	mail  outbox.Transport
	about nodeAbout
	// delivery is nil if the configuration does not deliver.
	delivery *deliverySettings
}

// takeDataSlot adds a reference; giveBack removes it.
func takeDataSlot(id dataID) (*dataSlot, error) {
	v, _, err := pool.LoadOrNew(id, func() (caddy.Destructor, error) { return &dataSlot{metrics: newMetrics()}, nil })
	if err != nil {
		return nil, err
	}
	return v.(*dataSlot), nil
}

// start opens the data, unless it is open, and puts the settings in force.
func (s *dataSlot) start(ctx context.Context, c nodeConfig, set *dataSettings) (*node, error) {
	s.opening.Lock()
	defer s.opening.Unlock()
	n := s.open.Load()
	if n == nil {
		var err error
		if n, err = s.openNode(ctx, c, set); err != nil {
			return nil, err
		}
	}
	s.tenants.enter(set)
	s.bodies.budget.limit.Store(set.bodyBudget)
	if s.open.Load() == nil {
		n.follow(s.mailServer, s.report)
		s.open.Store(n)
	}
	n.requests.set.Store(set.requestLog)
	return n, nil
}

func (s *dataSlot) openNode(ctx context.Context, c nodeConfig, set *dataSettings) (*node, error) {
	directory, err := c.store.directory()
	if err != nil {
		return nil, err
	}
	n, err := openServing(ctx, c, set.logger.Warn)
	if err != nil {
		return nil, err
	}
	n.beat = newHeartbeat(n, directory, s.about, func(err error) { s.report("tell the other servers of this one", err) })
	return n, nil
}

// stop takes the settings back. The data stays open for other configurations.
func (s *dataSlot) stop(set *dataSettings) error {
	s.tenants.leave(set)
	if stays := s.tenants.newest(); stays != nil {
		s.bodies.budget.limit.Store(stays.bodyBudget)
		if n := s.open.Load(); n != nil {
			n.requests.set.Store(stays.requestLog)
		}
	}
	return s.stopDelivering(set.delivery)
}

// accepted takes note of a request that passed.
func (s *dataSlot) accepted(d *decision, r *http.Request) {
	f := &d.facts
	s.metrics.accepted(f.Environment)
	if n := s.open.Load(); n != nil {
		n.usage.note(f.KeyID, f.AllowlistRow, d.begun, f.ClientIP)
		n.requests.accepted(d, r)
	}
}

// refused takes note of one that did not.
func (s *dataSlot) refused(d *decision, r *http.Request, refusal *gate.Refusal, snapshot *controlplane.Snapshot, enforced bool) {
	s.metrics.refused(refusal, enforced)
	if n := s.open.Load(); n != nil {
		n.requests.refused(d, r, refusal, snapshot, enforced)
	}
}

// about is what the configuration in force makes of this server.
func (s *dataSlot) about() nodeAbout {
	if set := s.tenants.newest(); set != nil {
		return set.about
	}
	return nodeAbout{}
}

// report logs by whichever configuration is in force.
func (s *dataSlot) report(what string, err error) {
	logger := caddy.Log()
	if set := s.tenants.newest(); set != nil {
		logger = set.logger
	}
	logger.Error(what, zap.Error(err))
}

// Destruct closes the data; the last configuration has given the slot back.
func (s *dataSlot) Destruct() error {
	s.opening.Lock()
	defer s.opening.Unlock()
	// Requests that are still on their way find nothing, rather than a snapshot that
	// nobody keeps up to date.
	if n := s.open.Swap(nil); n != nil {
		return n.close()
	}
	return nil
}
