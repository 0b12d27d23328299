package store

import (
	"context"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

const (
	sqlInsertEndpoint = `INSERT INTO endpoints (id, merchant_id, environment, url, events, description, state, disabled_reason,
			disabled_at, enabled_at, created_at, created_by, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) RETURNING row_id`
	sqlUpdateEndpoint = `UPDATE endpoints SET url = $1, events = $2, description = $3, state = $4, disabled_reason = $5,
			disabled_at = $6, enabled_at = $7, updated_at = $8
		WHERE merchant_id = $9 AND id = $10 AND state <> 'deleted'`
	sqlEndpoint = `SELECT row_id, id, merchant_id, environment, url, events, description, state, disabled_reason,
			disabled_at, enabled_at, created_at, created_by, updated_at
		FROM endpoints WHERE merchant_id = $1 AND id = $2 AND state <> 'deleted'`
	sqlEndpoints = `SELECT row_id, id, merchant_id, environment, url, events, description, state, disabled_reason,
			disabled_at, enabled_at, created_at, created_by, updated_at
		FROM endpoints WHERE merchant_id = $1 AND ($2 = '' OR environment = $2) AND state <> 'deleted' ORDER BY row_id`
	sqlSubscribers = `SELECT row_id, id, events, state FROM endpoints
		WHERE merchant_id = $1 AND environment = $2 AND state <> 'deleted'`
	sqlEndpointByRow = `SELECT row_id, id, merchant_id, environment, url, events, description, state, disabled_reason,
			disabled_at, enabled_at, created_at, created_by, updated_at
		FROM endpoints WHERE row_id = $1`

	sqlInsertEndpointSecret = `INSERT INTO endpoint_secrets (id, endpoint_row, endpoint_id, merchant_id, environment, secret, created_at, expires_at)
		SELECT $1, row_id, id, merchant_id, environment, $2, $3, $4 FROM endpoints WHERE merchant_id = $5 AND id = $6`
	sqlEndpointSecrets = `SELECT id, endpoint_id, merchant_id, environment, created_at, expires_at
		FROM endpoint_secrets
		WHERE endpoint_row = (SELECT row_id FROM endpoints WHERE id = $1) AND merchant_id = $2
		ORDER BY expires_at`
	sqlEndpointSecretsByRow = `SELECT id, endpoint_id, merchant_id, environment, created_at, expires_at, secret
		FROM endpoint_secrets WHERE endpoint_row = $1 ORDER BY expires_at`
	sqlExpireEndpointSecret = `UPDATE endpoint_secrets SET expires_at = $1 WHERE merchant_id = $2 AND id = $3`
	sqlDeleteEndpointSecret = `DELETE FROM endpoint_secrets WHERE merchant_id = $1 AND id = $2`

	sqlSealedEndpointSecrets = `SELECT id, merchant_id, environment, secret FROM endpoint_secrets WHERE id > $1 ORDER BY id LIMIT $2`
	sqlSealEndpointSecret    = `UPDATE endpoint_secrets SET secret = $1 WHERE merchant_id = $2 AND id = $3 AND secret = $4`
)

func (t *tx) InsertEndpoint(ctx context.Context, e controlplane.Endpoint) (controlplane.Endpoint, error) {
	row, err := one(ctx, t, "endpoint", scanValue[int64], sqlInsertEndpoint, e.ID, e.MerchantID, e.Environment, e.URL, words(e.Events),
		e.Description, e.State, e.DisabledReason, micros(e.DisabledAt), micros(e.EnabledAt), micros(e.CreatedAt), e.CreatedBy, micros(e.UpdatedAt))
	e.Row = row
	return e, err
}

func (t *tx) UpdateEndpoint(ctx context.Context, e controlplane.Endpoint) error {
	return t.change(ctx, "endpoint", sqlUpdateEndpoint, e.URL, words(e.Events), e.Description, e.State, e.DisabledReason,
		micros(e.DisabledAt), micros(e.EnabledAt), micros(e.UpdatedAt), e.MerchantID, e.ID)
}

func (t *tx) Endpoint(ctx context.Context, merchantID, id string) (controlplane.Endpoint, error) {
	return one(ctx, t, "endpoint", scanEndpoint, sqlEndpoint, merchantID, id)
}

func (t *tx) Endpoints(ctx context.Context, merchantID string, env controlplane.Environment) ([]controlplane.Endpoint, error) {
	return list(ctx, t, "endpoints", scanEndpoint, sqlEndpoints, merchantID, env)
}

func (t *tx) Subscribers(ctx context.Context, merchantID string, env controlplane.Environment) ([]controlplane.Endpoint, error) {
	return list(ctx, t, "endpoints", func(r scanner, e *controlplane.Endpoint) error {
		e.MerchantID, e.Environment = merchantID, env
		// Plain types: for one of its own Scan falls back to reflection.
		return r.Scan(&e.Row, &e.ID, wordsColumn[controlplane.EventType]{&e.Events}, (*string)(&e.State))
	}, sqlSubscribers, merchantID, string(env))
}

func (t *tx) EndpointTarget(ctx context.Context, row int64) (target controlplane.DeliveryTarget, err error) {
	if target.Endpoint, err = one(ctx, t, "endpoint", scanEndpoint, sqlEndpointByRow, row); err != nil {
		return target, err
	}
	target.Secrets, err = list(ctx, t, "endpoint secrets", func(r scanner, s *controlplane.SealedEndpointSecret) error {
		return r.Scan(&s.ID, &s.EndpointID, &s.MerchantID, &s.Environment, timeColumn{&s.CreatedAt}, timeColumn{&s.ExpiresAt}, &s.Record)
	}, sqlEndpointSecretsByRow, row)
	return target, err
}

func (t *tx) InsertEndpointSecret(ctx context.Context, s controlplane.EndpointSecret, sealed []byte) error {
	return t.change(ctx, "endpoint secret", sqlInsertEndpointSecret, s.ID, sealed, micros(s.CreatedAt), micros(s.ExpiresAt), s.MerchantID, s.EndpointID)
}

func (t *tx) EndpointSecrets(ctx context.Context, merchantID, endpointID string) ([]controlplane.EndpointSecret, error) {
	return list(ctx, t, "endpoint secrets", func(r scanner, s *controlplane.EndpointSecret) error {
		return r.Scan(&s.ID, &s.EndpointID, &s.MerchantID, &s.Environment, timeColumn{&s.CreatedAt}, timeColumn{&s.ExpiresAt})
	}, sqlEndpointSecrets, endpointID, merchantID)
}

func (t *tx) ExpireEndpointSecret(ctx context.Context, s controlplane.EndpointSecret) error {
	return t.change(ctx, "endpoint secret", sqlExpireEndpointSecret, micros(s.ExpiresAt), s.MerchantID, s.ID)
}

func (t *tx) DeleteEndpointSecret(ctx context.Context, merchantID, id string) error {
	return t.change(ctx, "endpoint secret", sqlDeleteEndpointSecret, merchantID, id)
}

func scanEndpoint(r scanner, e *controlplane.Endpoint) error {
	return r.Scan(&e.Row, &e.ID, &e.MerchantID, &e.Environment, &e.URL, wordsColumn[controlplane.EventType]{&e.Events}, &e.Description,
		&e.State, &e.DisabledReason, timeColumn{&e.DisabledAt}, timeColumn{&e.EnabledAt}, timeColumn{&e.CreatedAt}, &e.CreatedBy, timeColumn{&e.UpdatedAt})
}
