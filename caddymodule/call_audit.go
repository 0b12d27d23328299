package caddymodule

import (
	"context"
	"encoding/hex"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// auditRow is an audit event with its hashes as people compare them.
type auditRow struct {
	controlplane.AuditEvent
	PrevHash string `json:"prev_hash"`
	Hash     string `json:"hash"`
}

type auditList struct {
	Events []auditRow `json:"events"`
	// Next is what to ask for "before" to go on.
	Next int64 `json:"next,omitempty"`
}

func auditCalls() []call {
	return []call{
		newCall(controlplane.OpAuditList, listAudit),
		newCall(controlplane.OpAuditVerify, func(ctx context.Context, n callNode, a controlplane.Actor, _ struct{}) (controlplane.AuditReport, error) {
			return n.service.VerifyAudit(ctx, a)
		}),
	}
}

// auditRows is what an audit filter without a limit gives.
const auditRows = 100

func listAudit(ctx context.Context, n callNode, a controlplane.Actor, in controlplane.AuditFilter) (auditList, error) {
	if in.Limit == 0 {
		in.Limit = auditRows
	}
	events, err := n.service.ListAudit(ctx, a, in)
	out := auditList{Events: make([]auditRow, len(events))}
	for i, e := range events {
		out.Events[i] = auditRow{e, hex.EncodeToString(e.PrevHash[:]), hex.EncodeToString(e.Hash[:])}
	}
	if len(events) == in.Limit {
		out.Next = events[len(events)-1].Seq
	}
	return out, err
}
