package controlplane

import "sync"

// changeCounter is a store that nobody else writes to, and which counts the changes
// to it that are not [Concurrent]: between two equal counts nothing but events,
// deliveries and counters has changed. The count moves before whoever made a change
// is told so.
type changeCounter interface {
	// Changes returns the count; known is false where others may write too.
	Changes() (n int64, known bool)
}

// memoSize bounds a memo; one that is full begins anew.
const memoSize = 4096

// memo keeps what was read from the store until something there changes. What is
// answered from it is never older than the last change that somebody was told of.
type memo[K comparable, V any] struct {
	mu    sync.Mutex
	count int64
	known map[K]V
}

// recall returns what was kept at a count.
func (m *memo[K, V]) recall(count int64, key K) (v V, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.count == count {
		v, ok = m.known[key]
	}
	return v, ok
}

// keep takes what was read after the count was.
func (m *memo[K, V]) keep(count int64, key K, v V) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if count < m.count {
		return
	}
	if count > m.count || len(m.known) >= memoSize {
		m.count, m.known = count, nil
	}
	if m.known == nil {
		m.known = map[K]V{}
	}
	m.known[key] = v
}

// forget has one thing read again.
func (m *memo[K, V]) forget(key K) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.known, key)
}

// remembered answers from the memo, or reads and keeps what was read.
func remembered[K comparable, V any](s *Service, m *memo[K, V], key K, read func() (V, error)) (V, error) {
	counter, counts := s.store.(changeCounter)
	var count int64
	if counts {
		count, counts = counter.Changes()
	}
	if !counts {
		return read()
	}
	if v, ok := m.recall(count, key); ok {
		return v, nil
	}
	v, err := read()
	if err == nil {
		m.keep(count, key, v)
	}
	return v, err
}
