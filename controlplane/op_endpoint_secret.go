package controlplane

import (
	"context"
	"slices"
	"time"
)

// RotateEndpointSecret is the input of [Service.RotateEndpointSecret].
type RotateEndpointSecret struct {
	MerchantID string `json:"merchant_id" validate:"required"`
	EndpointID string `json:"endpoint_id" validate:"required"`
	// Overlap is how long deliveries carry the signature of the old secret too:
	// none, 1 h, 24 h or 7 d.
	Overlap Overlap `json:"overlap" validate:"overlap"`
}

// RotatedSecret is a new signing secret. It is in no other answer, ever again.
type RotatedSecret struct {
	Endpoint Endpoint
	Secret   Secret
	// OldUntil is when the old secret stops signing; zero if it has.
	OldUntil time.Time
}

// RotateEndpointSecret makes a new signing secret. CodeConflict while an earlier
// overlap lasts, unless this one has none: two secrets sign at most, and a promised
// overlap is kept.
func (s *Service) RotateEndpointSecret(ctx context.Context, a Actor, in RotateEndpointSecret) (RotatedSecret, error) {
	r := request{actor: a, op: OpEndpointSecret, merchantID: in.MerchantID, input: in}
	rotated, err := change(ctx, s, r, func(tx Tx, rec *record) (out RotatedSecret, err error) {
		if out.Endpoint, err = tx.Endpoint(ctx, in.MerchantID, in.EndpointID); err != nil {
			return out, orNotFound(err, "endpoint", in.EndpointID)
		}
		if out.OldUntil, err = s.replaceSecrets(ctx, tx, out.Endpoint, in.Overlap); err != nil {
			return out, err
		}
		rec.target, rec.diff = out.Endpoint.ID, map[string]Change{"old_secret_stops": {To: s.now().Add(time.Duration(in.Overlap))}}
		out.Secret, err = s.insertEndpointSecret(ctx, tx, out.Endpoint)
		return out, err
	})
	if err == nil {
		s.dispatcher.Wake(rotated.Endpoint.Row, in.MerchantID)
	}
	return rotated, err
}

// replaceSecrets makes room for a new current secret.
func (s *Service) replaceSecrets(ctx context.Context, tx Tx, e Endpoint, overlap Overlap) (until time.Time, err error) {
	secrets, err := tx.EndpointSecrets(ctx, e.MerchantID, e.ID)
	if err != nil {
		return until, err
	}
	now := s.now()
	if overlap == OverlapNone {
		return until, deleteSecrets(ctx, tx, secrets)
	}
	current := slices.IndexFunc(secrets, func(secret EndpointSecret) bool { return secret.ExpiresAt.IsZero() })
	for i, secret := range secrets {
		if i != current && secret.SignsAt(now) {
			return until, Errorf(CodeConflict, "the secret before still signs until %s; wait for that, or rotate without an overlap to end both",
				secret.ExpiresAt.Format(time.RFC3339))
		}
	}
	if current < 0 {
		return until, deleteSecrets(ctx, tx, secrets)
	}
	old := secrets[current]
	if err := deleteSecrets(ctx, tx, slices.Delete(secrets, current, current+1)); err != nil {
		return until, err
	}
	old.ExpiresAt = now.Add(time.Duration(overlap))
	return old.ExpiresAt, tx.ExpireEndpointSecret(ctx, old)
}

func (s *Service) insertEndpointSecret(ctx context.Context, tx Tx, e Endpoint) (Secret, error) {
	id, err := NewID(PrefixEndpointSecret, s.now(), s.random)
	if err != nil {
		return Secret{}, err
	}
	secret, err := newWebhookSecret(s.random)
	if err != nil {
		return Secret{}, err
	}
	stored := EndpointSecret{ID: id, EndpointID: e.ID, MerchantID: e.MerchantID, Environment: e.Environment, CreatedAt: s.now()}
	sealed, err := s.sealer.Seal(PurposeWebhookSecret, EndpointSecretLocation(stored).AAD(), []byte(secret.Reveal()))
	if err != nil {
		return Secret{}, err
	}
	return secret, tx.InsertEndpointSecret(ctx, stored, sealed)
}
