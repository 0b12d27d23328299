package account

import (
	"context"
	"errors"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// Confirm makes a session fit for what needs sudo, for ten minutes: with the
// password and, where one is enrolled, a code of the second factor. Recovery codes
// are not accepted. The session gets a new token (ASVS 7.2.4). Errors are those of
// [Service.SignIn]; nothing tells which of the two was wrong.
func (s *Service) Confirm(ctx context.Context, token, password, code controlplane.Secret, from Origin) (Ticket, error) {
	n := active(false)
	st, err := s.admit(ctx, token, n)
	if err != nil {
		return Ticket{}, err
	}
	done, err := s.countProof(ctx, st, from, stepConfirm, st.Account.SecondFactor)
	if err != nil {
		return Ticket{}, err
	}
	use, err := s.proof(ctx, st.Account, password, code)
	if err != nil {
		return Ticket{}, errors.Join(err, s.takeBack(ctx, done))
	}
	t, err := inTx(ctx, s, func(tx controlplane.Tx) (Ticket, error) { return s.confirmed(ctx, tx, st, n, use, done, from) })
	if errors.Is(err, errNotSpent) {
		return Ticket{}, s.refuse(ctx, st.Account, from, controlplane.OpSudo, stepConfirm)
	}
	return t, err
}

// countProof counts a password, and a code beside it, of somebody signed in.
func (s *Service) countProof(ctx context.Context, st Standing, from Origin, step string, code bool) (counted, error) {
	type result struct {
		done counted
		full *full
	}
	r, err := inTx(ctx, s, func(tx controlplane.Tx) (r result, err error) {
		buckets, err := s.passwordBuckets(ctx, tx, st.Account, st.Account.Username, st.Session.DeviceHash, from)
		if err != nil {
			return r, err
		}
		if code {
			more, err := factorBuckets(ctx, tx, st)
			if err != nil {
				return r, err
			}
			buckets = append(buckets, more...)
		}
		r.done, r.full, err = s.count(ctx, tx, st.Account, from, step, buckets)
		return r, err
	})
	if err != nil {
		return nil, err
	}
	if r.full != nil {
		return nil, r.full.error(s.now())
	}
	return r.done, nil
}

// proof checks a password, and a code only with a right one: somebody who guesses
// must not spend the owner's codes.
func (s *Service) proof(ctx context.Context, a Account, password, code controlplane.Secret) (spend, error) {
	right, _, err := s.verify(ctx, a, password)
	if err != nil {
		return nil, err
	}
	if !right || !a.SecondFactor {
		return func(context.Context, controlplane.Tx) (bool, error) { return right, nil }, nil
	}
	return s.codeSpender(ctx, a, code)
}

func (s *Service) confirmed(ctx context.Context, tx controlplane.Tx, st Standing, n need, use spend, done counted, from Origin) (Ticket, error) {
	st, err := s.again(ctx, tx, st, n)
	if err != nil {
		return Ticket{}, err
	}
	ok, err := use(ctx, tx)
	if err != nil {
		return Ticket{}, err
	}
	if !ok {
		return Ticket{}, errNotSpent
	}
	if err := done.refund(ctx, tx); err != nil {
		return Ticket{}, err
	}
	if err := tx.DeleteSession(ctx, st.Account.ID, st.Session.ID); err != nil {
		return Ticket{}, err
	}
	session := st.Session
	session.SudoUntil = s.now().Add(sudoLife)
	token, err := s.insertSession(ctx, tx, session, from)
	if err != nil {
		return Ticket{}, err
	}
	err = s.record(ctx, tx, st.Account, from, event{op: controlplane.OpSudo, step: stepConfirm, outcome: controlplane.OutcomeOK})
	return Ticket{Token: token, State: session.State}, err
}
