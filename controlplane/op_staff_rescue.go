package controlplane

import "context"

// ResetStaffPassword replaces the password of a member who cannot get in by a
// generated one, and ends their sessions and tokens. The second factor stays.
func (s *Service) ResetStaffPassword(ctx context.Context, a Actor, staffID string) (NewAccount, error) {
	r := request{actor: a, op: OpStaffResetPassword, input: StaffRef{staffID}}
	if err := s.admit(ctx, r); err != nil { // before the expensive hash
		return NewAccount{}, err
	}
	account, password, err := s.newAccount(ctx, PrefixStaff, "", s.rules.InitialPasswordTTL)
	if err != nil {
		return NewAccount{}, err
	}
	m, err := carryOut(ctx, s, s.planStaff(ctx, r, staffID, func(tx Tx, m *Staff, rec *record) error {
		if err := tx.AddPastPassword(ctx, m.ID, m.Password.Hash, s.now(), pastPasswords); err != nil {
			return err
		}
		rec.diff = map[string]Change{"password": {To: "a generated one"}}
		m.Password = password
		return nil
	}))
	account.ID, account.Username = m.ID, m.Username
	return account, err
}

// ResetStaffSecondFactor takes the second factor and the recovery codes from a member
// who has lost them, and ends their sessions and tokens. At the next sign-in they
// choose a new password and set up another factor. CodePending if somebody else has to
// approve.
func (s *Service) ResetStaffSecondFactor(ctx context.Context, a Actor, staffID string) (Staff, error) {
	p, err := s.planResetStaffFactor(ctx, a, StaffRef{staffID})
	if err != nil {
		return Staff{}, err
	}
	return carryOut(ctx, s, p)
}

func (s *Service) planResetStaffFactor(ctx context.Context, a Actor, in StaffRef) (plan[Staff], error) {
	r := request{actor: a, op: OpStaffResetSecondFactor, input: in, eyes: makes(true, in.StaffID)}
	return s.planStaff(ctx, r, in.StaffID, func(tx Tx, m *Staff, rec *record) error {
		rec.diff = map[string]Change{"second_factor": {From: true, To: false}}
		m.Password.MustChange = true
		return removeFactor(ctx, tx, m.ID)
	}), nil
}

// SignOutStaff ends all sessions and tokens of a member. The account stays as it is.
func (s *Service) SignOutStaff(ctx context.Context, a Actor, staffID string) (Staff, error) {
	r := request{actor: a, op: OpStaffSignOut, input: StaffRef{staffID}}
	return carryOut(ctx, s, s.planStaff(ctx, r, staffID, func(_ Tx, _ *Staff, rec *record) error {
		rec.diff = map[string]Change{"sessions": {To: "ended"}}
		return nil
	}))
}
