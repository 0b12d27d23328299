package store

import (
	"context"
	"fmt"
	"time"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

const (
	sqlSaveNode = `INSERT INTO nodes (id, name, roles, version, schema_version, replay, revision, newest, confirmed_at, started_at, seen_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		ON CONFLICT (id) DO UPDATE SET name = excluded.name, roles = excluded.roles, version = excluded.version,
			schema_version = excluded.schema_version, replay = excluded.replay, revision = excluded.revision, newest = excluded.newest,
			confirmed_at = excluded.confirmed_at, started_at = excluded.started_at, seen_at = excluded.seen_at
		WHERE nodes.started_at <= excluded.started_at`
	sqlNodes = `SELECT id, name, roles, version, schema_version, replay, revision, newest, confirmed_at, started_at, seen_at
		FROM nodes WHERE seen_at >= $1 ORDER BY name, id LIMIT $2`
	sqlDeleteNodes = `DELETE FROM nodes WHERE seen_at < $1`
)

func (t *tx) SaveNode(ctx context.Context, n controlplane.Node) error {
	saved, err := t.exec(ctx, "node", sqlSaveNode, n.ID, n.Name, words(n.Roles), n.Version, n.SchemaVersion, n.Replay, n.Revision, n.Newest,
		micros(n.ConfirmedAt), micros(n.StartedAt), micros(n.SeenAt))
	if err == nil && saved == 0 {
		return fmt.Errorf("node: %w (a process that started later has the id)", controlplane.ErrDuplicate)
	}
	return err
}

func (t *tx) Nodes(ctx context.Context, since time.Time, limit int) ([]controlplane.Node, error) {
	return list(ctx, t, "nodes", func(r scanner, n *controlplane.Node) error {
		return r.Scan(&n.ID, &n.Name, wordsColumn[controlplane.NodeRole]{&n.Roles}, &n.Version, &n.SchemaVersion, &n.Replay, &n.Revision, &n.Newest,
			timeColumn{&n.ConfirmedAt}, timeColumn{&n.StartedAt}, timeColumn{&n.SeenAt})
	}, sqlNodes, micros(since), limit)
}

func (t *tx) DeleteNodes(ctx context.Context, since time.Time) (int64, error) {
	return t.exec(ctx, "nodes", sqlDeleteNodes, micros(since))
}
