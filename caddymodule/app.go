package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

const (
	// startTimeout bounds opening the data, a migration included.
	startTimeout = time.Minute
	// firstSnapshot is how long a start waits for the snapshot, so that the first
	// request is not refused; a million keys load in less than 5 s.
	firstSnapshot = 10 * time.Second
	// drainTimeout is how long a stop waits for requests that are being verified.
	drainTimeout = 5 * time.Second

	defaultBodyBudget = 256 << 20
)

// App holds the merchants: the database of the control plane, the keyring that
// seals its secrets, and the memory of used nonces. The merchant_auth handler
// needs it. There is one per configuration.
//
// Reloading the configuration does not reopen anything that keeps its place.
type App struct {
	// Where merchants, keys and allowlists are kept. Default: sqlite.
	StoreRaw json.RawMessage `json:"store,omitempty" caddy:"namespace=merchants.stores inline_key=module"`

	// What remembers the used nonces, so that a request cannot be sent twice.
	// Default: memory, which serves a single gateway.
	ReplayRaw json.RawMessage `json:"replay,omitempty" caddy:"namespace=merchants.replay inline_key=module"`

	// The path of the root key, which seals the secrets in the database: 32 random
	// bytes in base64, in a file that only the server's user (or root) can read. It
	// is made on the first start. Without it the database cannot be read: keep a
	// copy apart from the backups of the database. May be a systemd credential.
	//
	// Default: root.key beside the database.
	Keyring string `json:"keyring,omitempty"`

	// Let allowlists hold private, loopback and reserved ranges, for gateways
	// inside a private network and for trying things out. Entries that are there
	// stay when it is turned off again.
	//
	// Default: false.
	AllowPrivateRanges bool `json:"allow_private_ranges,omitempty"`

	// How many bytes of memory the bodies of requests that are being verified or
	// forwarded may take, over all routes. A request whose body does not fit is
	// refused with 503 AUTH_UNAVAILABLE.
	//
	// Default: 268435456 (256 MiB).
	BodyBudget int64 `json:"body_budget,omitempty"`

	// How merchants' users sign in to the portal.
	Accounts *AccountRules `json:"accounts,omitempty"`

	// The mail server for notices. Default: none, and nobody is told.
	Mail *Mail `json:"mail,omitempty"`

	// What is kept of requests, so that merchants can find out why one was refused.
	RequestLog *RequestLog `json:"request_log,omitempty"`

	// Sends events to merchants' endpoints. Default: this server does not.
	Delivery *Delivery `json:"delivery,omitempty"`

	// What people call this server where several share a database: up to 64 printable
	// characters.
	//
	// Default: the name of the machine.
	NodeName string `json:"node_name,omitempty"`

	// directives are those of the sites that use this app.
	directives []string
	// own is where this server listens; ask when every app is provisioned.
	own    func() ([]netip.AddrPort, error)
	store  storeGuest
	replay replayGuest
	logger *zap.Logger

	// What Provision took from the pool, and Cleanup gives back.
	dataID  dataID
	nonceID nonceID
	data    *dataSlot
	nonces  *nonceSlot

	leases        *leases
	dataSettings  *dataSettings
	nonceSettings *nonceSettings
	started       atomic.Pointer[node]
}

// CaddyModule returns the Caddy module information.
func (*App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "merchants", New: func() caddy.Module { return new(App) }}
}

// Provision reads the configuration. It opens, makes and changes nothing: "caddy
// validate" runs it beside a live server.
func (a *App) Provision(ctx caddy.Context) error {
	a.logger = ctx.Logger()
	a.own = func() ([]netip.AddrPort, error) { return ownAddresses(ctx) }
	a.leases = newLeases()
	if err := a.loadGuests(ctx); err != nil {
		return err
	}
	if a.BodyBudget == 0 {
		a.BodyBudget = defaultBodyBudget
	}
	a.dataSettings = &dataSettings{logger: a.logger, bodyBudget: a.BodyBudget, requestLog: a.RequestLog.settings()}
	a.nonceSettings = &nonceSettings{guest: a.replay}
	if err := a.takeSlots(); err != nil {
		return err
	}
	return a.data.metrics.register(ctx.GetMetricsRegistry(), newStateCollector(a), newQueueCollector(a))
}

