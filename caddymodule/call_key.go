package caddymodule

import (
	"context"

	"github.com/caddyserver/caddy/v2"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// issuedKey carries the secret, this once.
type issuedKey struct {
	Key      controlplane.APIKey  `json:"key"`
	Secret   string               `json:"secret"`
	Replaced *controlplane.APIKey `json:"replaced,omitempty"`
	applied
}

type keyChanged struct {
	Key controlplane.APIKey `json:"key"`
	applied
}

type keyList struct {
	Keys []controlplane.APIKey `json:"keys"`
}

type rotateKey struct {
	MerchantID  string                   `json:"merchant_id"`
	Environment controlplane.Environment `json:"environment"`
	// Overlap is 0, 1h, 24h or 7d; empty is 24h.
	Overlap string `json:"overlap,omitempty"`
}

type retireKey struct {
	MerchantID string `json:"merchant_id"`
	KeyID      string `json:"key_id"`
	// After is 0, 1h, 24h or 7d; empty is 0: at once.
	After string `json:"after,omitempty"`
}

func keyCalls() []call {
	return []call{
		newCall(controlplane.OpKeyIssue, issueKeyCall),
		newCall(controlplane.OpKeyRotate, rotateKeyCall),
		newCall(controlplane.OpKeyRetire, retireKeyCall),
		newCall(controlplane.OpKeyList, listKeysCall),
	}
}

func issueKeyCall(ctx context.Context, n callNode, a controlplane.Actor, in controlplane.IssueKey) (issuedKey, error) {
	issued, err := n.service.IssueKey(ctx, a, in)
	return revealKey(ctx, n, issued, err)
}

func rotateKeyCall(ctx context.Context, n callNode, a controlplane.Actor, in rotateKey) (issuedKey, error) {
	overlap, err := parseOverlap("overlap", in.Overlap, controlplane.DefaultOverlap)
	if err != nil {
		return issuedKey{}, err
	}
	issued, err := n.service.RotateKey(ctx, a, controlplane.RotateKey{MerchantID: in.MerchantID, Environment: in.Environment, Overlap: overlap})
	return revealKey(ctx, n, issued, err)
}

func retireKeyCall(ctx context.Context, n callNode, a controlplane.Actor, in retireKey) (keyChanged, error) {
	after, err := parseOverlap("after", in.After, controlplane.OverlapNone)
	if err != nil {
		return keyChanged{}, err
	}
	k, err := n.service.RetireKey(ctx, a, controlplane.RetireKey{MerchantID: in.MerchantID, KeyID: in.KeyID, After: after})
	if err != nil {
		return keyChanged{}, err
	}
	return keyChanged{k, settle(ctx, n)}, nil
}

func listKeysCall(ctx context.Context, n callNode, a controlplane.Actor, in controlplane.KeyFilter) (keyList, error) {
	keys, err := n.service.ListKeys(ctx, a, in)
	return keyList{nonNil(keys)}, err
}

func revealKey(ctx context.Context, n callNode, k controlplane.IssuedKey, err error) (issuedKey, error) {
	if err != nil {
		return issuedKey{}, err
	}
	return issuedKey{k.Key, k.Secret.Reveal(), k.Replaced, settle(ctx, n)}, nil
}

// parseOverlap leaves it to the operation which durations are allowed.
func parseOverlap(field, text string, preset controlplane.Overlap) (controlplane.Overlap, error) {
	if text == "" {
		return preset, nil
	}
	d, err := caddy.ParseDuration(text)
	if err != nil {
		return 0, controlplane.InvalidField(field, "must be one of: 0, 1h, 24h, 7d")
	}
	return controlplane.Overlap(d), nil
}
