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
	done, err := s.provePassword(ctx, st, password, from, controlplane.OpSudo, stepConfirm)
	if err != nil {
		return Ticket{}, err
	}
	use := spend(func(context.Context, controlplane.Tx) (bool, error) { return true, nil })
	if st.Account.SecondFactor { // counted and looked at only now: a guesser of passwords must not spend the owner's codes
		more, err := s.countFactor(ctx, st, from, stepConfirm)
		if err != nil {
			return Ticket{}, err
		}
		done = append(done, more...)
		if use, err = s.codeSpender(ctx, st.Account, code); err != nil {
			return Ticket{}, err
		}
	}
	t, err := inTx(ctx, s, func(tx controlplane.Tx) (Ticket, error) { return s.confirmed(ctx, tx, st, n, use, done, from) })
	if errors.Is(err, errNotSpent) {
		return Ticket{}, s.refuse(ctx, st.Account, from, controlplane.OpSudo, stepConfirm)
	}
	return t, err
}

// provePassword counts and checks the password of somebody signed in.
func (s *Service) provePassword(ctx context.Context, st Standing, password controlplane.Secret, from Origin, op controlplane.Operation, step string) (counted, error) {
	done, err := s.countPassword(ctx, st, from, step)
	if err != nil {
		return nil, err
	}
	right, _, err := s.verify(ctx, st.Account, password)
	if err != nil {
		return nil, errors.Join(err, s.takeBack(ctx, done))
	}
	if !right {
		return nil, s.refuse(ctx, st.Account, from, op, step)
	}
	return done, nil
}

func (s *Service) countPassword(ctx context.Context, st Standing, from Origin, step string) (counted, error) {
	type result struct {
		done counted
		full *full
	}
	r, err := inTx(ctx, s, func(tx controlplane.Tx) (r result, err error) {
		buckets, err := s.passwordBuckets(ctx, tx, st.Account, st.Account.Username, st.Session.DeviceHash, from)
		if err != nil {
			return r, err
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

func (s *Service) confirmed(ctx context.Context, tx controlplane.Tx, st Standing, n need, use spend, done counted, from Origin) (Ticket, error) {
	st, err := s.spent(ctx, tx, st, n, use, done)
	if err != nil {
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
