package account

import (
	"context"
	"errors"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// enrolLife is how long a seed waits for its first code.
const enrolLife = 15 * time.Minute

// Factor is how the second factor of an account stands.
type Factor struct {
	Enrolled bool
	Since    time.Time
	// Pending: an enrolment was begun and waits for its first code.
	Pending bool
	// CodesLeft is the number of recovery codes that were not used.
	CodesLeft int
	// Required: the rules do not allow to be without.
	Required bool
}

// Enrolment is what an authenticator app needs: the URI as a QR code, or the seed
// typed in.
type Enrolment struct {
	URI  controlplane.Secret
	Seed controlplane.Secret
}

// enrolling is what changing the second factor needs.
func enrolling() need { return active(true).orState(controlplane.SessionPendingEnrol) }

// Factor tells how the second factor stands.
func (s *Service) Factor(ctx context.Context, token controlplane.Secret) (Factor, error) {
	st, err := s.admit(ctx, token, active(false).orState(controlplane.SessionPendingEnrol))
	if err != nil {
		return Factor{}, err
	}
	return inView(ctx, s, func(tx controlplane.Tx) (f Factor, err error) {
		f.Required = s.required()
		if seed, err := tx.Seed(ctx, st.Account.ID, true); err == nil {
			f.Enrolled, f.Since = true, seed.CreatedAt
		} else if !errors.Is(err, controlplane.ErrNotFound) {
			return f, err
		}
		if seed, err := tx.Seed(ctx, st.Account.ID, false); err == nil {
			f.Pending = s.now().Sub(seed.CreatedAt) < enrolLife
		} else if !errors.Is(err, controlplane.ErrNotFound) {
			return f, err
		}
		f.CodesLeft, err = tx.RecoveryCodesLeft(ctx, st.Account.ID)
		return f, err
	})
}

// BeginEnrolment makes a seed and keeps it, sealed, beside a confirmed one, which
// goes on working until the new one is confirmed (better-auth issue 10923). Needs
// sudo.
func (s *Service) BeginEnrolment(ctx context.Context, token controlplane.Secret, from Origin) (Enrolment, error) {
	n := enrolling()
	st, err := s.admit(ctx, token, n)
	if err != nil {
		return Enrolment{}, err
	}
	return inTx(ctx, s, func(tx controlplane.Tx) (Enrolment, error) {
		st, err := s.again(ctx, tx, st, n)
		if err != nil {
			return Enrolment{}, err
		}
		a := st.Account
		seed, err := newSeed(s.random)
		if err != nil {
			return Enrolment{}, err
		}
		row := controlplane.TOTPSeed{AccountID: a.ID, MerchantID: a.MerchantID, CreatedAt: s.now()}
		if row.ID, err = controlplane.NewID(prefixSeed, s.now(), s.random); err != nil {
			return Enrolment{}, err
		}
		aad := controlplane.TOTPSeedLocation(row.ID, row.MerchantID).AAD()
		if row.Sealed, err = s.sealer.Seal(controlplane.PurposeTOTPSeed, aad, []byte(seed.Reveal())); err != nil {
			return Enrolment{}, err
		}
		if err := tx.PutPendingSeed(ctx, row); err != nil {
			return Enrolment{}, err
		}
		err = s.record(ctx, tx, a, from, event{op: controlplane.OpSecondFactorBegin, outcome: controlplane.OutcomeOK})
		return Enrolment{URI: otpauthURI(seed, a.Username), Seed: seed}, err
	})
}

// FinishEnrolment confirms the pending seed with a code, which is spent with it,
// and returns recovery codes, shown this once. All other sessions end. Needs sudo.
// CodeConflict if no enrolment is under way.
func (s *Service) FinishEnrolment(ctx context.Context, token, code controlplane.Secret, from Origin) (Ticket, []controlplane.Secret, error) {
	n := enrolling()
	st, err := s.admit(ctx, token, n)
	if err != nil {
		return Ticket{}, nil, err
	}
	done, err := s.countFactor(ctx, st, from, stepCode)
	if err != nil {
		return Ticket{}, nil, err
	}
	seed, err := s.pendingSeed(ctx, st.Account)
	if err != nil {
		return Ticket{}, nil, err
	}
	step, found, err := s.matchSeed(seed, code)
	if err != nil {
		return Ticket{}, nil, err
	}
	if !found {
		return Ticket{}, nil, s.refuse(ctx, st.Account, from, controlplane.OpSecondFactorEnrol, stepCode)
	}
	return s.enrolled(ctx, st, n, done, seed.ID, step, from)
}

// enrolled makes the seed the account's, with new recovery codes.
func (s *Service) enrolled(ctx context.Context, st Standing, n need, done counted, seedID string, step int64, from Origin) (Ticket, []controlplane.Secret, error) {
	codes, hashes, err := newRecoveryCodes(s.random)
	if err != nil {
		return Ticket{}, nil, asError(err)
	}
	t, err := inTx(ctx, s, func(tx controlplane.Tx) (Ticket, error) {
		st, err := s.again(ctx, tx, st, n)
		if err != nil {
			return Ticket{}, err
		}
		a := st.Account
		if err := errors.Join(done.refund(ctx, tx), tx.ConfirmSeed(ctx, a.ID, seedID, step), tx.ReplaceRecoveryCodes(ctx, a.ID, hashes)); err != nil {
			return Ticket{}, orNoEnrolment(err)
		}
		a.SecondFactor = true
		return s.secured(ctx, tx, st.Session, a, from, controlplane.OpSecondFactorEnrol, controlplane.NoticeSecondFactorAdded)
	})
	if err != nil {
		return Ticket{}, nil, err
	}
	return t, codes, nil
}

func (s *Service) pendingSeed(ctx context.Context, a Account) (controlplane.TOTPSeed, error) {
	return inView(ctx, s, func(tx controlplane.Tx) (controlplane.TOTPSeed, error) {
		seed, err := tx.Seed(ctx, a.ID, false)
		if err == nil && s.now().Sub(seed.CreatedAt) >= enrolLife {
			err = controlplane.ErrNotFound
		}
		return seed, orNoEnrolment(err)
	})
}

func orNoEnrolment(err error) error {
	if errors.Is(err, controlplane.ErrNotFound) {
		return controlplane.Errorf(controlplane.CodeConflict, "no enrolment is under way, or it waited too long; begin again")
	}
	return err
}

// RemoveFactor deletes the second factor and the recovery codes, and ends all
// other sessions. Needs sudo; CodeDenied where the rules demand a second factor.
// The password may be shorter than one that stands alone must be, so the next
// thing is a new one.
func (s *Service) RemoveFactor(ctx context.Context, token controlplane.Secret, from Origin) (Ticket, error) {
	n := active(true)
	st, err := s.admit(ctx, token, n)
	if err != nil {
		return Ticket{}, err
	}
	if s.required() {
		return Ticket{}, controlplane.Errorf(controlplane.CodeDenied, "a second factor is required; enrol another one in its place")
	}
	return inTx(ctx, s, func(tx controlplane.Tx) (Ticket, error) {
		st, err := s.again(ctx, tx, st, n)
		if err != nil {
			return Ticket{}, err
		}
		a := st.Account
		if !a.SecondFactor {
			return Ticket{}, controlplane.Errorf(controlplane.CodeConflict, "no second factor is enrolled")
		}
		if err := errors.Join(tx.DeleteSeeds(ctx, a.ID), tx.ReplaceRecoveryCodes(ctx, a.ID, nil)); err != nil {
			return Ticket{}, err
		}
		a.SecondFactor, a.Password.MustChange = false, true
		return s.secured(ctx, tx, st.Session, a, from, controlplane.OpSecondFactorRemove, controlplane.NoticeSecondFactorRemoved)
	})
}

// NewRecoveryCodes replaces the recovery codes. Needs sudo; CodeConflict without a
// second factor.
func (s *Service) NewRecoveryCodes(ctx context.Context, token controlplane.Secret, from Origin) ([]controlplane.Secret, error) {
	n := active(true)
	st, err := s.admit(ctx, token, n)
	if err != nil {
		return nil, err
	}
	codes, hashes, err := newRecoveryCodes(s.random)
	if err != nil {
		return nil, asError(err)
	}
	_, err = inTx(ctx, s, func(tx controlplane.Tx) (struct{}, error) {
		st, err := s.again(ctx, tx, st, n)
		if err != nil {
			return struct{}{}, err
		}
		if !st.Account.SecondFactor {
			return struct{}{}, controlplane.Errorf(controlplane.CodeConflict, "recovery codes stand in for a second factor; enrol one first")
		}
		if err := tx.ReplaceRecoveryCodes(ctx, st.Account.ID, hashes); err != nil {
			return struct{}{}, err
		}
		if err := s.record(ctx, tx, st.Account, from, event{op: controlplane.OpRecoveryCodes, outcome: controlplane.OutcomeOK}); err != nil {
			return struct{}{}, err
		}
		return struct{}{}, s.tell(ctx, tx, controlplane.NoticeRecoveryCodesMade, st.Account, from)
	})
	if err != nil {
		return nil, err
	}
	return codes, nil
}
