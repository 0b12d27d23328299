package caddymodule

import (
	"context"
	"errors"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/unknownpay/merchant-gateway/caddymodule/replay"
	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/store"
)

// systemStatus is how the process that answers is doing.
type systemStatus struct {
	Version string `json:"version"`
	Caddy   string `json:"caddy"`
	// Revision is the newest in the database.
	Revision int64       `json:"revision"`
	Database store.Stats `json:"database"`
	// Problem is what keeps the database away from a server that goes on without it.
	Problem string `json:"problem,omitempty"`
	DataDir string `json:"data_dir"`
	RootKey string `json:"root_key"`
	// Nodes are the servers that share the database, as each last told of itself, those
	// that have been silent for up to a day too.
	Nodes []nodeStatus `json:"nodes"`
	// Gateway and Replay are missing when no server runs.
	Gateway *gatewayStatus `json:"gateway,omitempty"`
	Replay  *replayStatus  `json:"replay,omitempty"`
	// RequestLog is missing when no server runs, or when it is off.
	RequestLog *requestLogStatus `json:"request_log,omitempty"`
}

// gatewayStatus is about the snapshot that requests are decided by.
type gatewayStatus struct {
	Revision  int64 `json:"revision"`
	Keys      int   `json:"keys"`
	Merchants int   `json:"merchants"`
	Bytes     int64 `json:"bytes"`
	// AgeMS is how long ago, in milliseconds, the database last confirmed it.
	AgeMS int64 `json:"age_ms"`
	// RefusesAt is when requests will be refused unless the database answers before.
	RefusesAt time.Time `json:"refuses_at,omitzero"`
	// UnreadableKeys are refused because their secrets do not open.
	UnreadableKeys int `json:"unreadable_keys"`
}

// replayStatus is how full the memory of used nonces is.
type replayStatus struct {
	Live int64 `json:"live"`
	// Capacity is 0 for a Redis, which takes what its memory holds.
	Capacity int64 `json:"capacity"`
	// RefusedFull is the number of requests refused since the start because it
	// was full.
	RefusedFull int64 `json:"refused_full"`
	// Redis is missing for nonces in the memory of this process.
	Redis *redisStatus `json:"redis,omitempty"`
}

// redisStatus is about the Redis that keeps the nonces.
type redisStatus struct {
	Address string `json:"address"`
	Version string `json:"version"`
	// Bytes of memory it uses and may use; MaxBytes is 0 for no limit.
	Bytes    int64 `json:"bytes"`
	MaxBytes int64 `json:"max_bytes"`
	// Refused is the number of requests refused since the start because it did not
	// answer, or not as it should.
	Refused int64 `json:"refused"`
	// Trouble is why it cannot be used now.
	Trouble string `json:"trouble,omitempty"`
}

type backupTo struct {
	// To is an absolute path on the machine of the server.
	To string `json:"to"`
}

type backupDone struct {
	Path string `json:"path"`
}

func systemCalls() []call {
	return []call{
		newCall(controlplane.OpSystemStatus, statusCall),
		newCall(controlplane.OpSystemBackup, backupCall),
	}
}

func statusCall(ctx context.Context, n callNode, a controlplane.Actor, _ struct{}) (out systemStatus, err error) {
	if err := n.service.Permit(ctx, a, controlplane.OpSystemStatus, ""); err != nil {
		return out, err
	}
	out.Version = moduleVersion()
	out.Caddy, _ = caddy.Version()
	if out.Database, err = n.db.Stats(ctx); err != nil {
		return out, err
	}
	var nodes []controlplane.Node
	now := time.Now()
	err = n.db.View(ctx, func(tx controlplane.Tx) (err error) {
		if out.Revision, err = tx.Revision(ctx); err == nil {
			nodes, err = tx.Nodes(ctx, now.Add(-controlplane.NodeKept), maxNodes)
		}
		return err
	})
	if n.follower != nil && controlplane.CodeOf(err) == controlplane.CodeUnavailable {
		out.Problem, err = err.Error(), nil
	}
	if err != nil {
		return out, err
	}
	out.Nodes = n.nodeStatus(nodes, out.Revision)
	out.DataDir, err = n.config.store.directory()
	if err != nil {
		return out, err
	}
	if out.RootKey, err = n.config.rootPath(); err != nil {
		return out, err
	}
	out.Gateway, out.Replay = n.gatewayStatus(), n.replayStatus()
	if n.requests != nil {
		out.RequestLog = n.requests.status()
	}
	return out, nil
}

func (n callNode) gatewayStatus() *gatewayStatus {
	if n.follower == nil {
		return nil
	}
	out := &gatewayStatus{UnreadableKeys: n.follower.Unreadable()}
	if age, ok := n.follower.Age(time.Now()); ok {
		out.AgeMS = age.Milliseconds()
	}
	if n.standby.maxStale > 0 {
		out.RefusesAt = n.follower.LastSuccess().Add(n.standby.maxStale).UTC().Truncate(time.Second)
	}
	if s := n.follower.Current(); s != nil {
		stats := s.Stats()
		out.Revision, out.Keys, out.Merchants, out.Bytes = stats.Revision, stats.Keys, stats.Merchants, stats.Bytes
	}
	return out
}

func (n callNode) replayStatus() *replayStatus {
	counting, ok := n.replay.(interface{ Stats() replay.Stats })
	if !ok {
		return nil
	}
	s := counting.Stats()
	out := &replayStatus{Live: s.Live, Capacity: s.Capacity, RefusedFull: s.Full}
	if r, ok := n.replay.(*replay.Redis); ok {
		address, server, trouble := r.Server()
		out.Redis = &redisStatus{Address: address.String(), Version: server.Version, Bytes: server.Bytes, MaxBytes: server.MaxBytes, Refused: s.Failed}
		if trouble != nil {
			out.Redis.Trouble = trouble.Error()
		}
	}
	return out
}

// modulePath is how builds call this module.
const modulePath = "github.com/unknownpay/merchant-gateway"

func moduleVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, m := range append(info.Deps, &info.Main) {
		if m.Path == modulePath && m.Version != "" {
			return m.Version
		}
	}
	return "unknown"
}

func backupCall(ctx context.Context, n callNode, a controlplane.Actor, in backupTo) (backupDone, error) {
	if !filepath.IsAbs(in.To) {
		return backupDone{}, controlplane.InvalidField("to", "must be an absolute path: the server writes the file")
	}
	if err := n.service.Permit(ctx, a, controlplane.OpSystemBackup, in.To); err != nil {
		return backupDone{}, err
	}
	err := n.db.Backup(ctx, in.To)
	if err != nil && !errors.As(err, new(*controlplane.Error)) {
		// Whatever else it is, it is about a path that the operator chose.
		err = controlplane.InvalidField("to", "%v", err)
	}
	return backupDone{in.To}, err
}
