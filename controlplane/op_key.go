package controlplane

import (
	"context"
	"errors"
	"time"
)

// IssueKey is the input of [Service.IssueKey].
type IssueKey struct {
	MerchantID  string      `json:"merchant_id" validate:"required"`
	Environment Environment `json:"environment" validate:"required,env"`
}

// IssuedKey is a new pair. The secret is in no other answer, ever again.
type IssuedKey struct {
	Key    APIKey
	Secret Secret
	// Replaced is the key that this one takes over from, after a rotation.
	Replaced *APIKey
}

// IssueKey makes the first pair of an environment. CodeConflict while there is an
// active one: that is rotated, so that nobody cuts a running integration off by
// mistake.
func (s *Service) IssueKey(ctx context.Context, a Actor, in IssueKey) (IssuedKey, error) {
	r := request{actor: a, op: OpKeyIssue, merchantID: in.MerchantID, input: in}
	return change(ctx, s, r, func(tx Tx, rec *record) (IssuedKey, error) {
		issued, err := s.insertKey(ctx, tx, r.actor, in.MerchantID, in.Environment)
		if errors.Is(err, ErrDuplicate) {
			return issued, Errorf(CodeConflict, "there is an active %s key already; rotate it instead", in.Environment)
		}
		if err != nil {
			return issued, err
		}
		rec.target, rec.diff = issued.Key.ID, map[string]Change{"environment": {To: in.Environment}}
		return issued, s.notifyKey(ctx, tx, KeyNotice{KeyNoticeIssued, issued.Key, s.now()})
	})
}

// RotateKey is the input of [Service.RotateKey].
type RotateKey struct {
	MerchantID  string      `json:"merchant_id" validate:"required"`
	Environment Environment `json:"environment" validate:"required,env"`
	// Replaces, if given, is the key that the caller means to replace: CodeConflict
	// if it is not the active one, so that of two people who rotate at once only one
	// does.
	Replaces string `json:"replaces,omitempty"`
	// Overlap is how long the old key works beside the new one: none, 1 h, 24 h or
	// 7 d.
	Overlap Overlap `json:"overlap" validate:"overlap"`
}

// RotateKey makes a new pair and lets the old one work on for the overlap.
// CodeConflict if there is no active key to take over from.
func (s *Service) RotateKey(ctx context.Context, a Actor, in RotateKey) (IssuedKey, error) {
	r := request{actor: a, op: OpKeyRotate, merchantID: in.MerchantID, input: in}
	return change(ctx, s, r, func(tx Tx, rec *record) (IssuedKey, error) {
		old, err := tx.ActiveKey(ctx, in.MerchantID, in.Environment)
		if errors.Is(err, ErrNotFound) {
			return IssuedKey{}, Errorf(CodeConflict, "there is no active %s key to rotate; issue one", in.Environment)
		}
		if err != nil {
			return IssuedKey{}, err
		}
		if in.Replaces != "" && in.Replaces != old.ID {
			return IssuedKey{}, Errorf(CodeConflict, "the active %s key is %s by now; look at the keys again before you rotate", in.Environment, old.ID)
		}
		old, err = s.retire(ctx, tx, old, in.Overlap)
		if err != nil {
			return IssuedKey{}, err
		}
		issued, err := s.insertKey(ctx, tx, r.actor, in.MerchantID, in.Environment)
		if err != nil {
			return issued, err
		}
		issued.Replaced = &old
		rec.target = issued.Key.ID
		rec.diff = map[string]Change{"active_key": {From: old.ID, To: issued.Key.ID}, "old_key_stops": {To: old.RetireAt}}
		return issued, s.notifyKey(ctx, tx, KeyNotice{KeyNoticeRotated, old, s.now()})
	})
}

func (s *Service) insertKey(ctx context.Context, tx Tx, a Actor, merchantID string, env Environment) (IssuedKey, error) {
	id, err := newKeyID(env, s.random)
	if err != nil {
		return IssuedKey{}, err
	}
	secret, err := newSecret(env, s.random)
	if err != nil {
		return IssuedKey{}, err
	}
	aad := APISecretLocation(id, merchantID, env).AAD()
	sealed, err := s.sealer.Seal(PurposeAPISecret, aad, []byte(secret.Reveal()))
	if err != nil {
		return IssuedKey{}, err
	}
	key := APIKey{ID: id, MerchantID: merchantID, Environment: env, State: KeyActive, CreatedAt: s.now(), CreatedBy: a.Name}
	if key.Revision, err = tx.BumpRevision(ctx); err != nil {
		return IssuedKey{}, err
	}
	return IssuedKey{Key: key, Secret: secret}, tx.InsertKey(ctx, key, sealed)
}

