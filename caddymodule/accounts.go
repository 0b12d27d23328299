package caddymodule

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/account"
	"github.com/unknownpay/merchant-gateway/controlplane/outbox"
)

// AccountRules are about how merchants' users sign in.
type AccountRules struct {
	// Makes every user enrol a second factor before anything else.
	//
	// Default: false; users may, and their passwords then need not expire.
	RequireSecondFactor bool `json:"require_second_factor,omitempty"`

	// How long a password lives in an account without a second factor, at least a
	// day. -1 is for ever.
	//
	// Default: 90d, which PCI DSS 8.3.10.1 asks for.
	PasswordLife caddy.Duration `json:"password_life,omitempty"`
}

func (r AccountRules) validate() error {
	if r.PasswordLife > 0 && r.PasswordLife < caddy.Duration(24*time.Hour) {
		return errors.New("accounts: password_life is shorter than a day; people could not keep up")
	}
	return nil
}

const (
	// accountFlush is how often the time of a session's last page is written down: a
	// crash shortens the 15 minutes in which an idle session lives by so much.
	accountFlush = 5 * time.Second
	// accountSweep is how often ended sessions, counters and histories are deleted.
	accountSweep   = 5 * time.Minute
	accountTimeout = 10 * time.Second
)

// accounts lets merchants' users or the platform's staff sign in, and keeps house for
// as long as a configuration is in use.
type accounts struct {
	*account.Service
	lazyPages
	report func(what string, err error)
	stop   chan struct{}
	done   chan struct{}
}

func newAccounts(n *node, kind controlplane.ActorKind, rules AccountRules, withMail bool, report func(string, error)) (*accounts, error) {
	parts := account.Parts{
		Kind: kind, Store: n.db, Sealer: n.ring, Hasher: n.hasher, Clock: time.Now, Random: rand.Reader,
		Rules: account.Rules{PasswordLife: time.Duration(rules.PasswordLife), RequireSecondFactor: rules.RequireSecondFactor},
	}
	if withMail {
		parts.Notify = outbox.Notify
	}
	s, err := account.NewService(parts)
	if err != nil {
		return nil, err
	}
	a := &accounts{Service: s, report: report, stop: make(chan struct{}), done: make(chan struct{})}
	go a.keepHouse()
	return a, nil
}

func (a *accounts) keepHouse() {
	defer close(a.done)
	flush, sweep := time.NewTicker(accountFlush), time.NewTicker(accountSweep)
	defer flush.Stop()
	defer sweep.Stop()
	for {
		select {
		case <-flush.C:
			a.do("write down when sessions were used", a.Flush)
		case <-sweep.C:
			a.do("delete ended sessions", a.Sweep)
		case <-a.stop:
			a.do("write down when sessions were used", a.Flush)
			return
		}
	}
}

func (a *accounts) do(what string, work func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), accountTimeout)
	defer cancel()
	if err := work(ctx); err != nil {
		a.report(what, err)
	}
}

// close writes down what is left. Call it once, before the database closes.
func (a *accounts) close() {
	close(a.stop)
	<-a.done
}