// Validate refuses what could not work.
func (a *App) Validate() error {
	if a.BodyBudget < 1<<20 {
		return fmt.Errorf("body_budget is %d bytes; it needs room for at least one body: give 1MiB or more", a.BodyBudget)
	}
	return errors.Join(a.validateNodeName(), a.accountRules().validate(), a.Mail.validate(), a.RequestLog.validate(), a.Delivery.validate())
}

func (a *App) loadGuests(ctx caddy.Context) error {
	s, err := loadGuest[storeGuest](ctx, a, "StoreRaw", a.StoreRaw, "merchants.stores.sqlite")
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	r, err := loadGuest[replayGuest](ctx, a, "ReplayRaw", a.ReplayRaw, "merchants.replay.memory")
	if err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	a.store, a.replay = s, r
	return nil
}

// loadGuest loads the module in a field, or the preset one if there is none.
func loadGuest[G any](ctx caddy.Context, a *App, field string, raw json.RawMessage, preset string) (guest G, err error) {
	var v any
	if len(raw) > 0 {
		v, err = ctx.LoadModule(a, field)
	} else {
		v, err = ctx.LoadModuleByID(preset, nil)
	}
	if err != nil {
		return guest, err
	}
	guest, ok := v.(G)
	if !ok {
		return guest, fmt.Errorf("%T is not a module of this program", v)
	}
	return guest, nil
}

func (a *App) takeSlots() error {
	id, err := a.store.identity()
	if err != nil {
		return err
	}
	directory, err := a.store.directory()
	if err != nil {
		return err
	}
	nonceDir, err := a.replay.identity(directory)
	if err != nil {
		return err
	}
	if a.data, err = takeDataSlot(dataID(id)); err != nil {
		return err
	}
	a.dataID = dataID(id)
	if a.nonces, err = takeNonceSlot(nonceID(nonceDir)); err != nil {
		return err
	}
	a.nonceID = nonceID(nonceDir)
	return nil
}

// Start opens what is not open yet: it makes and migrates the database, makes the
// root key the first time, and reads the nonces back.
func (a *App) Start() error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	n, err := a.nonces.start(ctx, a.nonceSettings)
	if err != nil {
		return err
	}
	if a.dataSettings.mail, err = a.Mail.transport(); err != nil {
		return err
	}
	if a.dataSettings.delivery, err = a.Delivery.settings(a.own); err != nil {
		return err
	}
	a.dataSettings.about = a.about()
	shared, err := a.data.start(ctx, a.nodeConfig(), a.dataSettings)
	if err != nil {
		return err
	}
	mine := *shared
	mine.replay = n
	if mine.ring, err = shared.ringAt(a.nodeConfig()); err != nil {
		return err
	}
	if mine.service, err = shared.newService(a.rules(), a.Mail != nil, a.dataSettings.delivery.checkURL()); err != nil {
		return err
	}
	if err := a.startAccounts(&mine); err != nil {
		return err
	}
	a.awaitSnapshot(ctx, &mine)
	a.started.Store(&mine)
	return a.data.deliver(shared, a.dataSettings.delivery, mine.service, a.logger.Named("delivery"))
}

// startAccounts lets people sign in: merchants' users, and staff.
func (a *App) startAccounts(n *node) (err error) {
	if n.accounts, err = newAccounts(n, controlplane.ActorUser, a.accountRules(), a.Mail != nil, a.data.report); err != nil {
		return err
	}
	if n.staff, err = newAccounts(n, controlplane.ActorStaff, AccountRules{}, a.Mail != nil, a.data.report); err != nil {
		n.accounts.close()
	}
	return err
}

func (a *App) rules() controlplane.Rules {
	return controlplane.Rules{AllowPrivateRanges: a.AllowPrivateRanges}
}

func (a *App) accountRules() AccountRules {
	if a.Accounts == nil {
		return AccountRules{}
	}
	return *a.Accounts
}

func (a *App) nodeConfig() nodeConfig {
	return nodeConfig{store: a.store, keyring: a.Keyring, rules: a.rules()}
}

