package controlplane

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// fourEyes marks a change that no member of staff makes alone, as long as there is
// somebody else to look at it. The operator of the machine is exempt: who can open
// the database needs nobody's leave, and is in the trail all the same.
type fourEyes struct {
	// holds says whether the rule holds for this change; nil: always.
	holds func(ctx context.Context, tx Tx) (bool, error)
	// about is the account that is changed: its holder is no second pair of eyes.
	about string
}

// liveTraffic: an allowlist serves live and test alike, so a change to it counts as
// live from the first live key on, even one that was revoked: another may be issued
// at any moment.
func liveTraffic(merchantID string) *fourEyes {
	return &fourEyes{holds: func(ctx context.Context, tx Tx) (bool, error) {
		keys, err := tx.Keys(ctx, merchantID, Live)
		return len(keys) > 0, err
	}}
}

// makes is for operations of which only some make what the rule is about.
func makes(it bool, about string) *fourEyes {
	if !it {
		return nil
	}
	return &fourEyes{about: about}
}

// look is what the four-eyes rule says of a change.
type look int

const (
	lookFree  look = iota // it may be made
	lookWaits             // somebody else has to approve
	lookGlass             // the glass was broken
)

func (s *Service) look(ctx context.Context, tx Tx, r request) (look, error) {
	if r.eyes == nil || r.actor.Kind != ActorStaff {
		return lookFree, nil
	}
	if r.eyes.holds != nil {
		holds, err := r.eyes.holds(ctx, tx)
		if err != nil || !holds {
			return lookFree, err
		}
	}
	if r.actor.BreakGlass != "" {
		return lookGlass, mayBreakGlass(r.actor)
	}
	if r.actor.Role != RolePlatformAdmin {
		return lookWaits, nil
	}
	others, err := tx.CountAdmins(ctx, false, r.actor.ID, r.actor.ID)
	if err != nil || others == 0 {
		return lookFree, err // a team of one has no second pair of eyes
	}
	able, err := tx.CountAdmins(ctx, true, r.actor.ID, r.eyes.about)
	if err == nil && able == 0 {
		err = InvalidField("break_glass", "is missing: no other platform admin has a second factor and could approve this; say why it must be done").because("alone")
	}
	return lookWaits, err
}

func mayBreakGlass(a Actor) error {
	if a.Role != RolePlatformAdmin {
		return Errorf(CodeDenied, "only a platform admin may do this without a second pair of eyes")
	}
	if !printable(a.BreakGlass, 1, 200) {
		return InvalidField("break_glass", "must be 1 to 200 printable characters on one line without spaces around them").because("note")
	}
	return nil
}

// mustWait undoes the rehearsal of a change that waits for approval. The rehearsal
// refuses at once what could not be carried out, and finds out what would change.
type mustWait struct{ rehearsed record }

func (*mustWait) Error() string { return "the change waits for approval" }

// underLook finishes a change that was made, according to the rule.
func (s *Service) underLook(ctx context.Context, tx Tx, r request, rec record, seen look) error {
	if seen == lookWaits {
		return &mustWait{rec}
	}
	if seen == lookFree {
		return s.audit(ctx, tx, r, rec, OutcomeOK, "")
	}
	q, err := s.newApproval(r, rec)
	if err != nil {
		return err
	}
	q.State, q.BreakGlass, q.Reason = ApprovalApproved, true, r.actor.BreakGlass
	q.DecidedAt, q.DecidedByID, q.DecidedBy = q.CreatedAt, q.CreatedByID, q.CreatedBy
	return errors.Join(tx.InsertApproval(ctx, q), s.audit(ctx, tx, r, rec, OutcomeOK, "break-glass "+q.ID+": "+q.Reason),
		s.notifyApproval(ctx, tx, ApprovalNotice{q, q.CreatedAt}))
}

// newApproval describes a change.
func (s *Service) newApproval(r request, rec record) (q Approval, err error) {
	now := s.now()
	q = Approval{
		MerchantID: r.merchantID, Operation: r.op, Target: rec.target, State: ApprovalPending,
		CreatedAt: now, ExpiresAt: now.Add(ApprovalLife), CreatedByID: r.actor.ID, CreatedBy: r.actor.auditName(),
	}
	if q.ID, err = NewID(PrefixApproval, now, s.random); err != nil {
		return q, err
	}
	if q.Input, err = json.Marshal(r.input); err != nil {
		return q, fmt.Errorf("encode the input of %s: %w", r.op, err)
	}
	if q.Diff, err = json.Marshal(rec.diff); err != nil {
		return q, fmt.Errorf("encode the diff of %s: %w", r.op, err)
	}
	return q, nil
}

// ask keeps a change until somebody else approves it. It returns [CodePending] when
// that was done.
func (s *Service) ask(ctx context.Context, r request, rehearsed record) error {
	q, err := s.newApproval(r, rehearsed)
	if err != nil {
		return err
	}
	err = s.store.Update(ctx, func(tx Tx) error {
		if err := s.mayChange(ctx, tx, r); err != nil {
			return err
		}
		if err := mayBePending(ctx, tx, q); err != nil {
			return err
		}
		asked := request{actor: r.actor, op: OpApprovalRequest, merchantID: r.merchantID}
		diff := map[string]Change{"operation": {To: r.op}}
		for name, change := range rehearsed.diff {
			diff[name] = change
		}
		return errors.Join(tx.InsertApproval(ctx, q), s.audit(ctx, tx, asked, record{target: q.ID, diff: diff}, OutcomeOK, ""),
			s.notifyApproval(ctx, tx, ApprovalNotice{q, q.CreatedAt}))
	})
	if err != nil {
		return err
	}
	return &Error{Code: CodePending, ApprovalID: q.ID, Message: "waiting for approval " + q.ID + " by another platform admin; nothing is changed yet"}
}

// mayBePending refuses what waits already, and too much of it.
func mayBePending(ctx context.Context, tx Tx, q Approval) error {
	all, err := tx.Approvals(ctx, ApprovalFilter{State: ApprovalPending, At: q.CreatedAt, Page: Page{Limit: MaxPendingApprovals}})
	if err != nil {
		return err
	}
	for _, one := range all {
		if one.Operation == q.Operation && one.MerchantID == q.MerchantID && string(one.Input) == string(q.Input) {
			return Errorf(CodeConflict, "the same change waits for approval already, as %s", one.ID)
		}
	}
	if len(all) >= MaxPendingApprovals {
		return Errorf(CodeLimit, "%d changes wait for approval, the maximum; have some decided first", len(all))
	}
	return nil
}
