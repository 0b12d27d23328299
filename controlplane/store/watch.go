package store

import (
	"context"
	"sync"
)

// watchers wakes those who follow the revision.
type watchers struct {
	mu  sync.Mutex
	all map[chan struct{}]struct{}
}

// watch returns a channel of one waiting wake-up, closed when ctx ends.
func (w *watchers) watch(ctx context.Context) <-chan struct{} {
	c := make(chan struct{}, 1)
	w.mu.Lock()
	if w.all == nil {
		w.all = make(map[chan struct{}]struct{})
	}
	w.all[c] = struct{}{}
	w.mu.Unlock()
	context.AfterFunc(ctx, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.all, c)
		close(c)
	})
	return c
}

// wake never waits: a watcher that has not yet taken the last wake-up will read
// the newest revision anyway.
func (w *watchers) wake() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.all {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}
