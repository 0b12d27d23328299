package caddymodule

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/account"
	"github.com/unknownpay/merchant-gateway/controlplane/delivery"
	"github.com/unknownpay/merchant-gateway/controlplane/keyring"
	"github.com/unknownpay/merchant-gateway/controlplane/lastgood"
	"github.com/unknownpay/merchant-gateway/controlplane/outbox"
	"github.com/unknownpay/merchant-gateway/controlplane/store"
)

// node is the open data of a gateway. Caddy is not needed to open one: the
// command line does so when no server runs.
type node struct {
	service *controlplane.Service
	db      *store.DB
	ring    *ring
	// Of a running server only; nil in a node of the command line.
	follower *controlplane.Follower
	replay   nonces
	usage    *usage
	requests *requestLog
	beat     *heartbeat
	accounts *accounts // of merchants' users
	staff    *accounts

	// engine runs while a started configuration delivers.
	engine  *delivery.Engine
	hasher  *account.Hasher
	sending *sync.WaitGroup

	// kept is what a server began with while its database was away, until the follower
	// has it.
	standby standby
	kept    lastgood.Record

	stop context.CancelFunc
	done chan struct{} // closed when the follower has ended
}

// nodeConfig says what to open.
type nodeConfig struct {
	store storeGuest
	// keyring is the path of the root key file; empty is root.key in the directory
	// of the store.
	keyring string
	rules   controlplane.Rules
}

func (c nodeConfig) rootPath() (string, error) {
	if c.keyring != "" {
		return c.keyring, nil
	}
	return defaultRootPath(c.store)
}

// openNode opens the database (and makes it, and its root key, the first time)
// and puts the service on top of it. Only one process can have a database open;
// the error says which one has.
func openNode(ctx context.Context, c nodeConfig) (*node, error) {
	rootPath, err := c.rootPath()
	if err != nil {
		return nil, err
	}
	db, err := c.store.open(ctx)
	if err != nil {
		return nil, err
	}
	n := &node{db: db, sending: new(sync.WaitGroup), hasher: account.NewHasher(account.HasherConfig{})}
	if n.standby, err = c.standby(); err == nil {
		n.ring, err = openRing(ctx, db, rootPath, time.Now)
	}
	if err == nil {
		err = n.assemble(c.rules)
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return n, nil
}

// assemble puts the engine and the service on top of the data.
func (n *node) assemble(rules controlplane.Rules) (err error) {
	config := delivery.Config{Store: n.db, Sealer: n.ring, Clock: time.Now, Random: rand.Reader}
	if n.db.Shared() {
		config.Lease = delivery.Lease
	}
	if n.engine, err = delivery.New(config); err != nil {
		return err
	}
	n.service, err = n.newService(rules, false, nil)
	return err
}

// ringAt is the open ring for a configuration that may say that the root key now
// lies elsewhere. It has to lie there: what is opened now is to open again after
// the next restart.
func (n *node) ringAt(c nodeConfig) (*ring, error) {
	path, err := c.rootPath()
	if err != nil || path == n.ring.rootPath {
		return n.ring, err
	}
	if _, err := keyring.FindRoot(path, n.ring.Status().RootID); err != nil {
		return nil, err
	}
	return &ring{Ring: n.ring.Ring, rootPath: path, newer: n.ring.newer}, nil
}

// newService puts a service on top of the data. With mail, people are told of what
// happens to their keys and endpoints. Without checkURL, no endpoint can be saved.
func (n *node) newService(rules controlplane.Rules, withMail bool, checkURL func(string) error) (*controlplane.Service, error) {
	parts := controlplane.Parts{
		Store: n.db, Sealer: n.ring, Hasher: n.hasher,
		Clock: time.Now, Random: rand.Reader, Rules: rules, Dispatcher: n.engine, CheckURL: checkURL, Diagnose: n.diagnose,
	}
	if withMail {
		parts.NotifyKey, parts.NotifyEndpoint, parts.NotifyApproval = outbox.NotifyKey, outbox.NotifyEndpoint, outbox.NotifyApproval
	}
	return controlplane.NewService(parts)
}

// follow keeps a snapshot for requests and writes down what they used, until
// close. report is told what goes wrong.
func (n *node) follow(mail func() outbox.Transport, report func(what string, err error)) {
	ctx, cancel := context.WithCancel(context.Background())
	n.stop, n.done = cancel, make(chan struct{})
	if isServer() {
		n.hasher.HandOver(hasherCommand, func(err error) { report("hash a password in a process of its own; it is hashed in this one", err) })
	}
	var changed func()
	n.follower = controlplane.NewFollower(controlplane.FollowerConfig{
		Store: n.db, Sealer: n.ring, Clock: time.Now, MaxStale: n.standby.maxStale,
		OnError:  func(err error) { report("follow the control plane", err) },
		OnChange: func(*controlplane.Snapshot) { changed() },
	})
	if n.kept.Snapshot != nil {
		n.follower.Restore(n.kept.Snapshot, n.kept.ContactAt)
	}
	changed = n.keep(ctx, n.follower, report)
	n.kept = lastgood.Record{}
	n.usage = newUsage(n.service.RecordUse, func(err error) { report("write down the last uses", err) })
	n.requests = newRequestLog(n.service, func(err error) { report("write down the requests", err) })
	sender := outbox.Sender{Store: n.db, Transport: mail, Clock: time.Now, OnError: func(err error) { report("send mail", err) }}
	n.sending.Go(func() { sender.Run(ctx) })
	if n.db.Shared() {
		n.sending.Go(func() { n.beat.run(ctx) })
	}
	go func() {
		defer close(n.done)
		if err := n.follower.Run(ctx); !errors.Is(err, context.Canceled) {
			report("follow the control plane", err)
		}
	}()
}

// close ends what follow began and closes the database. The nonces have a
// directory, and so an end, of their own.
func (n *node) close() error {
	n.stopEngine()
	if n.stop != nil {
		n.stop()
		<-n.done
		n.sending.Wait()
		n.usage.close()
		n.hasher.Close()
		n.requests.close()
	}
	if err := n.db.Close(); err != nil {
		return fmt.Errorf("close the node: %w", err)
	}
	return nil
}
