package controlplane

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// Service is the one way in: every operation on the control plane is a method of
// it. It is safe for concurrent use.
type Service struct {
	store  Store
	sealer Sealer
	hasher PasswordHasher
	clock  func() time.Time
	random io.Reader
	rules  Rules
	check  *checker

	dispatcher Dispatcher
	checkURL   func(string) error
	notifyKey  func(context.Context, Tx, KeyNotice) error
	diagnose   func(CheckSignature, time.Time) (SignatureVerdict, error)

	notifyEndpoint func(context.Context, Tx, EndpointNotice) error
	notifyApproval func(context.Context, Tx, ApprovalNotice) error

	// Both are asked for with every event.
	tokens      memo[[32]byte, ServiceToken]
	subscribers memo[merchantEnvironment, []Endpoint]

	// rekeying is held while keys at rest are rotated: two rotations at once
	// could each delete what the other has just sealed with.
	rekeying sync.Mutex
}

// Rules are the operator's choices that operations obey.
type Rules struct {
	// AllowPrivateRanges lets allowlists hold private, loopback and reserved
	// ranges. For gateways inside a private network and for trying things out.
	AllowPrivateRanges bool
	// InitialPasswordTTL is how long a generated password lives unused; 0 means
	// 72 h.
	InitialPasswordTTL time.Duration
}

// Parts are what a [Service] is made of. All are required but those of webhooks.
type Parts struct {
	Store  Store
	Sealer Sealer
	Hasher PasswordHasher
	Clock  func() time.Time
	// Random must be safe for concurrent use, as crypto/rand.Reader is.
	Random io.Reader
	Rules  Rules

	// Dispatcher is the delivery engine of this node. Nil: events are stored for
	// another node to send.
	Dispatcher Dispatcher
	// CheckURL refuses a URL that webhooks are never sent to, by the check that
	// sending uses, with [CodeInvalid] on the field url. Nil: no endpoint can be
	// saved on this node.
	CheckURL func(url string) error

	// NotifyKey tells a merchant's people of a change to a key, in its transaction.
	// Nil: nobody is told.
	NotifyKey func(ctx context.Context, tx Tx, n KeyNotice) error

	// Diagnose is the gateway's own look at a signature. Nil: none runs here.
	Diagnose func(in CheckSignature, now time.Time) (SignatureVerdict, error)
	// NotifyEndpoint does the same for webhook endpoints.
	NotifyEndpoint func(ctx context.Context, tx Tx, n EndpointNotice) error
	// NotifyApproval tells platform admins of a change that waits for one of them, and
	// of one that was made without.
	NotifyApproval func(ctx context.Context, tx Tx, n ApprovalNotice) error
}

// NewService puts the parts together.
func NewService(p Parts) (*Service, error) {
	if p.Store == nil || p.Sealer == nil || p.Hasher == nil || p.Clock == nil || p.Random == nil {
		return nil, errors.New("control plane: a part is missing")
	}
	check, err := newChecker()
	if err != nil {
		return nil, err
	}
	if p.Rules.InitialPasswordTTL == 0 {
		p.Rules.InitialPasswordTTL = 72 * time.Hour
	}
	if p.Dispatcher == nil {
		p.Dispatcher = noDispatcher{}
	}
	if p.NotifyKey == nil {
		p.NotifyKey = func(context.Context, Tx, KeyNotice) error { return nil }
	}
	if p.NotifyEndpoint == nil {
		p.NotifyEndpoint = func(context.Context, Tx, EndpointNotice) error { return nil }
	}
	if p.NotifyApproval == nil {
		p.NotifyApproval = func(context.Context, Tx, ApprovalNotice) error { return nil }
	}
	return &Service{
		store: p.Store, sealer: p.Sealer, hasher: p.Hasher, clock: p.Clock, random: p.Random, rules: p.Rules, check: check,
		dispatcher: p.Dispatcher, checkURL: p.CheckURL, diagnose: p.Diagnose, notifyKey: p.NotifyKey, notifyEndpoint: p.NotifyEndpoint,
		notifyApproval: p.NotifyApproval,
	}, nil
}

