package controlplane

import (
	"context"
	"errors"
	"net/netip"
	"strconv"
)

// RequestAllowlistChange is the input of [Service.RequestAllowlistChange].
type RequestAllowlistChange struct {
	MerchantID string          `json:"merchant_id" validate:"required"`
	Action     AllowlistAction `json:"action" validate:"required,oneof=add remove"`
	// CIDR is an address or a range: see [ParseAllowlistCIDR].
	CIDR string `json:"cidr" validate:"required"`
	// Reason says whose address it is, or why it goes.
	Reason string `json:"reason" validate:"required,note"`
}

// RequestAllowlistChange asks the platform team to let a range in or take one out.
// What could not be carried out as things stand is CodeConflict on the field
// "cidr": to add what is there, to remove what is not, or to ask twice. CodeLimit
// beyond [MaxPendingAllowlistRequests].
func (s *Service) RequestAllowlistChange(ctx context.Context, a Actor, in RequestAllowlistChange) (AllowlistRequest, error) {
	r := request{actor: a, op: OpAllowlistRequest, merchantID: in.MerchantID, input: in}
	if err := s.admit(ctx, r); err != nil {
		return AllowlistRequest{}, err
	}
	prefix, err := ParseAllowlistCIDR(in.CIDR, s.rules.AllowPrivateRanges || in.Action == AllowlistRemove)
	if err != nil {
		return AllowlistRequest{}, err
	}
	id, err := NewID(PrefixAllowlistRequest, s.now(), s.random)
	if err != nil {
		return AllowlistRequest{}, asError(err)
	}
	q := AllowlistRequest{
		ID: id, MerchantID: in.MerchantID, Action: in.Action, Prefix: prefix, Reason: in.Reason,
		State: AllowlistPending, CreatedAt: s.now(), CreatedBy: a.Name,
	}
	return change(ctx, s, r, func(tx Tx, rec *record) (AllowlistRequest, error) {
		rec.target, rec.diff = q.ID, map[string]Change{"action": {To: q.Action}, "cidr": {To: q.Prefix}, "reason": {To: q.Reason}}
		if err := mayBeAsked(ctx, tx, q); err != nil {
			return q, err
		}
		err := tx.InsertAllowlistRequest(ctx, q)
		if errors.Is(err, ErrDuplicate) {
			return q, conflictingField("cidr", "pending", "a request about %s is waiting already; withdraw it to ask anew", prefix)
		}
		return q, err
	})
}

// mayBeAsked refuses a request that nobody could approve as things stand.
func mayBeAsked(ctx context.Context, tx Tx, q AllowlistRequest) error {
	pending, err := tx.AllowlistRequests(ctx, AllowlistRequestFilter{
		MerchantID: q.MerchantID, State: AllowlistPending, Page: Page{Limit: MaxPendingAllowlistRequests},
	})
	if err != nil {
		return err
	}
	if len(pending) == MaxPendingAllowlistRequests {
		e := InvalidField("cidr", "%d requests are waiting, the maximum; withdraw one or wait for an answer", len(pending))
		e.Code = CodeLimit
		return e.because("full", "n", strconv.Itoa(len(pending)))
	}
	_, found, err := entryOf(ctx, tx, q.MerchantID, q.Prefix)
	switch {
	case err != nil:
		return err
	case found && q.Action == AllowlistAdd:
		return conflictingField("cidr", "present", "%s is in the allowlist already", q.Prefix)
	case !found && q.Action == AllowlistRemove:
		return conflictingField("cidr", "absent", "%s is not an entry of the allowlist", q.Prefix)
	}
	return nil
}

// entryOf finds the entry of exactly this range.
func entryOf(ctx context.Context, tx Tx, merchantID string, prefix netip.Prefix) (AllowlistEntry, bool, error) {
	entries, err := tx.Allowlist(ctx, merchantID)
	for _, e := range entries {
		if e.Prefix == prefix {
			return e, true, err
		}
	}
	return AllowlistEntry{}, false, err
}

// DecideAllowlistRequest is the input of the operations that end a request.
type DecideAllowlistRequest struct {
	MerchantID string `json:"merchant_id" validate:"required"`
	RequestID  string `json:"request_id" validate:"required"`
	// Answer tells the merchant why; a rejection must have one.
	Answer string `json:"answer,omitempty" validate:"omitempty,note"`
}

// WithdrawAllowlistRequest takes a request back. CodeConflict if it was decided.
func (s *Service) WithdrawAllowlistRequest(ctx context.Context, a Actor, in DecideAllowlistRequest) (AllowlistRequest, error) {
	return carryOut(ctx, s, s.planDecision(ctx, a, OpAllowlistWithdraw, AllowlistWithdrawn, in, nil))
}

