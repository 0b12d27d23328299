package caddymodule

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/netip"
	"os"
	"time"

	"go.uber.org/zap"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/delivery"
)

// Delivery sends events to merchants' endpoints as signed webhooks. Without it this
// server takes events in and leaves them in the database, and no endpoint can be
// saved on it.
//
// A merchant chooses where events are sent, so only HTTPS to public addresses is
// allowed at first, and never to what this server itself listens on.
type Delivery struct {
	// How many webhooks are sent at once, 1 to 10000. A quarter of them is for
	// endpoints that are slow or failing, so that those do not hold up the others.
	//
	// Default: 256.
	Workers int `json:"workers,omitempty"`

	// How many webhooks are sent at once to one endpoint, 1 to 100.
	//
	// Default: 8.
	PerEndpoint int `json:"per_endpoint,omitempty"`

	// How many bytes of events wait in memory. What does not fit waits in the
	// database, which takes longer. At least 1048576 (1 MiB).
	//
	// Default: 67108864 (64 MiB).
	Memory int64 `json:"memory,omitempty"`

	// The ports that endpoints may have.
	//
	// Default: 443.
	AllowedPorts []uint16 `json:"allowed_ports,omitempty"`

	// Ranges that are not public and may have endpoints all the same, for receivers
	// of the operator's own. They have to lie within 127.0.0.0/8, 10.0.0.0/8,
	// 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10, ::1/128 or fc00::/7. Whoever may
	// save an endpoint can make this server send a request to any address in them.
	//
	// Default: none.
	AllowedPrivateRanges []netip.Prefix `json:"allowed_private_ranges,omitempty"`

	// Files of certificates in PEM: authorities that may sign endpoints' certificates
	// beside those that the system trusts. They are read at each start and reload.
	//
	// Default: none.
	TrustedCACerts []string `json:"trusted_ca_certs,omitempty"`
}

// userAgent is sent with every webhook.
const userAgent = "UnknownPay-Webhooks/1.0"

const (
	maxWorkers        = 10_000
	maxPerEndpoint    = 100
	minDeliveryMemory = 1 << 20
)

func (d *Delivery) validate() error {
	switch {
	case d == nil:
		return nil
	case d.Workers < 0 || d.Workers > maxWorkers:
		return fmt.Errorf("delivery: workers is %d; give 1 to %d", d.Workers, maxWorkers)
	case d.PerEndpoint < 0 || d.PerEndpoint > maxPerEndpoint:
		return fmt.Errorf("delivery: per_endpoint is %d; give 1 to %d", d.PerEndpoint, maxPerEndpoint)
	case d.Memory != 0 && d.Memory < minDeliveryMemory:
		return fmt.Errorf("delivery: memory is %d bytes; it needs room for a few events: give 1MiB or more", d.Memory)
	}
	if _, err := delivery.NewGuard(d.rules(nil)); err != nil {
		return fmt.Errorf("delivery: %w", err)
	}
	return nil
}

func (d *Delivery) rules(own []netip.AddrPort) delivery.GuardRules {
	return delivery.GuardRules{Ports: d.AllowedPorts, PrivateRanges: d.AllowedPrivateRanges, Own: own}
}

// roots is nil when the system's authorities are all there are.
func (d *Delivery) roots() (*x509.CertPool, error) {
	if len(d.TrustedCACerts) == 0 {
		return nil, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("read the authorities that the system trusts: %w", err)
	}
	for _, file := range d.TrustedCACerts {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("trusted_ca_certs: %w", err)
		}
		if !pool.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("trusted_ca_certs: there is no certificate in %s", file)
		}
	}
	return pool, nil
}

// deliverySettings are what a started configuration lends to the engine.
type deliverySettings struct {
	limits delivery.Limits
	guard  *delivery.Guard
	sender *delivery.HTTPSender
	lent   delivery.Settings
}

// settings makes what sends, but dials nothing. It is nil when the configuration
// does not deliver.
func (d *Delivery) settings(own func() ([]netip.AddrPort, error)) (*deliverySettings, error) {
	if d == nil {
		return nil, nil
	}
	addresses, err := own()
	if err != nil {
		return nil, fmt.Errorf("delivery: %w", err)
	}
	guard, err := delivery.NewGuard(d.rules(addresses))
	if err != nil {
		return nil, fmt.Errorf("delivery: %w", err)
	}
	roots, err := d.roots()
	if err != nil {
		return nil, fmt.Errorf("delivery: %w", err)
	}
	sender, err := delivery.NewHTTPSender(delivery.SenderConfig{Guard: guard, UserAgent: userAgent, Roots: roots})
	if err != nil {
		return nil, fmt.Errorf("delivery: %w", err)
	}
	limits := delivery.Limits{Slots: d.Workers, PerEndpoint: d.PerEndpoint, Bytes: int(d.Memory)}
	return &deliverySettings{limits: limits, guard: guard, sender: sender}, nil
}

// checkURL is nil when the configuration does not deliver.
func (s *deliverySettings) checkURL() func(string) error {
	if s == nil {
		return nil
	}
	return s.guard.CheckURL
}

// deliver lends the settings of a configuration to the engine, and starts it if it
// does not run.
func (s *dataSlot) deliver(n *node, set *deliverySettings, service *controlplane.Service, log *zap.Logger) error {
	if set == nil {
		return nil
	}
	s.opening.Lock()
	defer s.opening.Unlock()
	set.lent = delivery.Settings{Sender: countingSender{set.sender, s.metrics.webhooks.attempts}, Operations: service, Log: log}
	s.delivering.enter(set)
	return s.engage(n)
}

// stopDelivering takes the settings of a configuration back. The engine goes on
// with those of another one, or stops if there is none.
func (s *dataSlot) stopDelivering(set *deliverySettings) error {
	if set == nil {
		return nil
	}
	s.opening.Lock()
	defer s.opening.Unlock()
	s.delivering.leave(set)
	var err error
	if n := s.open.Load(); n != nil {
		err = s.engage(n)
	}
	set.sender.Close()
	return err
}

// engage makes the engine run, or not, by the newest settings. The lock is held.
func (s *dataSlot) engage(n *node) error {
	set := s.delivering.newest()
	if set == nil {
		n.stopEngine()
		s.engaged = false
		return nil
	}
	n.engine.Limit(set.limits)
	if err := n.engine.Configure(set.lent); err != nil || s.engaged {
		return err
	}
	err := n.engine.Start(context.Background())
	s.engaged = err == nil
	if n.standby.path != "" && controlplane.CodeOf(err) == controlplane.CodeUnavailable {
		s.engageLater(n)
		return nil
	}
	return err
}

// deliveryPatience is how long a stop waits for attempts that are under way. Those
// that it cuts off are made again after the next start, which their receivers
// recognise by the id.
const deliveryPatience = 10 * time.Second

func (n *node) stopEngine() {
	ctx, cancel := context.WithTimeout(context.Background(), deliveryPatience)
	defer cancel()
	n.engine.Stop(ctx)
}
