package store

import (
	"context"
	"sync/atomic"
)

// OpenPostgresLater opens a database that may be away. It waits for nobody: what
// [OpenPostgres] does, the schema included, happens before the first View or Update
// that finds the database there. Until then they return what kept it from that.
func OpenPostgresLater(c PostgresConfig) (*DB, error) { return newPostgres(c) }

// gate holds transactions up until the schema has been brought up to date, once.
type gate struct {
	prepare func(context.Context) error
	open    atomic.Bool
	turn    chan struct{} // of capacity one
}

func newGate(prepare func(context.Context) error) *gate {
	return &gate{prepare: prepare, turn: make(chan struct{}, 1)}
}

// pass is nil once prepare was. A nil gate is open.
func (g *gate) pass(ctx context.Context) error {
	if g == nil || g.open.Load() {
		return nil
	}
	select {
	case g.turn <- struct{}{}:
		defer func() { <-g.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if g.open.Load() {
		return nil
	}
	if err := g.prepare(ctx); err != nil {
		return err
	}
	g.open.Store(true)
	return nil
}