// now is the clock at the resolution of the store, so that what an operation
// returns is what a later look-up returns.
func (s *Service) now() time.Time { return s.clock().UTC().Truncate(time.Microsecond) }

// request is one call of an operation.
type request struct {
	actor Actor
	op    Operation
	// merchantID is whose data it is about; empty for the platform's own.
	merchantID string
	// input is checked against its validate tags; nil if there is none.
	input any
	// eyes: the change may need a second pair of them; nil: it does not.
	eyes *fourEyes
}

// foreign reports whether a user asks about a merchant that is not theirs.
func (r request) foreign() bool {
	return r.actor.Kind == ActorUser && r.merchantID != "" && r.merchantID != r.actor.MerchantID
}

// ofMerchant is the input of operations that take nothing but a merchant's id.
type ofMerchant struct {
	MerchantID string `json:"merchant_id" validate:"required"`
}

// record is what a change tells the audit trail.
type record struct {
	target string
	diff   map[string]Change
	// merchantID is the merchant that a change has only just made.
	merchantID string
}

// change runs one operation that writes: authorise, validate, write, audit, all
// or nothing. fn reports through the record what it did.
func change[T any](ctx context.Context, s *Service, r request, fn func(tx Tx, rec *record) (T, error)) (T, error) {
	var out, zero T
	if err := s.admit(ctx, r); err != nil {
		return zero, err
	}
	err := s.store.Update(ctx, func(tx Tx) error {
		if err := s.mayChange(ctx, tx, r); err != nil {
			return err
		}
		seen, err := s.look(ctx, tx, r)
		if err != nil {
			return err
		}
		var rec record
		if out, err = fn(tx, &rec); err != nil {
			return err
		}
		return s.underLook(ctx, tx, r, rec, seen)
	})
	var wait *mustWait
	if errors.As(err, &wait) {
		err = s.ask(ctx, r, wait.rehearsed)
	}
	if err != nil {
		s.auditFailure(ctx, r, err)
		return zero, asError(err)
	}
	return out, nil
}

// read runs one operation that only looks.
func read[T any](ctx context.Context, s *Service, r request, fn func(tx Tx) (T, error)) (T, error) {
	var out, zero T
	if err := s.admit(ctx, r); err != nil {
		return zero, err
	}
	err := s.store.View(ctx, func(tx Tx) error {
		if r.merchantID != "" {
			if _, err := tx.Merchant(ctx, r.merchantID); err != nil {
				return orNotFound(err, "merchant", r.merchantID)
			}
		}
		result, err := fn(tx)
		out = result
		return err
	})
	if err != nil {
		return zero, asError(err)
	}
	return out, nil
}

// Permit is for operations that another package carries out, such as a backup: it
// authorises the actor and, if the operation changes something, writes down what
// it is done to. The caller goes on only if it returns nil.
func (s *Service) Permit(ctx context.Context, a Actor, op Operation, target string) error {
	r := request{actor: a, op: op}
	if !permissionOf(op).Changes {
		return s.admit(ctx, r)
	}
	_, err := change(ctx, s, r, func(_ Tx, rec *record) (struct{}, error) {
		rec.target = target
		return struct{}{}, nil
	})
	return err
}

// admit authorises and validates, before any transaction.
func (s *Service) admit(ctx context.Context, r request) error {
	if err := authorise(r); err != nil {
		s.auditFailure(ctx, r, err)
		return err
	}
	if r.input == nil {
		return nil
	}
	return s.check.input(r.input)
}

// authorise holds the actor against the permission table. A user asking about
// another merchant learns nothing, not even that it exists.
func authorise(r request) error {
	if r.foreign() {
		return notFound("merchant", r.merchantID)
	}
	p := permissionOf(r.op)
	if !r.actor.roleFits() || !p.Allows(r.actor.Role) {
		return Errorf(CodeDenied, "the role %q may not %s", r.actor.Role, r.op)
	}
	if r.actor.Kind == ActorUser && r.merchantID == "" {
		return InvalidField("merchant_id", "is missing")
	}
	if p.Sudo && !r.actor.Sudo {
		return Errorf(CodeSudoRequired, "confirm your password to %s", r.op)
	}
	return nil
}

