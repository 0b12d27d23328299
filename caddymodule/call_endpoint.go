package caddymodule

import (
	"context"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// createdEndpoint carries the signing secret, this once.
type createdEndpoint struct {
	Endpoint controlplane.Endpoint `json:"endpoint"`
	Secret   string                `json:"secret"`
}

type endpointList struct {
	Endpoints []controlplane.EndpointView `json:"endpoints"`
}

func endpointCalls() []call {
	return []call{
		newCall(controlplane.OpEndpointCreate, createEndpointCall),
		newCall(controlplane.OpEndpointList, listEndpointsCall),
		newCall(controlplane.OpEndpointView, viewEndpointCall),
	}
}

func createEndpointCall(ctx context.Context, n callNode, a controlplane.Actor, in controlplane.CreateEndpoint) (createdEndpoint, error) {
	made, err := n.service.CreateEndpoint(ctx, a, in)
	if err != nil {
		return createdEndpoint{}, err
	}
	made.Endpoint.Events = nonNil(made.Endpoint.Events)
	return createdEndpoint{made.Endpoint, made.Secret.Reveal()}, nil
}

func listEndpointsCall(ctx context.Context, n callNode, a controlplane.Actor, in controlplane.EndpointFilter) (endpointList, error) {
	all, err := n.service.ListEndpoints(ctx, a, in)
	for i := range all {
		all[i].Events = nonNil(all[i].Events)
	}
	return endpointList{nonNil(all)}, err
}

func viewEndpointCall(ctx context.Context, n callNode, a controlplane.Actor, in controlplane.EndpointRef) (controlplane.EndpointDetail, error) {
	e, err := n.service.Endpoint(ctx, a, in)
	e.Events, e.Secrets, e.Hours, e.Days, e.Replays = nonNil(e.Events), nonNil(e.Secrets), nonNil(e.Hours), nonNil(e.Days), nonNil(e.Replays)
	return e, err
}