// awaitSnapshot gives up after a while: requests are refused with 503 until there
// is a snapshot, and the follower says what keeps it away.
func (a *App) awaitSnapshot(ctx context.Context, n *node) {
	ctx, cancel := context.WithTimeout(ctx, firstSnapshot)
	defer cancel()
	if err := n.follower.WaitRevision(ctx, 0); err != nil {
		a.logger.Warn("there is no snapshot of the control plane yet; requests are refused until there is", zap.Error(err))
	}
}

// node is the open data, nil before it was opened. A configuration that is not
// yet started, as in the middle of a reload, finds what an earlier one opened.
func (a *App) node() *node {
	if n := a.started.Load(); n != nil {
		return n
	}
	shared, used := a.data.open.Load(), a.nonces.store()
	if shared == nil || used == nil {
		return nil
	}
	mine := *shared
	mine.replay = used
	return &mine
}

// deciding is the app whose data requests are decided by: this one, unless its data
// is not open. Caddy starts apps in any order, so the servers of a new configuration
// may take requests before its data is open, and also if it never opens because the
// configuration is rejected. Until then the running configuration decides, as it
// would have a moment earlier.
func (a *App) deciding() *App {
	if a.data.open.Load() != nil && a.nonces.open.Load() != nil {
		return a
	}
	ctx := caddy.ActiveContext()
	running, err := ctx.AppIfConfigured("merchants")
	if err != nil {
		return a
	}
	return running.(*App)
}

// snapshot is what requests are decided by, nil when there is none.
func (a *App) snapshot() *controlplane.Snapshot {
	if n := a.deciding().data.open.Load(); n != nil {
		return n.follower.Current()
	}
	return nil
}

// nonceStore is the nonce store of whichever app decides.
type nonceStore struct{ app *App }

func (n nonceStore) Use(ctx context.Context, keyID, nonce string, timestamp, expires int64) (bool, error) {
	return n.app.deciding().nonces.Use(ctx, keyID, nonce, timestamp, expires)
}

func (n nonceStore) NotBefore() int64 { return n.app.deciding().nonces.NotBefore() }

// Stop takes back what this configuration lent to the open data. Requests in
// flight go on.
func (a *App) Stop() error {
	return errors.Join(a.data.stop(a.dataSettings), a.nonces.stop(a.nonceSettings))
}

// Cleanup gives the open data back; the last configuration closes it. It is also
// called after a Provision or a Start that failed.
func (a *App) Cleanup() error {
	if a.leases == nil {
		return nil
	}
	var err error
	if a.data != nil {
		err = a.data.stop(a.dataSettings)
	}
	if a.nonces != nil {
		err = errors.Join(err, a.nonces.stop(a.nonceSettings))
	}
	drained := a.leases.close()
	select {
	case <-drained:
		return errors.Join(err, a.giveBack())
	default:
	}
	if caddy.Exiting() {
		a.awaitRequests(drained)
		return errors.Join(err, a.giveBack())
	}
	go func() {
		a.awaitRequests(drained)
		if err := a.giveBack(); err != nil {
			caddy.Log().Error("release the merchants", zap.Error(err))
		}
	}()
	return err
}

func (a *App) awaitRequests(drained <-chan struct{}) {
	timer := time.NewTimer(drainTimeout)
	defer timer.Stop()
	select {
	case <-drained:
	case <-timer.C:
		caddy.Log().Warn("closing while requests are still being verified; they will be refused")
	}
}

// giveBack releases only what was taken.
func (a *App) giveBack() error {
	var errs []error
	if n := a.started.Swap(nil); n != nil {
		n.accounts.close()
		n.staff.close()
	}
	if a.nonces != nil {
		_, err := pool.Delete(a.nonceID)
		errs = append(errs, err)
	}
	if a.data != nil {
		_, err := pool.Delete(a.dataID)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func defaultRootPath(s storeGuest) (string, error) {
	dir, err := s.directory()
	return filepath.Join(dir, "root.key"), err
}

var (
	_ caddy.App          = (*App)(nil)
	_ caddy.Provisioner  = (*App)(nil)
	_ caddy.Validator    = (*App)(nil)
	_ caddy.CleanerUpper = (*App)(nil)
)
