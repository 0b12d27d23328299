package caddymodule

import (
	"context"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

func eventCalls() []call {
	return []call{
		newCall(controlplane.OpEventIngest, func(ctx context.Context, n callNode, a controlplane.Actor, in controlplane.IngestEvent) (controlplane.IngestedEvent, error) {
			return n.service.IngestEvent(ctx, a, in)
		}),
	}
}
