package account

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// Service carries out sign-ins and what people do to their own accounts: one for
// the users of merchants, another for the platform's staff. A session of one is
// nothing to the other. It is safe for concurrent use.
type Service struct {
	kind   controlplane.ActorKind
	store  controlplane.Store
	sealer controlplane.Sealer
	hasher *Hasher
	clock  func() time.Time
	random io.Reader
	notify func(context.Context, controlplane.Tx, controlplane.AccountNotice) error
	rules  Rules
	seen   seen
}

// Rules are the operator's choices.
type Rules struct {
	// PasswordLife is how long a password lives in an account without a second
	// factor; 0 means 90 days, less than 0 for ever. PCI DSS 8.3.10.1 demands it
	// where the password is the only factor; NIST SP 800-63B and ASVS 6.2.10
	// forbid it elsewhere, so enrolling a second factor lifts it.
	PasswordLife time.Duration
	// RequireSecondFactor makes users enrol one before anything else. Staff always
	// must.
	RequireSecondFactor bool
}

// Parts are what a [Service] is made of. All but Notify are required.
type Parts struct {
	// Kind is [controlplane.ActorUser] or [controlplane.ActorStaff].
	Kind   controlplane.ActorKind
	Store  controlplane.Store
	Sealer controlplane.Sealer
	Hasher *Hasher
	Clock  func() time.Time
	// Random must be safe for concurrent use, as crypto/rand.Reader is.
	Random io.Reader
	// Notify puts a notice into an outbox, in the transaction of what it tells of.
	Notify func(context.Context, controlplane.Tx, controlplane.AccountNotice) error
	Rules  Rules
}

// NewService puts the parts together.
func NewService(p Parts) (*Service, error) {
	if p.Store == nil || p.Sealer == nil || p.Hasher == nil || p.Clock == nil || p.Random == nil {
		return nil, errors.New("accounts: a part is missing")
	}
	if p.Kind != controlplane.ActorUser && p.Kind != controlplane.ActorStaff {
		return nil, fmt.Errorf("accounts: nobody of the kind %q signs in", p.Kind)
	}
	if p.Notify == nil {
		p.Notify = func(context.Context, controlplane.Tx, controlplane.AccountNotice) error { return nil }
	}
	if p.Rules.PasswordLife == 0 {
		p.Rules.PasswordLife = 90 * 24 * time.Hour
	}
	return &Service{
		kind: p.Kind, store: p.Store, sealer: p.Sealer, hasher: p.Hasher, clock: p.Clock, random: p.Random, notify: p.Notify, rules: p.Rules,
		seen: seen{at: map[string]time.Time{}},
	}, nil
}

// Origin is where a request comes from, for throttling and for the trail.
type Origin struct {
	IP        netip.Addr
	UserAgent string
	RequestID string
}

// now is the clock at the resolution of the store.
func (s *Service) now() time.Time { return s.clock().UTC().Truncate(time.Microsecond) }

// inTx runs fn in a transaction; it may run more than once.
func inTx[T any](ctx context.Context, s *Service, fn func(tx controlplane.Tx) (T, error)) (T, error) {
	var out, zero T
	err := s.store.Update(ctx, func(tx controlplane.Tx) (err error) {
		out, err = fn(tx)
		return err
	})
	if err != nil {
		return zero, asError(err)
	}
	return out, nil
}

// inView is inTx for what only looks.
func inView[T any](ctx context.Context, s *Service, fn func(tx controlplane.Tx) (T, error)) (T, error) {
	var out, zero T
	err := s.store.View(ctx, func(tx controlplane.Tx) (err error) {
		out, err = fn(tx)
		return err
	})
	if err != nil {
		return zero, asError(err)
	}
	return out, nil
}

// asError lets typed errors through and makes everything else internal.
func asError(err error) error {
	var e *controlplane.Error
	if errors.As(err, &e) {
		return e
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return &controlplane.Error{Code: controlplane.CodeUnavailable, Message: "the request was given up before it finished; nothing was changed", Err: err}
	}
	return &controlplane.Error{Code: controlplane.CodeInternal, Message: "internal error", Err: err}
}

// errWrong is the one answer to everyone who did not prove who they are: which
// part was wrong, whether the account exists, is disabled or used that code
// before, is what someone who guesses wants to know.
func errWrong() error {
	return controlplane.Errorf(controlplane.CodeDenied, "that is not right, or the account cannot sign in")
}

func errSignIn() error {
	return controlplane.Errorf(controlplane.CodeUnauthenticated, "your session has ended; sign in again")
}

// event is what the audit trail and the sign-in history get to know of a step.
type event struct {
	op      controlplane.Operation
	step    string // of the sign-in history; "" leaves it out
	outcome controlplane.Outcome
	// reason is a word for the trail, never text from outside.
	reason    string
	newDevice bool
}

// record writes an event about an account, or about nobody's.
func (s *Service) record(ctx context.Context, tx controlplane.Tx, a Account, from Origin, e event) error {
	now := s.now()
	err := controlplane.WriteAudit(ctx, tx, controlplane.AuditEvent{
		At: now, ActorKind: s.kind, ActorID: a.ID, ActorName: a.Username, MerchantID: a.MerchantID,
		Operation: e.op, Target: a.ID, Outcome: e.outcome, Reason: e.reason,
		IP: addrText(from.IP), UserAgent: from.UserAgent, RequestID: from.RequestID,
	})
	if err != nil || a.ID == "" || e.step == "" {
		return err
	}
	return tx.InsertSignIn(ctx, controlplane.SignIn{
		AccountID: a.ID, At: now, Outcome: e.outcome, Step: e.step, NewDevice: e.newDevice,
		IP: from.IP.Unmap().WithZone(""), UserAgent: controlplane.CleanText(from.UserAgent),
	})
}

// recordAlone writes down what failed, in a transaction of its own: it has to stay
// when the caller is gone.
func (s *Service) recordAlone(ctx context.Context, a Account, from Origin, e event) error {
	_, err := inTx(context.WithoutCancel(ctx), s, func(tx controlplane.Tx) (struct{}, error) {
		return struct{}{}, s.record(ctx, tx, a, from, e)
	})
	return err
}

func (s *Service) tell(ctx context.Context, tx controlplane.Tx, kind controlplane.AccountNoticeKind, a Account, from Origin) error {
	if err := s.notify(ctx, tx, controlplane.AccountNotice{
		Kind: kind, AccountID: a.ID, Username: a.Username, Email: a.Email, At: s.now(), IP: from.IP,
	}); err != nil {
		return fmt.Errorf("put a notice into the outbox: %w", err)
	}
	return nil
}

func addrText(ip netip.Addr) string {
	if !ip.IsValid() {
		return ""
	}
	return ip.Unmap().WithZone("").String()
}
