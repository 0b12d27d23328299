package caddymodule

import (
	"context"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/portal"
)

// consoleStatus is how this server is doing, for the console's page about it. Who may
// not know of the keyring is told the rest.
func (n callNode) consoleStatus(ctx context.Context, a controlplane.Actor) (portal.SystemStatus, error) {
	s, err := statusCall(ctx, n, a, struct{}{})
	if err != nil {
		return portal.SystemStatus{}, err
	}
	out := portal.SystemStatus{
		Version: s.Version, Caddy: s.Caddy, Revision: s.Revision,
		Database: s.Database.Kind, FileBytes: s.Database.FileBytes, WALBytes: s.Database.WALBytes, SchemaVersion: s.Database.SchemaVersion,
	}
	for _, node := range s.Nodes {
		out.Nodes = append(out.Nodes, portal.NodeStatus{Node: node.Node, Answers: node.Answers, Troubles: node.Troubles})
	}
	if g := s.Gateway; g != nil {
		out.SnapshotRevision, out.SnapshotAge = g.Revision, time.Duration(g.AgeMS)*time.Millisecond
		out.Keys, out.Merchants, out.UnreadableKeys = g.Keys, g.Merchants, g.UnreadableKeys
	}
	if r := s.Replay; r != nil {
		out.Nonces, out.NonceCapacity, out.RefusedFull = r.Live, r.Capacity, r.RefusedFull
	}
	err = n.db.View(ctx, func(tx controlplane.Tx) (err error) {
		out.Queue, err = tx.DeliveryQueue(ctx)
		return err
	})
	if err != nil {
		return out, err
	}
	for _, p := range controlplane.Permissions() {
		if p.Operation == controlplane.OpKeyringStatus && p.Allows(a.Role) {
			out.Keyring, err = n.consoleKeyring(ctx, a)
		}
	}
	return out, err
}

func (n callNode) consoleKeyring(ctx context.Context, a controlplane.Actor) (*portal.KeyringStatus, error) {
	ring, err := keyringStatusCall(ctx, n, a, struct{}{})
	out := &portal.KeyringStatus{RootID: ring.RootID}
	for _, k := range ring.DataKeys {
		out.DataKeys = append(out.DataKeys, portal.DataKeyStatus{ID: k.ID, Purpose: k.Purpose, CreatedAt: k.CreatedAt, Seals: k.Seals})
	}
	return out, err
}
