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
	// auditQuery adds the other conditions, the order and the limit.
	sqlAudit = `SELECT seq, at, actor_kind, actor_id, actor_name, merchant_id, operation, target,
			outcome, reason, ip, user_agent, request_id, diff, prev_hash, hash
		FROM audit_events WHERE seq < $1 AND at >= $2`
	sqlAuditOfMerchant = `SELECT seq, at, actor_kind, actor_id, actor_name, merchant_id, operation, target,
			outcome, reason, ip, user_agent, request_id, diff, prev_hash, hash
		FROM audit_events WHERE merchant_id = $1 AND seq < $2 AND at >= $3`
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
	q := auditQuery(f)
	return list(ctx, t, "audit events", scanAuditEvent, q.text.String(), q.args...)
}

// auditQuery repeats the condition of an index of some rows as it stands there, or the
// index would not be used.
func auditQuery(f controlplane.AuditFilter) *filter {
	before, limit := f.Before, f.Limit
	if before == 0 {
		before = math.MaxInt64
	}
	if limit == 0 {
		limit = auditRows
	}
	q, of := newFilter(sqlAudit, before, micros(f.Since)), " AND operation <> ''"
	if f.MerchantID != "" {
		q, of = newFilter(sqlAuditOfMerchant, f.MerchantID, before, micros(f.Since)), ""
	}
	q.equal(of+" AND operation = $%[1]d", string(f.Operation))
	if f.Outcome == controlplane.OutcomeOK {
		q.add(" AND outcome = $%[1]d", f.Outcome)
	} else {
		q.equal(of+" AND outcome <> 'ok' AND outcome = $%[1]d", string(f.Outcome))
	}
	q.add(" ORDER BY seq DESC LIMIT $%[1]d", limit)
	return q
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
