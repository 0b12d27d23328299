package account

import (
	"context"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// pastPasswords is how many former passwords are kept: with the present one, the
// last four are refused (PCI DSS 8.3.7).
const pastPasswords = 3

// ChangePassword replaces the password, ends all sessions and makes a new one. The
// present password is asked for in every state. CodeInvalid on the field
// "password" for one that the rules refuse; CodeDenied if the present one is
// wrong.
func (s *Service) ChangePassword(ctx context.Context, token, present, next controlplane.Secret, from Origin) (Ticket, error) {
	n := active(false).orState(controlplane.SessionPendingPassword)
	st, err := s.admit(ctx, token, n)
	if err != nil {
		return Ticket{}, err
	}
	next = normalise(next)
	if err := checkPassword(next.Reveal(), st.Account.about()); err != nil {
		return Ticket{}, err
	}
	done, err := s.provePassword(ctx, st, present, from, controlplane.OpPasswordChange, stepPassword)
	if err != nil {
		return Ticket{}, err
	}
	if err := s.refuseFormer(ctx, st.Account, normalise(present), next); err != nil {
		return Ticket{}, err
	}
	hash, err := s.hasher.Hash(ctx, next)
	if err != nil {
		return Ticket{}, asError(err)
	}
	return inTx(ctx, s, func(tx controlplane.Tx) (Ticket, error) { return s.passwordChanged(ctx, tx, st, n, hash, done, from) })
}

// refuseFormer refuses the last four passwords.
func (s *Service) refuseFormer(ctx context.Context, a Account, present, next controlplane.Secret) error {
	reused := weak("reused", "was one of your last four; choose one that you have not used")
	if present.Reveal() == next.Reveal() {
		return reused
	}
	former, err := inView(ctx, s, func(tx controlplane.Tx) ([]controlplane.Secret, error) { return tx.PastPasswords(ctx, a.ID) })
	if err != nil {
		return err
	}
	for _, hash := range former {
		same, _, err := s.hasher.Verify(ctx, hash, next)
		if err != nil {
			return asError(err)
		}
		if same {
			return reused
		}
	}
	return nil
}

func (s *Service) passwordChanged(ctx context.Context, tx controlplane.Tx, st Standing, n need, hash controlplane.Secret, done counted, from Origin) (Ticket, error) {
	st, err := s.again(ctx, tx, st, n)
	if err != nil {
		return Ticket{}, err
	}
	a, now := st.Account, s.now()
	if err := tx.AddPastPassword(ctx, a.ID, a.Password.Hash, now, pastPasswords); err != nil {
		return Ticket{}, err
	}
	a.Password = controlplane.Password{Hash: hash, ChangedAt: now}
	if err := done.refund(ctx, tx); err != nil {
		return Ticket{}, err
	}
	// Whoever knew the old password may have made a device known.
	if err := tx.DeleteDevices(ctx, a.ID); err != nil {
		return Ticket{}, err
	}
	return s.secured(ctx, tx, st.Session, a, from, controlplane.OpPasswordChange, controlplane.NoticePasswordChanged)
}

// secured saves what protects an account, ends all of its sessions, also those
// that other servers know, and makes a new one for who changed it.
func (s *Service) secured(ctx context.Context, tx controlplane.Tx, session controlplane.Session, a Account, from Origin,
	op controlplane.Operation, notice controlplane.AccountNoticeKind,
) (Ticket, error) {
	a.SecurityVersion++
	if err := savePassword(ctx, tx, a, s.now()); err != nil {
		return Ticket{}, err
	}
	if _, err := tx.DeleteSessions(ctx, a.ID); err != nil {
		return Ticket{}, err
	}
	t, _, err := s.enter(ctx, tx, entry{a, from, session.SecondFactor || op == controlplane.OpSecondFactorEnrol, session.DeviceHash})
	if err != nil {
		return Ticket{}, err
	}
	if err := s.record(ctx, tx, a, from, event{op: op, outcome: controlplane.OutcomeOK}); err != nil {
		return Ticket{}, err
	}
	return t, s.tell(ctx, tx, notice, a, from)
}
