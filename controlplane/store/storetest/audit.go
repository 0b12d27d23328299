package storetest

import (
	"context"
	"encoding/json"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

func auditContract() []contract {
	return []contract{
		{"the trail starts with nothing", func(k *kit) {
			same(k, auditHead(k), controlplane.AuditHead{})
			same(k, auditEvents(k, controlplane.AuditFilter{}), nil)
		}},
		{"every field comes back and the head moves", func(k *kit) {
			e := controlplane.AuditEvent{
				At: At(1), ActorKind: controlplane.ActorStaff, ActorID: "stf_1", ActorName: "Käthe", MerchantID: "mer_1",
				Operation: controlplane.OpKeyIssue, Target: "unk_live_1", Outcome: controlplane.OutcomeDenied, Reason: "no",
				IP: "192.0.2.1", UserAgent: "curl", RequestID: "req_1", Diff: json.RawMessage(`{"a":{"to":1}}`),
			}
			e = appendAudit(k, e)
			same(k, auditHead(k), controlplane.AuditHead{Seq: 1, Hash: e.Hash})
			same(k, auditAfter(k, 0, 10), []controlplane.AuditEvent{e})
			if got := auditAfter(k, 0, 1)[0]; got.ComputeHash() != e.Hash {
				k.Fatal("the stored row has another hash")
			}
		}},
		{"an event that does not follow the head is refused", func(k *kit) {
			e := appendAudit(k, event("mer_1", controlplane.OutcomeOK))
			for _, seq := range []int64{1, 3, 0, -1} {
				e.Seq = seq
				k.wants(controlplane.ErrDuplicate, func(ctx context.Context, tx controlplane.Tx) error { return tx.AppendAudit(ctx, e) })
			}
			same(k, auditHead(k).Seq, 1)
		}},
		{"events are listed newest first, by filter and in pages", filterAudit},
		{"events after a number come oldest first", func(k *kit) {
			var all []controlplane.AuditEvent
			for range 5 {
				all = append(all, appendAudit(k, event("mer_1", controlplane.OutcomeOK)))
			}
			same(k, auditAfter(k, 2, 2), all[2:4])
			same(k, auditAfter(k, 5, 2), nil)
		}},
	}
}

func filterAudit(k *kit) {
	a := appendAudit(k, event("mer_1", controlplane.OutcomeOK))
	b := appendAudit(k, event("mer_2", controlplane.OutcomeDenied))
	other := event("mer_1", controlplane.OutcomeDenied)
	other.Operation, other.At = controlplane.OpKeyRotate, At(500)
	c := appendAudit(k, other)
	for _, test := range []struct {
		filter controlplane.AuditFilter
		want   []controlplane.AuditEvent
	}{
		{controlplane.AuditFilter{}, []controlplane.AuditEvent{c, b, a}},
		{controlplane.AuditFilter{MerchantID: "mer_1"}, []controlplane.AuditEvent{c, a}},
		{controlplane.AuditFilter{MerchantID: "mer_3"}, nil},
		{controlplane.AuditFilter{Outcome: controlplane.OutcomeDenied}, []controlplane.AuditEvent{c, b}},
		{controlplane.AuditFilter{MerchantID: "mer_1", Outcome: controlplane.OutcomeDenied}, []controlplane.AuditEvent{c}},
		{controlplane.AuditFilter{Operation: controlplane.OpKeyRotate}, []controlplane.AuditEvent{c}},
		{controlplane.AuditFilter{MerchantID: "mer_2", Operation: controlplane.OpKeyRotate}, nil},
		{controlplane.AuditFilter{Since: At(500)}, []controlplane.AuditEvent{c}},
		{controlplane.AuditFilter{MerchantID: "mer_1", Since: At(501)}, nil},
		{controlplane.AuditFilter{Limit: 1}, []controlplane.AuditEvent{c}},
		{controlplane.AuditFilter{Before: c.Seq, Limit: 1}, []controlplane.AuditEvent{b}},
		{controlplane.AuditFilter{MerchantID: "mer_1", Before: c.Seq}, []controlplane.AuditEvent{a}},
	} {
		same(k, auditEvents(k, test.filter), test.want)
	}
}

func event(merchantID string, o controlplane.Outcome) controlplane.AuditEvent {
	return controlplane.AuditEvent{
		At: At(1), ActorKind: controlplane.ActorLocal, ActorID: "root", MerchantID: merchantID,
		Operation: controlplane.OpKeyIssue, Outcome: o,
	}
}

// appendAudit chains e to the trail.
func appendAudit(k *kit, e controlplane.AuditEvent) controlplane.AuditEvent {
	k.Helper()
	k.must(func(ctx context.Context, tx controlplane.Tx) error {
		var err error
		e, err = chain(ctx, tx, e)
		return err
	})
	return e
}

func chain(ctx context.Context, tx controlplane.Tx, e controlplane.AuditEvent) (controlplane.AuditEvent, error) {
	head, err := tx.AuditHead(ctx)
	if err != nil {
		return e, err
	}
	e.Seq, e.PrevHash = head.Seq+1, head.Hash
	e.Hash = e.ComputeHash()
	return e, tx.AppendAudit(ctx, e)
}

func auditHead(k *kit) controlplane.AuditHead {
	k.Helper()
	return read(k, func(ctx context.Context, tx controlplane.Tx) (controlplane.AuditHead, error) {
		return tx.AuditHead(ctx)
	})
}

func auditEvents(k *kit, f controlplane.AuditFilter) []controlplane.AuditEvent {
	k.Helper()
	return read(k, func(ctx context.Context, tx controlplane.Tx) ([]controlplane.AuditEvent, error) {
		return tx.AuditEvents(ctx, f)
	})
}

func auditAfter(k *kit, seq int64, limit int) []controlplane.AuditEvent {
	k.Helper()
	return read(k, func(ctx context.Context, tx controlplane.Tx) ([]controlplane.AuditEvent, error) {
		return tx.AuditAfter(ctx, seq, limit)
	})
}
