package controlplane

import (
	"context"
	"time"
)

const (
	// NodeBeat is how often a node that shares its database says that it is there.
	NodeBeat = 10 * time.Second
	// nodeSilent is how long a node may say nothing: two beats can go amiss.
	nodeSilent = 3 * NodeBeat
	// nodeLags is how old what a node decides by may be. It asks each second.
	nodeLags = 10 * time.Second
	// NodeKept is how long a node that says nothing any more is listed.
	NodeKept = 24 * time.Hour
	// MaxNodeName is the longest name of a node, in bytes.
	MaxNodeName = 64
)

// Node is a server, as it last told of itself. Nothing is decided by it.
type Node struct {
	// ID stays over restarts; empty for a server that shares its database with nobody.
	ID   string `json:"id,omitempty"`
	Name string `json:"name"`
	// Roles are what its configuration makes it.
	Roles         []NodeRole `json:"roles"`
	Version       string     `json:"version"`
	SchemaVersion int64      `json:"schema_version"`
	// Replay is where its nonces are: memory or redis.
	Replay string `json:"replay"`
	// Revision is what it decides by; Newest what the database had then.
	Revision int64 `json:"revision"`
	Newest   int64 `json:"newest"`
	// ConfirmedAt is when the database last confirmed the revision.
	ConfirmedAt time.Time `json:"confirmed_at"`
	StartedAt   time.Time `json:"started_at"`
	SeenAt      time.Time `json:"seen_at"`
}

// NodeRole is what a node does: one that gates requests, one that delivers.
type NodeRole string

// The roles of a node.
const (
	NodeGateway  NodeRole = "gateway"
	NodePortal   NodeRole = "portal"
	NodeConsole  NodeRole = "console"
	NodeEvents   NodeRole = "events"
	NodeDelivery NodeRole = "delivery"
)

// Lag is how long the node had been deciding by something that was not confirmed,
// when it told.
func (n Node) Lag() time.Duration { return max(0, n.SeenAt.Sub(n.ConfirmedAt)) }

// NodeTrouble is what somebody should look at.
type NodeTrouble string

const (
	// NodeIsSilent: it has not told of itself for 30 s.
	NodeIsSilent NodeTrouble = "silent"
	// NodeLags: it decides by what was not confirmed for 10 s.
	NodeLags NodeTrouble = "lagging"
	// NodeOtherVersion: its program is not that of the server that answers.
	NodeOtherVersion NodeTrouble = "other_version"
	// NodeOwnNonces: it remembers nonces by itself, beside other gateways, so that a
	// request passes once at each.
	NodeOwnNonces NodeTrouble = "own_nonces"
)

// NodeTroubles says of each node what is wrong with it. version is that of the
// server that answers.
func NodeTroubles(nodes []Node, version string, now time.Time) [][]NodeTrouble {
	gateways := 0
	for _, n := range nodes {
		if n.gates() && !n.silent(now) {
			gateways++
		}
	}
	all := make([][]NodeTrouble, len(nodes))
	for i, n := range nodes {
		if n.silent(now) {
			all[i] = []NodeTrouble{NodeIsSilent} // the rest is history
			continue
		}
		if n.Lag() > nodeLags {
			all[i] = append(all[i], NodeLags)
		}
		if n.Version != version {
			all[i] = append(all[i], NodeOtherVersion)
		}
		if gateways > 1 && n.gates() && n.Replay == "memory" {
			all[i] = append(all[i], NodeOwnNonces)
		}
	}
	return all
}

func (n Node) silent(now time.Time) bool { return now.Sub(n.SeenAt) > nodeSilent }

func (n Node) gates() bool {
	for _, r := range n.Roles {
		if r == NodeGateway {
			return true
		}
	}
	return false
}

// NodeTx holds the nodes that share the database.
type NodeTx interface {
	// SaveNode inserts or replaces what a node tells of itself: [ErrDuplicate] if a
	// process that started later has the id.
	SaveNode(ctx context.Context, n Node) error
	// Nodes lists up to limit of those that told since, by name.
	Nodes(ctx context.Context, since time.Time, limit int) ([]Node, error)
	// DeleteNodes forgets those that have not told since.
	DeleteNodes(ctx context.Context, since time.Time) (int64, error)
}
