package controlplane

import (
	"context"
	"errors"
)

// CreateStaff is the input of [Service.CreateStaff].
type CreateStaff struct {
	Username string `json:"username" validate:"required,username"`
	Email    string `json:"email,omitempty" validate:"omitempty,max=254,mailable,email"`
	Role     Role   `json:"role" validate:"required,platform_role"`
}

// CreateStaff makes a member of staff with a generated password that must be changed
// at the first sign-in, where a second factor must be set up too, and dies unused
// after 72 h. CodeConflict if the username is taken; CodePending if it makes a
// platform admin, who could be somebody's own second pair of eyes.
func (s *Service) CreateStaff(ctx context.Context, a Actor, in CreateStaff) (NewAccount, error) {
	p, err := s.planCreateStaff(ctx, a, in)
	if err != nil {
		return NewAccount{}, err
	}
	return carryOut(ctx, s, p)
}

func (s *Service) planCreateStaff(ctx context.Context, a Actor, in CreateStaff) (p plan[NewAccount], err error) {
	in.Username = NormalizeUsername(in.Username)
	p.request = request{actor: a, op: OpStaffCreate, input: in, eyes: makes(in.Role == RolePlatformAdmin, "")}
	if err := s.admit(ctx, p.request); err != nil { // before the expensive hash
		return p, err
	}
	account, password, err := s.newAccount(ctx, PrefixStaff, in.Username, s.rules.InitialPasswordTTL)
	p.do = func(tx Tx, rec *record) (NewAccount, error) {
		now := s.now()
		rec.target = account.ID
		rec.diff = map[string]Change{"username": {To: in.Username}, "role": {To: in.Role}, "email": {To: in.Email}}
		err := tx.InsertStaff(ctx, Staff{
			ID: account.ID, Username: in.Username, Email: in.Email, Role: in.Role,
			Password: password, SecurityVersion: 1, CreatedAt: now, UpdatedAt: now,
		})
		if errors.Is(err, ErrDuplicate) {
			err = conflictingField("username", "taken", "%q is taken", in.Username)
		}
		return account, err
	}
	return p, err
}

// StaffRef names a member of staff.
type StaffRef struct {
	StaffID string `json:"staff_id" validate:"required"`
}

// DisableStaff ends the member's sessions and tokens and refuses their sign-in.
// CodeConflict for the last platform admin who is enabled; CodePending for any other
// one, if somebody else has to approve: who gets rid of the second pair of eyes would
// need none.
func (s *Service) DisableStaff(ctx context.Context, a Actor, staffID string) (Staff, error) {
	p, err := s.planDisableStaff(ctx, a, StaffRef{staffID})
	if err != nil {
		return Staff{}, err
	}
	return carryOut(ctx, s, p)
}

func (s *Service) planDisableStaff(ctx context.Context, a Actor, in StaffRef) (plan[Staff], error) {
	return s.planStaffDisabled(ctx, a, OpStaffDisable, in, true), nil
}

// EnableStaff undoes [Service.DisableStaff]; tokens that ended stay ended. CodePending
// for a platform admin, if somebody else has to approve.
func (s *Service) EnableStaff(ctx context.Context, a Actor, staffID string) (Staff, error) {
	p, err := s.planEnableStaff(ctx, a, StaffRef{staffID})
	if err != nil {
		return Staff{}, err
	}
	return carryOut(ctx, s, p)
}

func (s *Service) planEnableStaff(ctx context.Context, a Actor, in StaffRef) (plan[Staff], error) {
	return s.planStaffDisabled(ctx, a, OpStaffEnable, in, false), nil
}

// ofAnAdmin: the account is, or becomes, that of a platform admin.
func ofAnAdmin(staffID string, becomes Role) *fourEyes {
	return &fourEyes{about: staffID, holds: func(ctx context.Context, tx Tx) (bool, error) {
		m, err := tx.StaffMember(ctx, staffID)
		return m.Role == RolePlatformAdmin || becomes == RolePlatformAdmin, orNotFound(err, "member of staff", staffID)
	}}
}

func (s *Service) planStaffDisabled(ctx context.Context, a Actor, op Operation, in StaffRef, to bool) plan[Staff] {
	r := request{actor: a, op: op, input: in, eyes: ofAnAdmin(in.StaffID, "")}
	return s.planStaff(ctx, r, in.StaffID, func(_ Tx, m *Staff, rec *record) error {
		if m.Disabled == to {
			return Errorf(CodeConflict, "%q is %s already", m.Username, map[bool]string{true: "disabled", false: "enabled"}[to])
		}
		rec.diff = map[string]Change{"disabled": {From: m.Disabled, To: to}}
		m.Disabled = to
		return nil
	})
}

