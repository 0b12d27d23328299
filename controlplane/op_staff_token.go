package controlplane

import (
	"context"
	"errors"
	"time"
)

// defaultStaffTokenDays is how long a staff token lives unless said otherwise.
const defaultStaffTokenDays = 90

// IssueStaffToken is the input of [Service.IssueStaffToken].
type IssueStaffToken struct {
	// Username says for whom. Staff make tokens for themselves only, and may leave
	// it empty.
	Username string `json:"username,omitempty" validate:"omitempty,username"`
	// Name says what uses the token.
	Name string `json:"name" validate:"required,note"`
	// Days is when the token ends, 1 to 365 from now; 0 means 90.
	Days int `json:"days,omitempty" validate:"min=0,max=365"`
	// Confirmed: the token may also do what asks people to confirm who they are.
	Confirmed bool `json:"confirmed,omitempty"`
}

// IssuedStaffToken is a new staff token. The text is in no other answer, ever
// again.
type IssuedStaffToken struct {
	Token  StaffToken
	Secret Secret
}

// IssueStaffToken makes a token with which a program acts as a member of staff.
// CodeConflict if it is to count as confirmed and the member has no second factor:
// such a token is as good as one. CodeDenied for a member who asks for another's,
// and for a token that asks for a token: it would outlive its own end.
func (s *Service) IssueStaffToken(ctx context.Context, a Actor, in IssueStaffToken) (IssuedStaffToken, error) {
	in.Username = NormalizeUsername(in.Username)
	id, err := NewID(PrefixStaffToken, s.now(), s.random)
	if err != nil {
		return IssuedStaffToken{}, asError(err)
	}
	secret, err := newStaffToken(s.random)
	if err != nil {
		return IssuedStaffToken{}, asError(err)
	}
	r := request{actor: a, op: OpStaffTokenIssue, input: in}
	return change(ctx, s, r, func(tx Tx, rec *record) (IssuedStaffToken, error) {
		m, err := s.tokenHolder(ctx, tx, a, in)
		if err != nil {
			return IssuedStaffToken{}, err
		}
		t := s.staffToken(id, m, in)
		t.CreatedBy = a.Name
		t.Hash, _ = staffTokenHash(secret.Reveal())
		rec.target = t.ID
		rec.diff = map[string]Change{"username": {To: m.Username}, "name": {To: t.Name}, "expires_at": {To: t.ExpiresAt}, "confirmed": {To: t.Confirmed}}
		return IssuedStaffToken{t, secret}, tx.InsertStaffToken(ctx, t)
	})
}

func (s *Service) staffToken(id string, m Staff, in IssueStaffToken) StaffToken {
	days := in.Days
	if days == 0 {
		days = defaultStaffTokenDays
	}
	now := s.now()
	return StaffToken{
		ID: id, StaffID: m.ID, Username: m.Username, Name: in.Name, Confirmed: in.Confirmed,
		CreatedAt: now, ExpiresAt: now.Add(time.Duration(days) * 24 * time.Hour), SecurityVersion: m.SecurityVersion,
	}
}

// tokenHolder is whom a new token will stand for.
func (s *Service) tokenHolder(ctx context.Context, tx Tx, a Actor, in IssueStaffToken) (m Staff, err error) {
	switch {
	case a.TokenID != "":
		return m, Errorf(CodeDenied, "a token cannot make tokens; sign in to the console")
	case a.Kind == ActorStaff:
		if m, err = tx.StaffMember(ctx, a.ID); err == nil && in.Username != "" && in.Username != m.Username {
			err = Errorf(CodeDenied, "staff make tokens for themselves only")
		}
	case in.Username == "":
		return m, InvalidField("username", "is missing")
	default:
		m, err = tx.StaffByUsername(ctx, in.Username)
	}
	if err != nil {
		return m, orNotFound(err, "member of staff", in.Username)
	}
	if m.Disabled {
		return m, Errorf(CodeConflict, "the account %q is disabled", m.Username)
	}
	if !in.Confirmed {
		return m, nil
	}
	_, err = tx.Seed(ctx, m.ID, true)
	if errors.Is(err, ErrNotFound) {
		err = Errorf(CodeConflict, "%q has no second factor; a confirmed token needs one", m.Username)
	}
	return m, err
}

