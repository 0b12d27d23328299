package controlplane

import (
	"context"
	"encoding/json"
	"fmt"
)

// plan is an operation made ready: validated, its ids drawn and passwords hashed, so
// that only the transaction is left to do.
type plan[T any] struct {
	request
	do func(tx Tx, rec *record) (T, error)
}

// carryOut runs a plan.
func carryOut[T any](ctx context.Context, s *Service, p plan[T]) (T, error) {
	return change(ctx, s, p.request, p.do)
}

// planAgain makes the operation of an approval ready from its stored input.
func (s *Service) planAgain(ctx context.Context, a Actor, q Approval) (plan[any], error) {
	switch q.Operation {
	case OpAllowlistAdd:
		return replan(ctx, a, q, s.planAddEntry)
	case OpAllowlistImport:
		return replan(ctx, a, q, s.planImport)
	case OpAllowlistRemove:
		return replan(ctx, a, q, s.planRemoveEntry)
	case OpAllowlistApprove:
		return replan(ctx, a, q, s.planApproveRequest)
	case OpUserCreate:
		return replan(ctx, a, q, s.planCreateUser)
	case OpUserRole:
		return replan(ctx, a, q, s.planUserRole)
	case OpUserResetSecondFactor:
		return replan(ctx, a, q, s.planResetUserFactor)
	case OpStaffCreate:
		return replan(ctx, a, q, s.planCreateStaff)
	case OpStaffDisable:
		return replan(ctx, a, q, s.planDisableStaff)
	case OpStaffEnable:
		return replan(ctx, a, q, s.planEnableStaff)
	case OpStaffRole:
		return replan(ctx, a, q, s.planStaffRole)
	case OpStaffResetSecondFactor:
		return replan(ctx, a, q, s.planResetStaffFactor)
	}
	return plan[any]{}, fmt.Errorf("approval %s is about %s, which is carried out at once", q.ID, q.Operation)
}

func replan[In, Out any](ctx context.Context, a Actor, q Approval, make func(context.Context, Actor, In) (plan[Out], error)) (plan[any], error) {
	var in In
	if err := json.Unmarshal(q.Input, &in); err != nil {
		return plan[any]{}, fmt.Errorf("the input of approval %s: %w", q.ID, err)
	}
	p, err := make(ctx, a, in)
	return plan[any]{p.request, func(tx Tx, rec *record) (any, error) { return p.do(tx, rec) }}, err
}

// DecideApproval is the input of the operations that end an approval.
type DecideApproval struct {
	ApprovalID string `json:"approval_id" validate:"required"`
	// Answer tells who asked why; a rejection must have one.
	Answer string `json:"answer,omitempty" validate:"omitempty,note"`
}

// Approved is a change that was carried out.
type Approved struct {
	Approval Approval
	// Account is the new account if the change made one, with its password, which is
	// in no other answer.
	Account *NewAccount
}

// ApproveChange carries out, in one transaction and by the code of its operation,
// what another member of staff asked for. CodeDenied for who asked, for whose account
// it changes, whether they ask by themselves or by a program. CodeConflict if it was
// decided, has expired, or no longer fits.
func (s *Service) ApproveChange(ctx context.Context, a Actor, in DecideApproval) (Approved, error) {
	r := request{actor: a, op: OpApprovalApprove, input: in}
	if err := s.admit(ctx, r); err != nil {
		return Approved{}, err
	}
	q, err := s.Approval(ctx, a, in)
	if err != nil {
		return Approved{}, err
	}
	r.merchantID = q.MerchantID
	asked := a
	asked.Name = q.CreatedBy // whose change it is; whose leave it took is in the trail
	p, err := s.planAgain(ctx, asked, q)
	if err != nil {
		return Approved{}, asError(err)
	}
	p.actor = a
	return change(ctx, s, r, func(tx Tx, rec *record) (out Approved, err error) {
		if q, err = s.open(ctx, tx, in.ApprovalID); err != nil {
			return out, err
		}
		if err := mayApprove(a, q); err != nil {
			return out, err
		}
		var done record
		result, err := p.do(tx, &done)
		if err != nil {
			return out, err
		}
		if err := s.audit(ctx, tx, p.request, done, OutcomeOK, "approval "+q.ID); err != nil {
			return out, err
		}
		if account, ok := result.(NewAccount); ok {
			out.Account = &account
		}
		out.Approval, err = s.decide(ctx, tx, r, q, ApprovalApproved, rec)
		return out, err
	})
}

