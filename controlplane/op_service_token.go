package controlplane

import (
	"context"
	"errors"
	"time"
)

// IssueServiceToken is the input of [Service.IssueServiceToken].
type IssueServiceToken struct {
	// Name says which backend holds the token.
	Name string `json:"name" validate:"required,note"`
}

// IssuedServiceToken is a new service token. The text is in no other answer, ever
// again.
type IssuedServiceToken struct {
	Token  ServiceToken
	Secret Secret
}

// IssueServiceToken makes a token for a backend that hands events in.
func (s *Service) IssueServiceToken(ctx context.Context, a Actor, in IssueServiceToken) (IssuedServiceToken, error) {
	id, err := NewID(PrefixServiceToken, s.now(), s.random)
	if err != nil {
		return IssuedServiceToken{}, asError(err)
	}
	secret, err := newServiceToken(s.random)
	if err != nil {
		return IssuedServiceToken{}, asError(err)
	}
	hash, _ := serviceTokenHash(secret.Reveal())
	r := request{actor: a, op: OpServiceTokenIssue, input: in}
	return change(ctx, s, r, func(tx Tx, rec *record) (IssuedServiceToken, error) {
		t := ServiceToken{ID: id, Name: in.Name, CreatedAt: s.now(), CreatedBy: a.Name, Hash: hash}
		rec.target, rec.diff = t.ID, map[string]Change{"name": {To: t.Name}}
		return IssuedServiceToken{t, secret}, tx.InsertServiceToken(ctx, t)
	})
}

// RevokeServiceToken ends a token at once. CodeConflict if it has ended.
func (s *Service) RevokeServiceToken(ctx context.Context, a Actor, id string) (ServiceToken, error) {
	return change(ctx, s, request{actor: a, op: OpServiceTokenRevoke}, func(tx Tx, rec *record) (ServiceToken, error) {
		t, err := tx.ServiceToken(ctx, id)
		if err != nil {
			return t, orNotFound(err, "service token", id)
		}
		if !t.RevokedAt.IsZero() {
			return t, Errorf(CodeConflict, "service token %s is revoked already", t.ID)
		}
		t.RevokedAt = s.now()
		rec.target, rec.diff = t.ID, map[string]Change{"revoked": {To: t.RevokedAt}}
		return t, tx.UpdateServiceToken(ctx, t)
	})
}

// ListServiceTokens lists every token, oldest first.
func (s *Service) ListServiceTokens(ctx context.Context, a Actor) ([]ServiceToken, error) {
	return read(ctx, s, request{actor: a, op: OpServiceTokenList}, func(tx Tx) ([]ServiceToken, error) {
		return tx.ServiceTokens(ctx)
	})
}

// tokenUseStep is how exact the last use of a token is kept.
const tokenUseStep = time.Minute

// AuthenticateServiceToken returns whom a token stands for. CodeDenied says the
// same of one that was never given out and one that was revoked. The look-up is by
// SHA-256, so its time tells nothing about the token.
func (s *Service) AuthenticateServiceToken(ctx context.Context, token Secret) (Actor, error) {
	denied := Errorf(CodeDenied, "the service token is missing, unknown or revoked")
	hash, ok := serviceTokenHash(token.Reveal())
	if !ok {
		return Actor{}, denied
	}
	t, err := remembered(s, &s.tokens, hash, func() (t ServiceToken, err error) {
		err = s.store.View(ctx, func(tx Tx) error {
			t, err = tx.ServiceTokenByHash(ctx, hash)
			return err
		})
		return t, err
	})
	if errors.Is(err, ErrNotFound) || err == nil && !t.RevokedAt.IsZero() {
		return Actor{}, denied
	}
	if err != nil {
		return Actor{}, asError(err)
	}
	if now := s.now(); now.Sub(t.LastUsedAt) >= tokenUseStep {
		err = s.saveTokenUse(ctx, hash, t, now)
	}
	return Actor{Kind: ActorSystem, ID: t.ID, Name: t.Name, Role: RoleService}, asErrorOrNil(err)
}

// saveTokenUse writes down that a token was used, and has it read again after that.
func (s *Service) saveTokenUse(ctx context.Context, hash [32]byte, t ServiceToken, at time.Time) error {
	if err := s.store.Update(Concurrent(ctx), func(tx Tx) error { return tx.SaveServiceTokenUse(ctx, t.ID, at) }); err != nil {
		return err
	}
	s.tokens.forget(hash)
	return nil
}
