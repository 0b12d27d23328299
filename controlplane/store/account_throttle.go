package store

import (
	"context"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

const (
	// One statement, so that attempts at the same moment each get a number of
	// their own.
	sqlCountAttempt = `INSERT INTO throttles (bucket, count, ends_at) VALUES ($1, 1, $2)
		ON CONFLICT (bucket) DO UPDATE SET
			count = CASE WHEN throttles.ends_at <= $3 THEN 1 ELSE throttles.count + 1 END,
			ends_at = CASE WHEN throttles.ends_at <= $3 THEN excluded.ends_at ELSE throttles.ends_at END
		RETURNING count, ends_at`
	sqlRefundAttempt        = `UPDATE throttles SET count = count - 1 WHERE bucket = $1 AND ends_at = $2 AND count > 0`
	sqlDeleteEndedThrottles = `DELETE FROM throttles WHERE ends_at <= $1`

	sqlPutDevice = `INSERT INTO devices (account_id, token_hash, created_at, last_seen_at, ip, user_agent) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (account_id, token_hash) DO UPDATE SET
			last_seen_at = excluded.last_seen_at, ip = excluded.ip, user_agent = excluded.user_agent`
	sqlDevice = `SELECT account_id, token_hash, created_at, last_seen_at, ip, user_agent
		FROM devices WHERE account_id = $1 AND token_hash = $2`
	sqlDeviceInUse      = `SELECT COUNT(*) > 0 FROM devices WHERE token_hash = $1`
	sqlDeleteDevices    = `DELETE FROM devices WHERE account_id = $1`
	sqlDeleteOldDevices = `DELETE FROM devices WHERE last_seen_at < $1`

	sqlInsertSignIn = `INSERT INTO sign_ins (account_id, at, outcome, step, new_device, ip, user_agent) VALUES ($1, $2, $3, $4, $5, $6, $7)`
	sqlSignIns      = `SELECT account_id, at, outcome, step, new_device, ip, user_agent
		FROM sign_ins WHERE account_id = $1 ORDER BY id DESC LIMIT $2`
	sqlDeleteOldSignIns = `DELETE FROM sign_ins WHERE at < $1`
)

func (t *tx) CountAttempt(ctx context.Context, bucket string, now time.Time, window time.Duration) (controlplane.Attempts, error) {
	return one(ctx, t, "throttle", func(r scanner, a *controlplane.Attempts) error {
		return r.Scan(&a.Count, timeColumn{&a.EndsAt})
	}, sqlCountAttempt, bucket, micros(now.Add(window)), micros(now))
}

func (t *tx) RefundAttempt(ctx context.Context, bucket string, endsAt time.Time) error {
	return t.insert(ctx, "throttle", sqlRefundAttempt, bucket, micros(endsAt))
}

func (t *tx) DeleteEndedThrottles(ctx context.Context, now time.Time) (int64, error) {
	return t.exec(ctx, "throttles", sqlDeleteEndedThrottles, micros(now))
}

func (t *tx) PutDevice(ctx context.Context, d controlplane.Device) error {
	return t.insert(ctx, "device", sqlPutDevice, d.AccountID, d.TokenHash[:], micros(d.CreatedAt), micros(d.LastSeenAt), addrText(d.IP), d.UserAgent)
}

func (t *tx) Device(ctx context.Context, accountID string, tokenHash [32]byte) (controlplane.Device, error) {
	return one(ctx, t, "device", func(r scanner, d *controlplane.Device) error {
		return r.Scan(&d.AccountID, hashColumn{&d.TokenHash}, timeColumn{&d.CreatedAt}, timeColumn{&d.LastSeenAt}, addrColumn{&d.IP}, &d.UserAgent)
	}, sqlDevice, accountID, tokenHash[:])
}

func (t *tx) DeviceInUse(ctx context.Context, tokenHash [32]byte) (bool, error) {
	return one(ctx, t, "device", scanValue[bool], sqlDeviceInUse, tokenHash[:])
}

func (t *tx) DeleteDevices(ctx context.Context, accountID string) error {
	return t.insert(ctx, "devices", sqlDeleteDevices, accountID)
}

func (t *tx) DeleteOldDevices(ctx context.Context, before time.Time) (int64, error) {
	return t.exec(ctx, "devices", sqlDeleteOldDevices, micros(before))
}

func (t *tx) InsertSignIn(ctx context.Context, s controlplane.SignIn) error {
	return t.insert(ctx, "sign-in", sqlInsertSignIn, s.AccountID, micros(s.At), s.Outcome, s.Step, flag(s.NewDevice), addrText(s.IP), s.UserAgent)
}

func (t *tx) SignIns(ctx context.Context, accountID string, limit int) ([]controlplane.SignIn, error) {
	return list(ctx, t, "sign-ins", func(r scanner, s *controlplane.SignIn) error {
		return r.Scan(&s.AccountID, timeColumn{&s.At}, &s.Outcome, &s.Step, &s.NewDevice, addrColumn{&s.IP}, &s.UserAgent)
	}, sqlSignIns, accountID, limit)
}

func (t *tx) DeleteOldSignIns(ctx context.Context, before time.Time) (int64, error) {
	return t.exec(ctx, "sign-ins", sqlDeleteOldSignIns, micros(before))
}

var _ controlplane.AccountTx = (*tx)(nil)
