package store

import (
	"context"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

const (
	sqlInsertUser = `INSERT INTO users (id, merchant_id, username, email, role, disabled, password_hash,
			password_must_change, password_changed_at, password_expires_at, security_version, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`
	sqlUpdateUser = `UPDATE users SET email = $1, role = $2, disabled = $3, password_hash = $4, password_must_change = $5,
			password_changed_at = $6, password_expires_at = $7, security_version = $8, updated_at = $9
		WHERE merchant_id = $10 AND id = $11`
	sqlUser = `SELECT id, merchant_id, username, email, role, disabled, password_hash, password_must_change,
			password_changed_at, password_expires_at, security_version, created_at, updated_at
		FROM users WHERE merchant_id = $1 AND id = $2`
	sqlUserByUsername = `SELECT id, merchant_id, username, email, role, disabled, password_hash, password_must_change,
			password_changed_at, password_expires_at, security_version, created_at, updated_at
		FROM users WHERE username = $1`
	sqlUsers = `SELECT id, merchant_id, username, email, role, disabled, password_hash, password_must_change,
			password_changed_at, password_expires_at, security_version, created_at, updated_at
		FROM users WHERE merchant_id = $1 AND id > $2 ORDER BY id LIMIT $3`

	sqlInsertStaff = `INSERT INTO staff (id, username, email, role, disabled, password_hash,
			password_must_change, password_changed_at, password_expires_at, security_version, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`
	sqlCountStaff = `SELECT COUNT(*) FROM staff`
)

func (t *tx) InsertUser(ctx context.Context, u controlplane.User) error {
	p := u.Password
	return t.insert(ctx, "user", sqlInsertUser, u.ID, u.MerchantID, u.Username, u.Email, u.Role, flag(u.Disabled), p.Hash.Reveal(),
		flag(p.MustChange), micros(p.ChangedAt), micros(p.ExpiresAt), u.SecurityVersion, micros(u.CreatedAt), micros(u.UpdatedAt))
}

func (t *tx) UpdateUser(ctx context.Context, u controlplane.User) error {
	p := u.Password
	return t.change(ctx, "user", sqlUpdateUser, u.Email, u.Role, flag(u.Disabled), p.Hash.Reveal(), flag(p.MustChange),
		micros(p.ChangedAt), micros(p.ExpiresAt), u.SecurityVersion, micros(u.UpdatedAt), u.MerchantID, u.ID)
}

func (t *tx) User(ctx context.Context, merchantID, id string) (controlplane.User, error) {
	return one(ctx, t, "user", scanUser, sqlUser, merchantID, id)
}

func (t *tx) UserByUsername(ctx context.Context, username string) (controlplane.User, error) {
	return one(ctx, t, "user", scanUser, sqlUserByUsername, username)
}

func (t *tx) Users(ctx context.Context, f controlplane.UserFilter) ([]controlplane.User, error) {
	return list(ctx, t, "users", scanUser, sqlUsers, f.MerchantID, f.After, f.Rows())
}

func (t *tx) InsertStaff(ctx context.Context, s controlplane.Staff) error {
	p := s.Password
	return t.insert(ctx, "staff", sqlInsertStaff, s.ID, s.Username, s.Email, s.Role, flag(s.Disabled), p.Hash.Reveal(),
		flag(p.MustChange), micros(p.ChangedAt), micros(p.ExpiresAt), s.SecurityVersion, micros(s.CreatedAt), micros(s.UpdatedAt))
}

func (t *tx) CountStaff(ctx context.Context) (int, error) {
	return one(ctx, t, "staff", scanValue[int], sqlCountStaff)
}

func scanUser(r scanner, u *controlplane.User) error {
	p := &u.Password
	return r.Scan(&u.ID, &u.MerchantID, &u.Username, &u.Email, &u.Role, &u.Disabled, secretColumn{&p.Hash}, &p.MustChange,
		timeColumn{&p.ChangedAt}, timeColumn{&p.ExpiresAt}, &u.SecurityVersion, timeColumn{&u.CreatedAt}, timeColumn{&u.UpdatedAt})
}
