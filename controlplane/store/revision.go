package store

import "context"

const (
	sqlBumpRevision = `UPDATE revision SET value = value + 1 WHERE id = 1 RETURNING value`
	sqlRevision     = `SELECT value FROM revision WHERE id = 1`
)

func (t *tx) BumpRevision(ctx context.Context) (int64, error) {
	n, err := one(ctx, t, "revision", scanValue[int64], sqlBumpRevision)
	if err != nil {
		return 0, err
	}
	t.bumped = true
	return n, t.fail("revision", t.dialect.announce(t.context(ctx), t.sql))
}

func (t *tx) Revision(ctx context.Context) (int64, error) {
	return one(ctx, t, "revision", scanValue[int64], sqlRevision)
}
