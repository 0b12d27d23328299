package store

import (
	"context"
	"errors"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

const (
	sqlDeletePendingSeed = `DELETE FROM totp_seeds WHERE account_id = $1 AND confirmed = 0`
	sqlInsertSeed        = `INSERT INTO totp_seeds (id, account_id, merchant_id, confirmed, seed, last_step, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`
	sqlSeed = `SELECT id, account_id, merchant_id, confirmed, seed, last_step, created_at
		FROM totp_seeds WHERE account_id = $1 AND confirmed = $2`
	sqlDeleteConfirmedSeed = `DELETE FROM totp_seeds WHERE account_id = $1 AND confirmed = 1`
	sqlConfirmSeed         = `UPDATE totp_seeds SET confirmed = 1, last_step = $1 WHERE account_id = $2 AND id = $3 AND confirmed = 0`
	sqlSpendStep           = `UPDATE totp_seeds SET last_step = $1 WHERE account_id = $2 AND id = $3 AND confirmed = 1 AND last_step < $1`
	sqlDeleteSeeds         = `DELETE FROM totp_seeds WHERE account_id = $1`

	sqlSealedTOTPSeeds = `SELECT id, merchant_id, '', seed FROM totp_seeds WHERE id > $1 ORDER BY id LIMIT $2`
	sqlSealTOTPSeed    = `UPDATE totp_seeds SET seed = $1 WHERE merchant_id = $2 AND id = $3 AND seed = $4`

	sqlDeleteRecoveryCodes = `DELETE FROM recovery_codes WHERE account_id = $1`
	sqlInsertRecoveryCode  = `INSERT INTO recovery_codes (account_id, hash) VALUES ($1, $2)`
	sqlSpendRecoveryCode   = `DELETE FROM recovery_codes WHERE account_id = $1 AND hash = $2`
	sqlRecoveryCodesLeft   = `SELECT COUNT(*) FROM recovery_codes WHERE account_id = $1`

	sqlInsertPastPassword = `INSERT INTO past_passwords (account_id, password_hash, ended_at) VALUES ($1, $2, $3)`
	sqlTrimPastPasswords  = `DELETE FROM past_passwords WHERE account_id = $1 AND id NOT IN
		(SELECT id FROM past_passwords WHERE account_id = $1 ORDER BY id DESC LIMIT $2)`
	sqlPastPasswords = `SELECT password_hash FROM past_passwords WHERE account_id = $1 ORDER BY id DESC`
)

func (t *tx) PutPendingSeed(ctx context.Context, s controlplane.TOTPSeed) error {
	if _, err := t.exec(ctx, "totp seed", sqlDeletePendingSeed, s.AccountID); err != nil {
		return err
	}
	return t.insert(ctx, "totp seed", sqlInsertSeed, s.ID, s.AccountID, s.MerchantID, flag(false), s.Sealed, s.LastStep, micros(s.CreatedAt))
}

func (t *tx) Seed(ctx context.Context, accountID string, confirmed bool) (controlplane.TOTPSeed, error) {
	return one(ctx, t, "totp seed", func(r scanner, s *controlplane.TOTPSeed) error {
		return r.Scan(&s.ID, &s.AccountID, &s.MerchantID, &s.Confirmed, &s.Sealed, &s.LastStep, timeColumn{&s.CreatedAt})
	}, sqlSeed, accountID, flag(confirmed))
}

func (t *tx) ConfirmSeed(ctx context.Context, accountID, seedID string, step int64) error {
	if _, err := t.exec(ctx, "totp seed", sqlDeleteConfirmedSeed, accountID); err != nil {
		return err
	}
	return t.change(ctx, "totp seed", sqlConfirmSeed, step, accountID, seedID)
}

func (t *tx) SpendStep(ctx context.Context, accountID, seedID string, step int64) (bool, error) {
	n, err := t.exec(ctx, "totp seed", sqlSpendStep, step, accountID, seedID)
	return n == 1, err
}

func (t *tx) DeleteSeeds(ctx context.Context, accountID string) error {
	return t.insert(ctx, "totp seeds", sqlDeleteSeeds, accountID)
}

func (t *tx) ReplaceRecoveryCodes(ctx context.Context, accountID string, hashes [][32]byte) error {
	if _, err := t.exec(ctx, "recovery codes", sqlDeleteRecoveryCodes, accountID); err != nil {
		return err
	}
	for _, h := range hashes {
		if err := t.insert(ctx, "recovery code", sqlInsertRecoveryCode, accountID, h[:]); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) SpendRecoveryCode(ctx context.Context, accountID string, hash [32]byte) (bool, error) {
	n, err := t.exec(ctx, "recovery code", sqlSpendRecoveryCode, accountID, hash[:])
	return n == 1, err
}

func (t *tx) RecoveryCodesLeft(ctx context.Context, accountID string) (int, error) {
	return one(ctx, t, "recovery codes", scanValue[int], sqlRecoveryCodesLeft, accountID)
}

func (t *tx) AddPastPassword(ctx context.Context, accountID string, hash controlplane.Secret, at time.Time, keep int) error {
	if keep < 1 {
		return errors.New("a password history keeps at least one")
	}
	if err := t.insert(ctx, "past password", sqlInsertPastPassword, accountID, hash.Reveal(), micros(at)); err != nil {
		return err
	}
	return t.insert(ctx, "past passwords", sqlTrimPastPasswords, accountID, keep)
}

func (t *tx) PastPasswords(ctx context.Context, accountID string) ([]controlplane.Secret, error) {
	return list(ctx, t, "past passwords", func(r scanner, s *controlplane.Secret) error {
		return r.Scan(secretColumn{s})
	}, sqlPastPasswords, accountID)
}
