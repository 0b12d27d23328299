package store

import (
	"strings"
	"testing"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// Whoever has the file can drop a trigger; whoever has only a statement cannot
// change the trail, whichever connection it runs on.
func TestAuditTrailOnlyGrows(t *testing.T) {
	db := openTest(t)
	ctx := t.Context()
	e := controlplane.AuditEvent{Seq: 1, ActorKind: controlplane.ActorLocal, Outcome: controlplane.OutcomeOK}
	e.Hash = e.ComputeHash()
	if err := db.Update(ctx, func(tx controlplane.Tx) error { return tx.AppendAudit(ctx, e) }); err != nil {
		t.Fatal(err)
	}
	const values = `(seq, at, actor_kind, actor_id, actor_name, merchant_id, operation, target, outcome, reason, ip, user_agent, request_id, diff, prev_hash, hash)
		SELECT NEXT, at, actor_kind, actor_id, 'forged', merchant_id, operation, target, outcome, reason, ip, user_agent, request_id, diff, prev_hash, hash FROM audit_events`
	for _, attack := range []string{
		`UPDATE audit_events SET actor_name = 'forged'`,
		`UPDATE OR REPLACE audit_events SET seq = 1`,
		`DELETE FROM audit_events`,
		`INSERT OR REPLACE INTO audit_events ` + strings.Replace(values, "NEXT", "1", 1),
		`REPLACE INTO audit_events ` + strings.Replace(values, "NEXT", "1", 1),
		`INSERT INTO audit_events ` + strings.Replace(values, "NEXT", "7", 1),
		`INSERT INTO audit_events ` + strings.Replace(values, "NEXT", "2", 1),
		`UPDATE audit_head SET seq = 0`, `UPDATE audit_head SET seq = 5`, `UPDATE audit_head SET hash = zeroblob(32)`,
		`DELETE FROM audit_head`, `INSERT OR REPLACE INTO audit_head VALUES (1, 0, zeroblob(32))`,
		`INSERT INTO audit_events ` + strings.Replace(values, "NEXT", "1", 1) + ` ON CONFLICT DO UPDATE SET actor_name = 'forged'`,
	} {
		if _, err := db.writer.db.ExecContext(ctx, attack); err == nil {
			t.Errorf("our connection accepted %s", attack)
		}
		if err := tryRaw(ctx, db.file.path, attack); err == nil {
			t.Errorf("a foreign connection accepted %s", attack)
		}
	}
	if got := joined(t, db.readers, `SELECT seq || actor_name FROM audit_events`, nil, 1, 0); got != "1" {
		t.Errorf("the trail is now %q", got)
	}
}