// SetStaffRole is the input of [Service.SetStaffRole].
type SetStaffRole struct {
	StaffID string `json:"staff_id" validate:"required"`
	Role    Role   `json:"role" validate:"required,platform_role"`
}

// SetStaffRole changes what a member may do, and ends their sessions and tokens.
// CodeConflict for the last platform admin who is enabled; CodePending if it makes or
// unmakes a platform admin and somebody else has to approve.
func (s *Service) SetStaffRole(ctx context.Context, a Actor, in SetStaffRole) (Staff, error) {
	p, err := s.planStaffRole(ctx, a, in)
	if err != nil {
		return Staff{}, err
	}
	return carryOut(ctx, s, p)
}

func (s *Service) planStaffRole(ctx context.Context, a Actor, in SetStaffRole) (plan[Staff], error) {
	r := request{actor: a, op: OpStaffRole, input: in, eyes: ofAnAdmin(in.StaffID, in.Role)}
	return s.planStaff(ctx, r, in.StaffID, func(_ Tx, m *Staff, rec *record) error {
		if m.Role == in.Role {
			return Errorf(CodeConflict, "%q has the role %s already", m.Username, in.Role)
		}
		rec.diff = map[string]Change{"role": {From: m.Role, To: in.Role}}
		m.Role = in.Role
		return nil
	}), nil
}

func (m Staff) administers() bool { return m.Role == RolePlatformAdmin && !m.Disabled }

// leavesAnAdmin refuses a change after which nobody could manage the platform in the
// console.
func leavesAnAdmin(ctx context.Context, tx Tx, was, m Staff) error {
	if !was.administers() || m.administers() {
		return nil
	}
	others, err := tx.CountAdmins(ctx, false, m.ID, m.ID)
	if err == nil && others == 0 {
		err = Errorf(CodeConflict, "%q is the last platform admin who is enabled; make another one first", m.Username)
	}
	return err
}

// planStaff loads, changes and saves a member of staff, and ends their sessions.
// Nobody changes their own account this way: what protects it is changed on one's own
// pages, with one's own password.
func (s *Service) planStaff(ctx context.Context, r request, staffID string, edit func(Tx, *Staff, *record) error) plan[Staff] {
	return plan[Staff]{r, func(tx Tx, rec *record) (Staff, error) {
		m, err := tx.StaffMember(ctx, staffID)
		if err != nil {
			return m, orNotFound(err, "member of staff", staffID)
		}
		if r.actor.Kind == ActorStaff && r.actor.ID == m.ID {
			return m, Errorf(CodeConflict, "this is your own account; another platform admin has to change it")
		}
		rec.target = m.ID
		was := m
		if err := edit(tx, &m, rec); err != nil {
			return m, err
		}
		if err := leavesAnAdmin(ctx, tx, was, m); err != nil {
			return m, err
		}
		m.SecurityVersion++
		m.UpdatedAt = s.now()
		return m, tx.UpdateStaff(ctx, m)
	}}
}

// StaffView is a member of staff with what is known of how they sign in.
type StaffView struct {
	Staff
	// SecondFactor: one is enrolled.
	SecondFactor bool `json:"second_factor"`
}

// ListStaff lists the platform team, oldest first.
func (s *Service) ListStaff(ctx context.Context, a Actor, page Page) ([]StaffView, error) {
	return read(ctx, s, request{actor: a, op: OpStaffList, input: page}, func(tx Tx) ([]StaffView, error) {
		members, err := tx.StaffMembers(ctx, page)
		if err != nil {
			return nil, err
		}
		views := make([]StaffView, len(members))
		for i, m := range members {
			views[i].Staff = m
			if views[i].SecondFactor, err = enrolled(ctx, tx, m.ID); err != nil {
				return nil, err
			}
		}
		return views, nil
	})
}

// StaffMember returns one member of staff.
func (s *Service) StaffMember(ctx context.Context, a Actor, in StaffRef) (StaffView, error) {
	return read(ctx, s, request{actor: a, op: OpStaffView, input: in}, func(tx Tx) (v StaffView, err error) {
		if v.Staff, err = tx.StaffMember(ctx, in.StaffID); err != nil {
			return v, orNotFound(err, "member of staff", in.StaffID)
		}
		v.SecondFactor, err = enrolled(ctx, tx, v.ID)
		return v, err
	})
}
