package store

import (
	"context"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

const (
	sqlAddMail = `INSERT INTO outbox (id, recipient, subject, body, created_at, due_at, attempts, closed_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, 0) ON CONFLICT (id) DO NOTHING`
	sqlDueMail = `SELECT id, recipient, subject, body, created_at, due_at, attempts FROM outbox
		WHERE closed_at = 0 AND due_at <= $1 ORDER BY due_at LIMIT $2`
	sqlClaimMail        = `UPDATE outbox SET due_at = $1 WHERE id = $2 AND due_at = $3 AND closed_at = 0`
	sqlPostponeMail     = `UPDATE outbox SET attempts = $1, due_at = $2 WHERE id = $3 AND closed_at = 0`
	sqlCloseMail        = `UPDATE outbox SET closed_at = $1, recipient = '', subject = '', body = '' WHERE id = $2 AND closed_at = 0`
	sqlDeleteClosedMail = `DELETE FROM outbox WHERE closed_at <> 0 AND closed_at < $1`
	sqlKeysStopping     = `SELECT id, merchant_id, environment, state, created_at, created_by, retire_at, last_used_at, last_used_ip, revision
		FROM api_keys WHERE state = 'retiring' AND retire_at > $1 AND retire_at <= $2 AND last_used_at > $3 ORDER BY retire_at`
)

func (t *tx) AddMail(ctx context.Context, m controlplane.Mail) error {
	_, err := t.exec(ctx, "mail", sqlAddMail, m.ID, m.To, m.Subject, m.Body, micros(m.CreatedAt), micros(m.DueAt), m.Attempts)
	return err
}

func (t *tx) DueMail(ctx context.Context, now time.Time, limit int) ([]controlplane.Mail, error) {
	return list(ctx, t, "mail", scanMail, sqlDueMail, micros(now), limit)
}

func (t *tx) ClaimMail(ctx context.Context, m controlplane.Mail, until time.Time) (bool, error) {
	n, err := t.exec(ctx, "mail", sqlClaimMail, micros(until), m.ID, micros(m.DueAt))
	return n == 1, err
}

func (t *tx) PostponeMail(ctx context.Context, id string, attempts int, dueAt time.Time) error {
	return t.change(ctx, "mail", sqlPostponeMail, attempts, micros(dueAt), id)
}

func (t *tx) CloseMail(ctx context.Context, id string, now time.Time) error {
	return t.change(ctx, "mail", sqlCloseMail, micros(now), id)
}

func (t *tx) DeleteClosedMail(ctx context.Context, before time.Time) (int64, error) {
	return t.exec(ctx, "mail", sqlDeleteClosedMail, micros(before))
}

func (t *tx) KeysStopping(ctx context.Context, from, until, usedSince time.Time) ([]controlplane.APIKey, error) {
	return list(ctx, t, "api keys", scanKey, sqlKeysStopping, micros(from), micros(until), micros(usedSince))
}

func scanMail(r scanner, m *controlplane.Mail) error {
	return r.Scan(&m.ID, &m.To, &m.Subject, &m.Body, timeColumn{&m.CreatedAt}, timeColumn{&m.DueAt}, &m.Attempts)
}
