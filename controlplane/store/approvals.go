package store

import (
	"context"
	"encoding/json"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

const (
	sqlInsertApproval = `INSERT INTO approvals (id, merchant_id, operation, target, input, diff, state, break_glass, reason,
			created_at, expires_at, created_by_id, created_by, decided_at, decided_by_id, decided_by, answer)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)`
	sqlUpdateApproval = `UPDATE approvals SET state = $1, decided_at = $2, decided_by_id = $3, decided_by = $4, answer = $5 WHERE id = $6`
	sqlApproval       = `SELECT id, merchant_id, operation, target, input, diff, state, break_glass, reason,
			created_at, expires_at, created_by_id, created_by, decided_at, decided_by_id, decided_by, answer
		FROM approvals WHERE id = $1`
	sqlApprovals = `SELECT id, merchant_id, operation, target, input, diff, state, break_glass, reason,
			created_at, expires_at, created_by_id, created_by, decided_at, decided_by_id, decided_by, answer
		FROM approvals WHERE ($1 = '' OR merchant_id = $1) AND ($2 = '' OR state = $2) AND (state <> 'pending' OR $2 = '' OR expires_at > $3)
			AND break_glass >= $4 AND created_at >= $5 AND ($6 = '' OR id < $6) ORDER BY id DESC LIMIT $7`
	sqlCountAdmins = `SELECT COUNT(*) FROM staff WHERE role = 'platform_admin' AND disabled = 0 AND id <> $1 AND id <> $2
			AND ($3 = 0 OR EXISTS (SELECT 1 FROM totp_seeds WHERE account_id = staff.id AND confirmed = 1))`
)

func (t *tx) InsertApproval(ctx context.Context, q controlplane.Approval) error {
	return t.insert(ctx, "approval", sqlInsertApproval, q.ID, q.MerchantID, q.Operation, q.Target, string(q.Input), string(q.Diff), q.State,
		flag(q.BreakGlass), q.Reason, micros(q.CreatedAt), micros(q.ExpiresAt), q.CreatedByID, q.CreatedBy,
		micros(q.DecidedAt), q.DecidedByID, q.DecidedBy, q.Answer)
}

func (t *tx) UpdateApproval(ctx context.Context, q controlplane.Approval) error {
	return t.change(ctx, "approval", sqlUpdateApproval, q.State, micros(q.DecidedAt), q.DecidedByID, q.DecidedBy, q.Answer, q.ID)
}

func (t *tx) Approval(ctx context.Context, id string) (controlplane.Approval, error) {
	return one(ctx, t, "approval", scanApproval, sqlApproval, id)
}

func (t *tx) Approvals(ctx context.Context, f controlplane.ApprovalFilter) ([]controlplane.Approval, error) {
	return list(ctx, t, "approvals", scanApproval, sqlApprovals, f.MerchantID, f.State, micros(f.At), flag(f.BreakGlass), micros(f.Since), f.After, f.Rows())
}

func (t *tx) CountAdmins(ctx context.Context, enrolled bool, but, and string) (int, error) {
	return one(ctx, t, "staff", scanValue[int], sqlCountAdmins, but, and, flag(enrolled))
}

func scanApproval(r scanner, q *controlplane.Approval) error {
	var input, diff string
	err := r.Scan(&q.ID, &q.MerchantID, &q.Operation, &q.Target, &input, &diff, &q.State, &q.BreakGlass, &q.Reason,
		timeColumn{&q.CreatedAt}, timeColumn{&q.ExpiresAt}, &q.CreatedByID, &q.CreatedBy,
		timeColumn{&q.DecidedAt}, &q.DecidedByID, &q.DecidedBy, &q.Answer)
	q.Input = json.RawMessage(input)
	if diff != "" {
		q.Diff = json.RawMessage(diff)
	}
	return err
}
