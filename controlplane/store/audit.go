package store

import (
	"context"
	"encoding/json"
	"fmt"
	"math"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

const (
	sqlAuditHead   = `SELECT seq, hash FROM audit_head WHERE id = 1`
	sqlMoveHead    = `UPDATE audit_head SET seq = $1, hash = $2 WHERE id = 1 AND seq = $3`
	sqlInsertAudit = `INSERT INTO audit_events (seq, at, actor_kind, actor_id, actor_name, merchant_id, operation, target,
			outcome, reason, ip, user_agent, request_id, diff, prev_hash, hash)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)`
	sqlAudit = `SELECT seq, at, actor_kind, actor_id, actor_name, merchant_id, operation, target,
			outcome, reason, ip, user_agent, request_id, diff, prev_hash, hash
		FROM audit_events
		WHERE seq < $1 AND at >= $2 AND ($3 = '' OR operation = $3) AND ($4 = '' OR outcome = $4)
		ORDER BY seq DESC LIMIT $5`
	// A text of its own: "$1 = '' OR merchant_id = $1" would keep the index out.
	sqlAuditOfMerchant = `SELECT seq, at, actor_kind, actor_id, actor_name, merchant_id, operation, target,
			outcome, reason, ip, user_agent, request_id, diff, prev_hash, hash
		FROM audit_events
		WHERE merchant_id = $1 AND seq < $2 AND at >= $3 AND ($4 = '' OR operation = $4) AND ($5 = '' OR outcome = $5)
		ORDER BY seq DESC LIMIT $6`
	sqlAuditAfter = `SELECT seq, at, actor_kind, actor_id, actor_name, merchant_id, operation, target,
			outcome, reason, ip, user_agent, request_id, diff, prev_hash, hash
		FROM audit_events WHERE seq > $1 ORDER BY seq LIMIT $2`
)

// auditRows is how many rows a filter without a limit asks for.
const auditRows = 100

func (t *tx) AuditHead(ctx context.Context) (controlplane.AuditHead, error) {
	query := sqlAuditHead
	if t.writes {
		query += t.dialect.headLock()
	}
	return one(ctx, t, "audit head", func(r scanner, h *controlplane.AuditHead) error {
		return r.Scan(&h.Seq, hashColumn{&h.Hash})
	}, query)
}

func (t *tx) AppendAudit(ctx context.Context, e controlplane.AuditEvent) error {
	n, err := t.exec(ctx, "audit head", sqlMoveHead, e.Seq, e.Hash[:], e.Seq-1)
	if err != nil {
		return err
	}
	if n == 0 {
		return fmt.Errorf("audit event %d does not follow the end of the trail: %w", e.Seq, controlplane.ErrDuplicate)
	}
	return t.insert(ctx, "audit event", sqlInsertAudit, e.Seq, micros(e.At), e.ActorKind, e.ActorID, e.ActorName, e.MerchantID, e.Operation, e.Target,
		e.Outcome, e.Reason, e.IP, e.UserAgent, e.RequestID, string(e.Diff), e.PrevHash[:], e.Hash[:])
}

func (t *tx) AuditEvents(ctx context.Context, f controlplane.AuditFilter) ([]controlplane.AuditEvent, error) {
	before, limit := f.Before, f.Limit
	if before == 0 {
		before = math.MaxInt64
	}
	if limit == 0 {
		limit = auditRows
	}
	if f.MerchantID != "" {
		return list(ctx, t, "audit events", scanAuditEvent, sqlAuditOfMerchant, f.MerchantID, before, micros(f.Since), f.Operation, f.Outcome, limit)
	}
	return list(ctx, t, "audit events", scanAuditEvent, sqlAudit, before, micros(f.Since), f.Operation, f.Outcome, limit)
}

func (t *tx) AuditAfter(ctx context.Context, seq int64, limit int) ([]controlplane.AuditEvent, error) {
	return list(ctx, t, "audit events", scanAuditEvent, sqlAuditAfter, seq, limit)
}

func scanAuditEvent(r scanner, e *controlplane.AuditEvent) error {
	var diff string
	err := r.Scan(&e.Seq, timeColumn{&e.At}, &e.ActorKind, &e.ActorID, &e.ActorName, &e.MerchantID, &e.Operation, &e.Target,
		&e.Outcome, &e.Reason, &e.IP, &e.UserAgent, &e.RequestID, &diff, hashColumn{&e.PrevHash}, hashColumn{&e.Hash})
	if diff != "" {
		e.Diff = json.RawMessage(diff)
	}
	return err
}