// retire stops a key after a while, or at once.
func (s *Service) retire(ctx context.Context, tx Tx, k APIKey, after Overlap) (_ APIKey, err error) {
	k.State, k.RetireAt = KeyRetiring, s.now().Add(time.Duration(after))
	if after == OverlapNone {
		k.State = KeyRevoked
	}
	if k.Revision, err = tx.BumpRevision(ctx); err != nil {
		return k, err
	}
	return k, tx.UpdateKey(ctx, k)
}

// RetireKey is the input of [Service.RetireKey].
type RetireKey struct {
	MerchantID string `json:"merchant_id" validate:"required"`
	KeyID      string `json:"key_id" validate:"required"`
	// After is how long the key still works: none (the preset), 1 h, 24 h or 7 d.
	After Overlap `json:"after" validate:"overlap"`
}

// RetireKey stops a key without a successor, or brings the end of a retiring one
// forward. CodeConflict if it is revoked, or would live longer than it does now.
func (s *Service) RetireKey(ctx context.Context, a Actor, in RetireKey) (APIKey, error) {
	r := request{actor: a, op: OpKeyRetire, merchantID: in.MerchantID, input: in}
	return change(ctx, s, r, func(tx Tx, rec *record) (APIKey, error) {
		k, err := tx.Key(ctx, in.MerchantID, in.KeyID)
		if err != nil {
			return k, orNotFound(err, "key", in.KeyID)
		}
		now := s.now()
		switch k.StateAt(now) {
		case KeyRevoked:
			return k, Errorf(CodeConflict, "key %s is revoked already", k.ID)
		case KeyRetiring:
			if now.Add(time.Duration(in.After)).After(k.RetireAt) {
				return k, Errorf(CodeConflict, "key %s stops at %s already; its end can only be brought forward", k.ID, k.RetireAt.Format(time.RFC3339))
			}
		}
		was := k.State
		if k, err = s.retire(ctx, tx, k, in.After); err != nil {
			return k, err
		}
		rec.target, rec.diff = k.ID, map[string]Change{"state": {From: was, To: k.State}, "stops": {To: k.RetireAt}}
		return k, s.notifyKey(ctx, tx, KeyNotice{KeyNoticeRetired, k, now})
	})
}

// KeyFilter selects the keys of a merchant.
type KeyFilter struct {
	MerchantID string `json:"merchant_id" validate:"required"`
	// Environment: empty means both.
	Environment Environment `json:"environment,omitempty" validate:"omitempty,env"`
}

// ListKeys lists a merchant's keys, newest first, each in its state of now.
func (s *Service) ListKeys(ctx context.Context, a Actor, f KeyFilter) ([]APIKey, error) {
	r := request{actor: a, op: OpKeyList, merchantID: f.MerchantID, input: f}
	return read(ctx, s, r, func(tx Tx) ([]APIKey, error) {
		keys, err := tx.Keys(ctx, f.MerchantID, f.Environment)
		now := s.now()
		for i := range keys {
			keys[i].State = keys[i].StateAt(now)
		}
		return keys, err
	})
}

// Use is what a gateway saw since it last reported.
type Use struct {
	Keys    []KeyUse
	Matches []AllowlistMatch
}

// RecordUse writes down when keys and allowlist entries were last used. It is
// bookkeeping of the program itself: not an operation, not audited, no revision.
func (s *Service) RecordUse(ctx context.Context, u Use) error {
	if len(u.Keys)+len(u.Matches) == 0 {
		return nil
	}
	return s.store.Update(Concurrent(ctx), func(tx Tx) error {
		if err := tx.SaveKeyUse(ctx, u.Keys); err != nil {
			return err
		}
		return tx.SaveAllowlistMatches(ctx, u.Matches)
	})
}