// mayChange refuses changes to a merchant that is not there, by the users of one
// that is suspended, and by a user who is no longer what their session says: what
// was true when they were admitted may have changed before the transaction began.
func (s *Service) mayChange(ctx context.Context, tx Tx, r request) error {
	if err := s.staffStillMay(ctx, tx, r.actor); err != nil {
		return err
	}
	if err := s.tokenStillWorks(ctx, tx, r.actor); err != nil {
		return err
	}
	if r.merchantID == "" {
		return nil
	}
	m, err := tx.Merchant(ctx, r.merchantID)
	if err != nil {
		return orNotFound(err, "merchant", r.merchantID)
	}
	if r.actor.Kind != ActorUser {
		return nil
	}
	if m.State == MerchantSuspended && permissionOf(r.op).Changes {
		return Errorf(CodeSuspended, "the merchant is suspended: its users may look but not change anything")
	}
	u, err := tx.User(ctx, r.actor.MerchantID, r.actor.ID)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	if err != nil || u.Disabled || u.Role != r.actor.Role {
		return errAccountChanged()
	}
	return nil
}

// staffStillMay refuses staff who are no longer what their session says.
func (s *Service) staffStillMay(ctx context.Context, tx Tx, a Actor) error {
	if a.Kind != ActorStaff {
		return nil
	}
	m, err := tx.StaffMember(ctx, a.ID)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	if err != nil || m.Disabled || m.Role != a.Role {
		return errAccountChanged()
	}
	return nil
}

func errAccountChanged() error {
	return Errorf(CodeDenied, "your account was changed since you signed in; sign in again")
}

// audit appends one row to the trail inside tx.
func (s *Service) audit(ctx context.Context, tx Tx, r request, rec record, outcome Outcome, reason string) error {
	e := AuditEvent{
		At: s.now(), ActorKind: r.actor.Kind, ActorID: r.actor.ID, ActorName: r.actor.auditName(),
		MerchantID: cmp.Or(rec.merchantID, r.merchantID), Operation: r.op, Target: rec.target, Outcome: outcome, Reason: reason,
		IP: r.actor.IP, UserAgent: r.actor.UserAgent, RequestID: r.actor.RequestID,
	}
	if len(rec.diff) > 0 {
		var err error
		if e.Diff, err = json.Marshal(rec.diff); err != nil {
			return fmt.Errorf("encode the audit diff: %w", err)
		}
	}
	return WriteAudit(ctx, tx, e)
}

// auditFailure writes a refusal down in a transaction of its own. Only refusals
// of authority are kept: a typing mistake is nobody's business.
func (s *Service) auditFailure(ctx context.Context, r request, cause error) {
	switch CodeOf(cause) {
	case CodeDenied, CodeSudoRequired, CodeSuspended:
	case CodeNotFound:
		if !r.foreign() {
			return
		}
	default:
		return
	}
	// The row belongs to the actor's own merchant: the other one must not learn
	// who tried, and an invented id has no rows.
	target := r.merchantID
	if r.actor.Kind == ActorUser {
		r.merchantID = r.actor.MerchantID
	}
	err := s.store.Update(Concurrent(context.WithoutCancel(ctx)), func(tx Tx) error {
		return s.audit(ctx, tx, r, record{target: target}, OutcomeDenied, string(CodeOf(cause)))
	})
	if err != nil {
		// The refusal stands whether or not it could be written down, and the
		// caller is told of the refusal; the store reports its own troubles.
		return
	}
}

// asError lets typed errors through and makes everything else internal.
func asError(err error) error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return &Error{Code: CodeUnavailable, Message: "the operation was given up before it finished; nothing was changed", Err: err}
	}
	return &Error{Code: CodeInternal, Message: "internal error", Err: err}
}
