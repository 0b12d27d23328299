package caddymodule

import (
	"context"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

type deliveryList struct {
	Deliveries []controlplane.Delivery `json:"deliveries"`
	nextPage
}

// replayInput names one delivery, or what a bulk replay is about.
type replayInput struct {
	DeliveryID string `json:"delivery_id,omitempty"`
	controlplane.ReplayScope
}

// replayed has one of the two.
type replayed struct {
	Delivery *controlplane.Delivery `json:"delivery,omitempty"`
	Replay   *controlplane.Replay   `json:"replay,omitempty"`
}

type replayCount struct {
	Deliveries int64 `json:"deliveries"`
}

func deliveryCalls() []call {
	return []call{
		newCall(controlplane.OpDeliveryList, listDeliveriesCall),
		newCall(controlplane.OpDeliveryView, func(ctx context.Context, n callNode, a controlplane.Actor, in controlplane.DeliveryRef) (controlplane.DeliveryDetail, error) {
			d, err := n.service.Delivery(ctx, a, in)
			d.Attempts = nonNil(d.Attempts)
			return d, err
		}),
		newCall(controlplane.OpDeliveryCount, countReplayCall),
		newCall(controlplane.OpDeliveryReplay, replayCall),
	}
}

func listDeliveriesCall(ctx context.Context, n callNode, a controlplane.Actor, in controlplane.DeliveryFilter) (deliveryList, error) {
	rows, err := n.service.ListDeliveries(ctx, a, in)
	out := deliveryList{Deliveries: nonNil(rows)}
	if len(rows) == in.Rows() {
		out.Next = rows[len(rows)-1].ID
	}
	return out, err
}

func countReplayCall(ctx context.Context, n callNode, a controlplane.Actor, in controlplane.ReplayScope) (replayCount, error) {
	count, err := n.service.CountReplay(ctx, a, in)
	return replayCount{count}, err
}

func replayCall(ctx context.Context, n callNode, a controlplane.Actor, in replayInput) (replayed, error) {
	if in.DeliveryID != "" {
		d, err := n.service.ReplayDelivery(ctx, a, controlplane.DeliveryRef{MerchantID: in.MerchantID, DeliveryID: in.DeliveryID})
		return replayed{Delivery: &d}, err
	}
	r, err := n.service.ReplayDeliveries(ctx, a, in.ReplayScope)
	return replayed{Replay: &r}, err
}
