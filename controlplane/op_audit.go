package controlplane

import (
	"context"
	"encoding/hex"
)

// ListAudit lists audit events, newest first. A merchant's users see those of
// their merchant, the acts of staff on it included.
func (s *Service) ListAudit(ctx context.Context, a Actor, f AuditFilter) ([]AuditEvent, error) {
	if a.Kind == ActorUser && f.MerchantID == "" {
		f.MerchantID = a.MerchantID
	}
	r := request{actor: a, op: OpAuditList, merchantID: f.MerchantID, input: f}
	return read(ctx, s, r, func(tx Tx) ([]AuditEvent, error) {
		events, err := tx.AuditEvents(ctx, f)
		if a.Kind == ActorUser {
			hidePlatform(events)
		}
		return events, err
	})
}

// hidePlatform leaves out from where the platform's own people work: a merchant is
// to see who did what to them, not the addresses of our offices and homes.
func hidePlatform(events []AuditEvent) {
	for i := range events {
		if e := &events[i]; e.ActorKind != ActorUser {
			e.IP, e.UserAgent = "", ""
		}
	}
}

// auditBatch bounds the memory of a verification.
const auditBatch = 1000

// VerifyAudit recomputes the hash chain from the first row to the head and names
// the first row that does not fit: one that was changed, left out, put in, or cut
// off at the end.
func (s *Service) VerifyAudit(ctx context.Context, a Actor) (AuditReport, error) {
	return read(ctx, s, request{actor: a, op: OpAuditVerify}, func(tx Tx) (AuditReport, error) {
		head, err := tx.AuditHead(ctx)
		if err != nil {
			return AuditReport{}, err
		}
		var c auditChain
		for {
			events, err := tx.AuditAfter(ctx, c.last.Seq, auditBatch)
			if err != nil {
				return AuditReport{}, err
			}
			if len(events) == 0 {
				return c.finish(head), nil
			}
			for _, e := range events {
				if problem := c.add(e); problem != "" {
					return AuditReport{Rows: c.last.Seq, FirstBad: e.Seq, Problem: problem, Head: hex.EncodeToString(head.Hash[:])}, nil
				}
			}
		}
	})
}

// auditChain is the trail as verified so far.
type auditChain struct{ last AuditHead }

// add returns what is wrong with the next row, or "".
func (c *auditChain) add(e AuditEvent) string {
	switch {
	case e.Seq != c.last.Seq+1:
		return "rows before it are missing"
	case e.PrevHash != c.last.Hash:
		return "it does not follow from the row before it"
	case e.ComputeHash() != e.Hash:
		return "its content does not match its hash"
	}
	c.last = AuditHead{Seq: e.Seq, Hash: e.Hash}
	return ""
}

func (c *auditChain) finish(head AuditHead) AuditReport {
	out := AuditReport{Rows: c.last.Seq, Head: hex.EncodeToString(head.Hash[:])}
	switch {
	case c.last.Seq > head.Seq:
		out.FirstBad, out.Problem = head.Seq+1, "rows were put in after the end of the trail"
	case c.last.Seq < head.Seq:
		out.FirstBad, out.Problem = c.last.Seq+1, "rows at the end of the trail are missing"
	case c.last.Hash != head.Hash:
		out.FirstBad, out.Problem = c.last.Seq, "it is not the row that ended the trail"
	}
	return out
}
