package storetest

import (
	"context"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

func nodeContract() []contract {
	node := func(id string, started, seen int) controlplane.Node {
		return controlplane.Node{
			ID: id, Name: "host " + id, Roles: []controlplane.NodeRole{controlplane.NodeGateway, controlplane.NodeDelivery}, Version: "v1",
			SchemaVersion: 85, Replay: "redis", Revision: 7, Newest: 9, ConfirmedAt: At(seen - 1), StartedAt: At(started), SeenAt: At(seen),
		}
	}
	save := func(k *kit, all ...controlplane.Node) {
		k.Helper()
		for _, n := range all {
			k.must(func(ctx context.Context, tx controlplane.Tx) error { return tx.SaveNode(ctx, n) })
		}
	}
	listed := func(k *kit, since time.Time) []controlplane.Node {
		return read(k, func(ctx context.Context, tx controlplane.Tx) ([]controlplane.Node, error) {
			return tx.Nodes(ctx, since, 2)
		})
	}
	return []contract{
		{"nodes are listed as they last told, those that told long ago not", func(k *kit) {
			bare := node("a", 1, 50)
			bare.Roles = nil
			save(k, node("b", 1, 10), bare, node("c", 1, 4))
			later := node("b", 1, 60)
			later.Revision, later.Roles = 8, []controlplane.NodeRole{controlplane.NodePortal}
			save(k, later)
			same(k, listed(k, At(5)), []controlplane.Node{bare, later})
		}},
		{"of two processes with one id the one that started later keeps it", func(k *kit) {
			save(k, node("a", 1, 10), node("a", 2, 11))
			k.wants(controlplane.ErrDuplicate, func(ctx context.Context, tx controlplane.Tx) error { return tx.SaveNode(ctx, node("a", 1, 12)) })
			same(k, listed(k, At(0)), []controlplane.Node{node("a", 2, 11)})
		}},
		{"nodes that have not told for long are forgotten", func(k *kit) {
			save(k, node("a", 1, 10), node("b", 1, 20))
			k.must(func(ctx context.Context, tx controlplane.Tx) error {
				_, err := tx.DeleteNodes(ctx, At(20))
				return err
			})
			same(k, listed(k, At(0)), []controlplane.Node{node("b", 1, 20)})
		}},
	}
}
