package delivery

import "context"

// Purge deletes what is old, as the keeper does once an hour.
func (e *Engine) Purge(ctx context.Context) { e.purge(ctx) }

// RecordLinger is how long an outcome waits to be written.
const RecordLinger = recordLinger