// RevokeStaffToken ends a token at once. Platform admins may end everybody's, the
// other roles their own. CodeConflict if it was revoked already.
func (s *Service) RevokeStaffToken(ctx context.Context, a Actor, id string) (StaffToken, error) {
	return change(ctx, s, request{actor: a, op: OpStaffTokenRevoke}, func(tx Tx, rec *record) (StaffToken, error) {
		t, err := tx.StaffToken(ctx, id)
		if err != nil {
			return t, orNotFound(err, "staff token", id)
		}
		if a.Kind == ActorStaff && a.Role != RolePlatformAdmin && t.StaffID != a.ID {
			return t, Errorf(CodeDenied, "the role %q may revoke its own tokens only", a.Role)
		}
		if !t.RevokedAt.IsZero() {
			return t, Errorf(CodeConflict, "staff token %s is revoked already", t.ID)
		}
		t.RevokedAt = s.now()
		rec.target, rec.diff = t.ID, map[string]Change{"revoked": {To: t.RevokedAt}}
		return t, tx.RevokeStaffToken(ctx, t.ID, t.RevokedAt)
	})
}

// ListStaffTokens lists tokens, oldest first, those that ended too.
func (s *Service) ListStaffTokens(ctx context.Context, a Actor, f StaffTokenFilter) ([]StaffToken, error) {
	return read(ctx, s, request{actor: a, op: OpStaffTokenList, input: f}, func(tx Tx) ([]StaffToken, error) {
		return tx.StaffTokens(ctx, f)
	})
}

// AuthenticateStaffToken returns as whom the holder of a token acts.
// CodeUnauthenticated says the same of one that was never given out and one that
// has ended, for whatever reason. The look-up is by SHA-256, so its time tells
// nothing about the token.
func (s *Service) AuthenticateStaffToken(ctx context.Context, token Secret) (Actor, error) {
	denied := Errorf(CodeUnauthenticated, "the staff token is missing, unknown, expired or revoked")
	hash, ok := staffTokenHash(token.Reveal())
	if !ok {
		return Actor{}, denied
	}
	var t StaffToken
	var m Staff
	err := s.store.View(ctx, func(tx Tx) (err error) {
		if t, err = tx.StaffTokenByHash(ctx, hash); err != nil {
			return err
		}
		m, err = tx.StaffMember(ctx, t.StaffID)
		return err
	})
	now := s.now()
	if errors.Is(err, ErrNotFound) || err == nil && !t.worksFor(m, now) {
		return Actor{}, denied
	}
	if err == nil && now.Sub(t.LastUsedAt) >= tokenUseStep {
		err = s.store.Update(ctx, func(tx Tx) error { return tx.SaveStaffTokenUse(ctx, t.ID, now) })
	}
	if err != nil {
		return Actor{}, asError(err)
	}
	return Actor{Kind: ActorStaff, ID: m.ID, Name: m.Username, Role: m.Role, Sudo: t.Confirmed, TokenID: t.ID}, nil
}

// tokenStillWorks refuses a change by a token that has ended since it was shown.
func (s *Service) tokenStillWorks(ctx context.Context, tx Tx, a Actor) error {
	if a.TokenID == "" {
		return nil
	}
	t, err := tx.StaffToken(ctx, a.TokenID)
	if err != nil {
		return err
	}
	m, err := tx.StaffMember(ctx, t.StaffID)
	if err != nil {
		return err
	}
	if !t.worksFor(m, s.now()) {
		return Errorf(CodeDenied, "the staff token has ended")
	}
	return nil
}
