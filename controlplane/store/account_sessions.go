package store

import (
	"context"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

const (
	sqlStaffMember = `SELECT id, username, email, role, disabled, password_hash, password_must_change,
			password_changed_at, password_expires_at, security_version, created_at, updated_at
		FROM staff WHERE id = $1`
	sqlStaffByUsername = `SELECT id, username, email, role, disabled, password_hash, password_must_change,
			password_changed_at, password_expires_at, security_version, created_at, updated_at
		FROM staff WHERE username = $1`
	sqlStaffMembers = `SELECT id, username, email, role, disabled, password_hash, password_must_change,
			password_changed_at, password_expires_at, security_version, created_at, updated_at
		FROM staff WHERE id > $1 ORDER BY id LIMIT $2`
	sqlUpdateStaff = `UPDATE staff SET email = $1, role = $2, disabled = $3, password_hash = $4, password_must_change = $5,
			password_changed_at = $6, password_expires_at = $7, security_version = $8, updated_at = $9
		WHERE id = $10`

	sqlInsertSession = `INSERT INTO sessions (id, kind, account_id, merchant_id, state, secret_hash, tries, security_version,
			second_factor, created_at, expires_at, last_seen_at, sudo_until, ip, user_agent, device_hash)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)`
	sqlSession = `SELECT id, kind, account_id, merchant_id, state, secret_hash, tries, security_version,
			second_factor, created_at, expires_at, last_seen_at, sudo_until, ip, user_agent, device_hash
		FROM sessions WHERE id = $1`
	sqlSessions = `SELECT id, kind, account_id, merchant_id, state, secret_hash, tries, security_version,
			second_factor, created_at, expires_at, last_seen_at, sudo_until, ip, user_agent, device_hash
		FROM sessions WHERE account_id = $1 ORDER BY id`
	sqlCountTry            = `UPDATE sessions SET tries = tries + 1 WHERE id = $1 RETURNING tries`
	sqlSaveSessionSeen     = `UPDATE sessions SET last_seen_at = $1 WHERE id = $2 AND last_seen_at < $1`
	sqlDeleteSession       = `DELETE FROM sessions WHERE account_id = $1 AND id = $2`
	sqlDeleteSessions      = `DELETE FROM sessions WHERE account_id = $1`
	sqlDeleteEndedSessions = `DELETE FROM sessions WHERE expires_at <= $1 OR last_seen_at <= $2`
)

func (t *tx) StaffMember(ctx context.Context, id string) (controlplane.Staff, error) {
	return one(ctx, t, "staff", scanStaff, sqlStaffMember, id)
}

func (t *tx) StaffByUsername(ctx context.Context, username string) (controlplane.Staff, error) {
	return one(ctx, t, "staff", scanStaff, sqlStaffByUsername, username)
}

func (t *tx) StaffMembers(ctx context.Context, p controlplane.Page) ([]controlplane.Staff, error) {
	return list(ctx, t, "staff", scanStaff, sqlStaffMembers, p.After, p.Rows())
}

func (t *tx) UpdateStaff(ctx context.Context, s controlplane.Staff) error {
	p := s.Password
	return t.change(ctx, "staff", sqlUpdateStaff, s.Email, s.Role, flag(s.Disabled), p.Hash.Reveal(), flag(p.MustChange),
		micros(p.ChangedAt), micros(p.ExpiresAt), s.SecurityVersion, micros(s.UpdatedAt), s.ID)
}

func scanStaff(r scanner, s *controlplane.Staff) error {
	p := &s.Password
	return r.Scan(&s.ID, &s.Username, &s.Email, &s.Role, &s.Disabled, secretColumn{&p.Hash}, &p.MustChange,
		timeColumn{&p.ChangedAt}, timeColumn{&p.ExpiresAt}, &s.SecurityVersion, timeColumn{&s.CreatedAt}, timeColumn{&s.UpdatedAt})
}

func (t *tx) InsertSession(ctx context.Context, s controlplane.Session) error {
	return t.insert(ctx, "session", sqlInsertSession, s.ID, s.Kind, s.AccountID, s.MerchantID, s.State, s.SecretHash[:], s.Tries, s.SecurityVersion,
		flag(s.SecondFactor), micros(s.CreatedAt), micros(s.ExpiresAt), micros(s.LastSeenAt), micros(s.SudoUntil), addrText(s.IP), s.UserAgent, s.DeviceHash[:])
}

func (t *tx) Session(ctx context.Context, id string) (controlplane.Session, error) {
	return one(ctx, t, "session", scanSession, sqlSession, id)
}

func (t *tx) Sessions(ctx context.Context, accountID string) ([]controlplane.Session, error) {
	return list(ctx, t, "sessions", scanSession, sqlSessions, accountID)
}

func (t *tx) CountTry(ctx context.Context, id string) (int, error) {
	return one(ctx, t, "session", scanValue[int], sqlCountTry, id)
}

func (t *tx) SaveSessionsSeen(ctx context.Context, seen []controlplane.SessionSeen) error {
	for _, s := range seen {
		if _, err := t.exec(ctx, "session", sqlSaveSessionSeen, micros(s.At), s.ID); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) DeleteSession(ctx context.Context, accountID, id string) error {
	return t.change(ctx, "session", sqlDeleteSession, accountID, id)
}

func (t *tx) DeleteSessions(ctx context.Context, accountID string) (int64, error) {
	return t.exec(ctx, "sessions", sqlDeleteSessions, accountID)
}

func (t *tx) DeleteEndedSessions(ctx context.Context, now, idle time.Time) (int64, error) {
	return t.exec(ctx, "sessions", sqlDeleteEndedSessions, micros(now), micros(idle))
}

func scanSession(r scanner, s *controlplane.Session) error {
	return r.Scan(&s.ID, &s.Kind, &s.AccountID, &s.MerchantID, &s.State, hashColumn{&s.SecretHash}, &s.Tries, &s.SecurityVersion,
		&s.SecondFactor, timeColumn{&s.CreatedAt}, timeColumn{&s.ExpiresAt}, timeColumn{&s.LastSeenAt}, timeColumn{&s.SudoUntil},
		addrColumn{&s.IP}, &s.UserAgent, hashColumn{&s.DeviceHash})
}