// mayApprove: nobody approves what they asked for, or what is about themselves. It
// counts for whom a program acts, not by which session or token: a person's token and
// the same person's browser are one pair of eyes.
func mayApprove(a Actor, q Approval) error {
	if a.Kind == ActorStaff && (a.ID == q.CreatedByID || a.ID == q.Target) {
		return Errorf(CodeDenied, "somebody else has to approve this: you asked for it, or it is about your account")
	}
	return nil
}

// RejectChange turns a change down. CodeConflict if it was decided or has expired.
func (s *Service) RejectChange(ctx context.Context, a Actor, in DecideApproval) (Approval, error) {
	return s.endApproval(ctx, a, OpApprovalReject, ApprovalRejected, in, func(Approval) error {
		if in.Answer == "" {
			return InvalidField("answer", "is missing; say why, or what to ask for instead").because("required")
		}
		return nil
	})
}

// WithdrawChange takes a change back. Only who asked for it may.
func (s *Service) WithdrawChange(ctx context.Context, a Actor, in DecideApproval) (Approval, error) {
	return s.endApproval(ctx, a, OpApprovalWithdraw, ApprovalWithdrawn, in, func(q Approval) error {
		if a.Kind == ActorStaff && a.ID != q.CreatedByID {
			return Errorf(CodeDenied, "only who asked for a change may withdraw it; a platform admin may reject it")
		}
		return nil
	})
}

func (s *Service) endApproval(ctx context.Context, a Actor, op Operation, to ApprovalState, in DecideApproval, check func(Approval) error) (Approval, error) {
	r := request{actor: a, op: op, input: in}
	return change(ctx, s, r, func(tx Tx, rec *record) (Approval, error) {
		q, err := s.open(ctx, tx, in.ApprovalID)
		if err == nil {
			err = check(q)
		}
		if err != nil {
			return q, err
		}
		q.Answer = in.Answer
		return s.decide(ctx, tx, r, q, to, rec)
	})
}

// open reads an approval that waits for a decision.
func (s *Service) open(ctx context.Context, tx Tx, id string) (Approval, error) {
	q, err := tx.Approval(ctx, id)
	if err != nil {
		return q, orNotFound(err, "approval", id)
	}
	if state := q.StateAt(s.now()); state != ApprovalPending {
		return q, Errorf(CodeConflict, "the change is %s already", state)
	}
	return q, nil
}

// decide writes down what became of an approval.
func (s *Service) decide(ctx context.Context, tx Tx, r request, q Approval, to ApprovalState, rec *record) (Approval, error) {
	rec.target, rec.merchantID = q.ID, q.MerchantID
	rec.diff = map[string]Change{"state": {From: q.State, To: to}, "operation": {To: q.Operation}, "asked_by": {To: q.CreatedBy}}
	q.State, q.DecidedAt, q.DecidedByID, q.DecidedBy = to, s.now(), r.actor.ID, r.actor.auditName()
	return q, tx.UpdateApproval(ctx, q)
}

// Approval returns one approval.
func (s *Service) Approval(ctx context.Context, a Actor, in DecideApproval) (Approval, error) {
	return read(ctx, s, request{actor: a, op: OpApprovalView, input: in}, func(tx Tx) (Approval, error) {
		q, err := tx.Approval(ctx, in.ApprovalID)
		q.State = q.StateAt(s.now())
		return q, orNotFound(err, "approval", in.ApprovalID)
	})
}

// ListApprovals lists changes that wait, were decided, or did not wait.
func (s *Service) ListApprovals(ctx context.Context, a Actor, f ApprovalFilter) ([]Approval, error) {
	return read(ctx, s, request{actor: a, op: OpApprovalList, input: f}, func(tx Tx) ([]Approval, error) {
		f.At = s.now()
		all, err := tx.Approvals(ctx, f)
		for i := range all {
			all[i].State = all[i].StateAt(f.At)
		}
		return all, err
	})
}
