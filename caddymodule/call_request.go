package caddymodule

import (
	"context"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

type requestList struct {
	Requests []controlplane.LoggedRequest `json:"requests"`
	nextPage
}

type requestCounts struct {
	Counts []controlplane.RequestCount `json:"counts"`
}

type requestView struct {
	Request controlplane.LoggedRequest `json:"request"`
}

func requestCalls() []call {
	type (
		ctx   = context.Context
		actor = controlplane.Actor
	)
	return []call{
		newCall(controlplane.OpRequestList, func(ctx ctx, n callNode, a actor, in controlplane.RequestFilter) (requestList, error) {
			rows, err := n.service.ListRequests(ctx, a, in)
			return pageOfRequests(rows, in.Rows()), err
		}),
		newCall(controlplane.OpRequestView, func(ctx ctx, n callNode, a actor, in controlplane.RequestRef) (requestView, error) {
			q, err := n.service.Request(ctx, a, in)
			return requestView{q}, err
		}),
		newCall(controlplane.OpRequestCount, func(ctx ctx, n callNode, a actor, in controlplane.RequestCountFilter) (requestCounts, error) {
			rows, err := n.service.CountRequests(ctx, a, in)
			return requestCounts{nonNil(rows)}, err
		}),
		newCall(controlplane.OpRequestUnknown, func(ctx ctx, n callNode, a actor, in controlplane.UnknownRequests) (requestList, error) {
			rows, err := n.service.ListUnknownRequests(ctx, a, in)
			return pageOfRequests(rows, controlplane.Page{Limit: in.Limit}.Rows()), err
		}),
		newCall(controlplane.OpAllowlistSimulate, func(ctx ctx, n callNode, a actor, in controlplane.SimulateAllowlist) (controlplane.AllowlistSimulation, error) {
			out, err := n.service.SimulateAllowlist(ctx, a, in)
			out.Refused, out.Admitted = nonNil(out.Refused), nonNil(out.Admitted)
			return out, err
		}),
	}
}

func pageOfRequests(rows []controlplane.LoggedRequest, most int) requestList {
	out := requestList{Requests: nonNil(rows)}
	if len(rows) == most {
		out.Next = rows[len(rows)-1].ID
	}
	return out
}
