package controlplane

import "context"

type concurrentKey struct{}

// Concurrent marks the context of an Update that may run beside others, because
// each of its statements by itself checks what it relies on. All other Updates see
// what the one before them did, whole, as if there were one writer in the world: on
// PostgreSQL they wait for each other, those of other nodes included.
//
// It is for what happens all the time: events, deliveries, counters.
func Concurrent(ctx context.Context) context.Context {
	return context.WithValue(ctx, concurrentKey{}, true)
}

// IsConcurrent reports whether the context is marked by [Concurrent].
func IsConcurrent(ctx context.Context) bool { return ctx.Value(concurrentKey{}) != nil }
