package caddymodule

import (
	"slices"
	"sync"
	"sync/atomic"
)

// tenants are the started configurations that share a pooled value, oldest first.
// The newest one's settings are in force. During a reload there are two; when the
// new one is rejected it leaves, and the settings of the old one are in force
// again. A pooled value therefore never uses the logger of a configuration that
// has stopped, nor the limits of one that was rejected.
type tenants[T any] struct {
	mu     sync.Mutex
	list   []*T
	latest atomic.Pointer[T]
}

// newest is nil when no configuration is started.
func (t *tenants[T]) newest() *T { return t.latest.Load() }

func (t *tenants[T]) enter(x *T) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.list = append(t.list, x)
	t.latest.Store(x)
}

// leave may be called for one that never entered.
func (t *tenants[T]) leave(x *T) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.list = slices.DeleteFunc(t.list, func(y *T) bool { return y == x })
	if len(t.list) == 0 {
		t.latest.Store(nil)
		return
	}
	t.latest.Store(t.list[len(t.list)-1])
}