// RejectAllowlistRequest turns a request down. CodeConflict if it was decided.
func (s *Service) RejectAllowlistRequest(ctx context.Context, a Actor, in DecideAllowlistRequest) (AllowlistRequest, error) {
	return carryOut(ctx, s, s.planDecision(ctx, a, OpAllowlistReject, AllowlistRejected, in, func(Tx, AllowlistRequest) error {
		if in.Answer == "" {
			return InvalidField("answer", "is missing; say why, or what to ask for instead").because("required")
		}
		return nil
	}))
}

// ApproveAllowlistRequest carries a request out. CodeConflict if it was decided, or
// no longer fits the allowlist; CodeLimit if the allowlist is full; CodePending if
// somebody else of the staff has to approve it too.
func (s *Service) ApproveAllowlistRequest(ctx context.Context, a Actor, in DecideAllowlistRequest) (AllowlistRequest, error) {
	p, err := s.planApproveRequest(ctx, a, in)
	if err != nil {
		return AllowlistRequest{}, err
	}
	return carryOut(ctx, s, p)
}

func (s *Service) planApproveRequest(ctx context.Context, a Actor, in DecideAllowlistRequest) (plan[AllowlistRequest], error) {
	e, err := s.newEntry(a, in.MerchantID, netip.Prefix{}, "")
	p := s.planDecision(ctx, a, OpAllowlistApprove, AllowlistApproved, in, func(tx Tx, q AllowlistRequest) error {
		if q.Action == AllowlistAdd {
			e.Prefix, e.Note = q.Prefix, q.Reason
			_, err := s.insertEntry(ctx, tx, e)
			return err
		}
		e, found, err := entryOf(ctx, tx, q.MerchantID, q.Prefix)
		if err != nil {
			return err
		}
		if !found {
			return Errorf(CodeConflict, "%s is not in the allowlist any more; reject the request", q.Prefix)
		}
		return s.deleteEntry(ctx, tx, e)
	})
	p.eyes = liveTraffic(in.MerchantID)
	return p, err
}

// planDecision ends a pending request; effect, if any, happens in the same
// transaction.
func (s *Service) planDecision(ctx context.Context, a Actor, op Operation, to AllowlistRequestState, in DecideAllowlistRequest,
	effect func(tx Tx, q AllowlistRequest) error,
) (p plan[AllowlistRequest]) {
	p.request = request{actor: a, op: op, merchantID: in.MerchantID, input: in}
	p.do = func(tx Tx, rec *record) (AllowlistRequest, error) {
		q, err := tx.AllowlistRequest(ctx, in.MerchantID, in.RequestID)
		if err != nil {
			return q, orNotFound(err, "allowlist request", in.RequestID)
		}
		if q.State != AllowlistPending {
			return q, Errorf(CodeConflict, "the request is %s already", q.State)
		}
		if effect != nil {
			if err := effect(tx, q); err != nil {
				return q, err
			}
		}
		rec.target = q.ID
		rec.diff = map[string]Change{"state": {From: q.State, To: to}, "action": {To: q.Action}, "cidr": {To: q.Prefix}}
		q.State, q.DecidedAt, q.DecidedBy, q.Answer = to, s.now(), a.Name, in.Answer
		return q, tx.UpdateAllowlistRequest(ctx, q)
	}
	return p
}

// QueuedRequest is a request with the name of its merchant.
type QueuedRequest struct {
	AllowlistRequest
	MerchantName string `json:"merchant_name"`
}

// AllowlistQueue lists what all merchants wait for, oldest first.
func (s *Service) AllowlistQueue(ctx context.Context, a Actor, page Page) ([]QueuedRequest, error) {
	return read(ctx, s, request{actor: a, op: OpAllowlistQueue, input: page}, func(tx Tx) ([]QueuedRequest, error) {
		all, err := tx.PendingAllowlistRequests(ctx, page)
		if err != nil {
			return nil, err
		}
		queue := make([]QueuedRequest, len(all))
		for i, q := range all {
			m, err := tx.Merchant(ctx, q.MerchantID)
			if err != nil {
				return nil, err
			}
			queue[i] = QueuedRequest{q, m.Name}
		}
		return queue, nil
	})
}

// ListAllowlistRequests lists a merchant's requests, newest first.
func (s *Service) ListAllowlistRequests(ctx context.Context, a Actor, f AllowlistRequestFilter) ([]AllowlistRequest, error) {
	r := request{actor: a, op: OpAllowlistRequests, merchantID: f.MerchantID, input: f}
	return read(ctx, s, r, func(tx Tx) ([]AllowlistRequest, error) { return tx.AllowlistRequests(ctx, f) })
}
