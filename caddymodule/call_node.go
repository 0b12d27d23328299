package caddymodule

import (
	"cmp"
	"slices"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// nodeStatus is one of the servers that share the database.
type nodeStatus struct {
	controlplane.Node
	// Answers: it is the one that answers, and this is how it is now.
	Answers bool `json:"answers"`
	// Behind is how many revisions it was behind when it told, LagMS how many
	// milliseconds before that the database had last confirmed what it decides by.
	Behind int64 `json:"behind"`
	LagMS  int64 `json:"lag_ms"`
	// SilentMS is how long ago, in milliseconds, it told.
	SilentMS int64 `json:"silent_ms"`
	// Troubles are what somebody should look at.
	Troubles []controlplane.NodeTrouble `json:"troubles"`
}

// nodeStatus adds this server to those that told, as it is now: it can be asked while
// the database is away, and where nobody shares it.
func (n callNode) nodeStatus(nodes []controlplane.Node, newest int64) []nodeStatus {
	self := ""
	if n.beat != nil {
		me := n.beat.self(newest)
		self = me.ID
		nodes = slices.DeleteFunc(nodes, func(other controlplane.Node) bool { return other.ID == self })
		nodes = append(nodes, me)
		slices.SortFunc(nodes, func(a, b controlplane.Node) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	}
	now := time.Now()
	all := []nodeStatus{}
	for i, troubles := range controlplane.NodeTroubles(nodes, moduleVersion(), now) {
		of := nodes[i]
		of.Roles = append([]controlplane.NodeRole{}, of.Roles...) // never null in JSON
		all = append(all, nodeStatus{
			Node: of, Answers: n.beat != nil && of.ID == self, Behind: max(0, of.Newest-of.Revision), LagMS: of.Lag().Milliseconds(),
			SilentMS: max(0, now.Sub(of.SeenAt)).Milliseconds(), Troubles: append([]controlplane.NodeTrouble{}, troubles...),
		})
	}
	return all
}
