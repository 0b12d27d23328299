package account

import (
	"context"
	"encoding/hex"
	"errors"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// maxTries of second factors in one session. Those of the account go on counting
// when the sign-in is begun again.
const maxTries = 5

// Code shows a code of the authenticator app. CodeDenied, one answer whether the
// code was wrong or used before; CodeUnauthenticated after five tries.
func (s *Service) Code(ctx context.Context, token, code controlplane.Secret, from Origin) (Ticket, error) {
	return s.showFactor(ctx, token, from, stepCode, func(ctx context.Context, a Account) (spend, error) {
		return s.codeSpender(ctx, a, code)
	})
}

// RecoveryCode shows one of the recovery codes instead. Each works once, and only
// for the account that it was made for.
func (s *Service) RecoveryCode(ctx context.Context, token, code controlplane.Secret, from Origin) (Ticket, error) {
	return s.showFactor(ctx, token, from, stepRecovery, func(_ context.Context, a Account) (spend, error) {
		hash, ok := recoveryHash(code)
		return func(ctx context.Context, tx controlplane.Tx) (bool, error) {
			if !ok {
				return false, nil
			}
			spent, err := tx.SpendRecoveryCode(ctx, a.ID, hash)
			if err != nil || !spent {
				return false, err
			}
			return true, s.tell(ctx, tx, controlplane.NoticeRecoveryCodeUsed, a, from)
		}, nil
	})
}

// spend uses up what was shown, in one conditional statement: of two that show the
// same at the same moment, one gets in. It returns false for what is wrong or
// used up.
type spend func(ctx context.Context, tx controlplane.Tx) (bool, error)

// codeSpender finds out which step a code belongs to.
func (s *Service) codeSpender(ctx context.Context, a Account, code controlplane.Secret) (spend, error) {
	seed, err := inView(ctx, s, func(tx controlplane.Tx) (controlplane.TOTPSeed, error) { return tx.Seed(ctx, a.ID, true) })
	if err != nil {
		return nil, err
	}
	step, found, err := s.matchSeed(seed, code)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, tx controlplane.Tx) (bool, error) {
		if !found {
			return false, nil
		}
		return tx.SpendStep(ctx, a.ID, seed.ID, step)
	}, nil
}

func (s *Service) matchSeed(seed controlplane.TOTPSeed, code controlplane.Secret) (step int64, found bool, err error) {
	aad := controlplane.TOTPSeedLocation(seed.ID, seed.MerchantID).AAD()
	plain, err := s.sealer.Unseal(controlplane.PurposeTOTPSeed, aad, seed.Sealed)
	if err != nil {
		return 0, false, asError(err)
	}
	defer clear(plain)
	step, found, err = matchStep(controlplane.NewSecret(string(plain)), code, s.now())
	return step, found, asErrorOrNil(err)
}

// showFactor counts a try, then checks it.
func (s *Service) showFactor(ctx context.Context, token controlplane.Secret, from Origin, step string,
	prepare func(context.Context, Account) (spend, error),
) (Ticket, error) {
	n := need{states: []controlplane.SessionState{controlplane.SessionPending2FA}}
	st, err := s.admit(ctx, token, n)
	if err != nil {
		return Ticket{}, err
	}
	done, err := s.countFactor(ctx, st, from, step)
	if err != nil {
		return Ticket{}, err
	}
	use, err := prepare(ctx, st.Account)
	if err != nil {
		return Ticket{}, err
	}
	t, err := inTx(ctx, s, func(tx controlplane.Tx) (Ticket, error) { return s.passed(ctx, tx, st, n, use, done, from, step) })
	if errors.Is(err, errNotSpent) {
		return Ticket{}, s.refuse(ctx, st.Account, from, controlplane.OpSignIn, step)
	}
	return t, err
}

var errNotSpent = errors.New("wrong or used before")

// countFactor counts a second factor in its session and its account, and commits
// that. The session ends with its last try.
func (s *Service) countFactor(ctx context.Context, st Standing, from Origin, step string) (counted, error) {
	type result struct {
		done  counted
		full  *full
		spent bool // the session has no tries left
	}
	r, err := inTx(ctx, s, func(tx controlplane.Tx) (r result, err error) {
		if st.Session.State == controlplane.SessionPending2FA {
			n, err := tx.CountTry(ctx, st.Session.ID)
			if errors.Is(err, controlplane.ErrNotFound) {
				return r, errSignIn()
			}
			if err != nil {
				return r, err
			}
			if n > maxTries {
				return result{spent: true}, tx.DeleteSession(ctx, st.Account.ID, st.Session.ID)
			}
		}
		buckets, err := factorBuckets(ctx, tx, st)
		if err != nil {
			return r, err
		}
		r.done, r.full, err = s.count(ctx, tx, st.Account, from, step, buckets)
		return r, err
	})
	switch {
	case err != nil:
		return nil, err
	case r.spent:
		return nil, errSignIn()
	case r.full != nil:
		return nil, r.full.error(s.now())
	}
	return r.done, nil
}

// factorBuckets are never touched by a right password (crudauth issue 43).
func factorBuckets(ctx context.Context, tx controlplane.Tx, st Standing) ([]bucket, error) {
	known, err := isKnown(ctx, tx, st.Account, st.Session.DeviceHash)
	if err != nil {
		return nil, err
	}
	if known {
		return []bucket{codeByDevice().of(st.Account.ID, hex.EncodeToString(st.Session.DeviceHash[:]))}, nil
	}
	return []bucket{codeByAccount().of(st.Account.ID)}, nil
}

// passed spends the second factor and makes the next session.
func (s *Service) passed(ctx context.Context, tx controlplane.Tx, st Standing, n need, use spend, done counted, from Origin, step string) (Ticket, error) {
	st, err := s.spent(ctx, tx, st, n, use, done)
	if err != nil {
		return Ticket{}, err
	}
	return s.proceed(ctx, tx, entry{st.Account, from, true, st.Session.DeviceHash}, step)
}

// spent uses up what was shown and ends the session that showed it.
func (s *Service) spent(ctx context.Context, tx controlplane.Tx, st Standing, n need, use spend, done counted) (Standing, error) {
	st, err := s.again(ctx, tx, st, n)
	if err != nil {
		return st, err
	}
	ok, err := use(ctx, tx)
	if err != nil {
		return st, err
	}
	if !ok {
		return st, errNotSpent
	}
	if err := done.refund(ctx, tx); err != nil {
		return st, err
	}
	return st, tx.DeleteSession(ctx, st.Account.ID, st.Session.ID)
}

// refuse writes down that what was shown was not right, and says no more.
func (s *Service) refuse(ctx context.Context, a Account, from Origin, op controlplane.Operation, step string) error {
	e := event{op: op, step: step, outcome: controlplane.OutcomeFailed, reason: "wrong_" + step}
	if err := s.recordAlone(ctx, a, from, e); err != nil {
		return err
	}
	return errWrong()
}
