package delivery

// Stats says how an engine is doing, for metrics.
type Stats struct {
	// Claims and Bytes are the deliveries held in memory, and their bodies.
	Claims int
	Bytes  int
	// Fast and Slow are the attempts that run, by the slots they are charged to.
	Fast int
	Slow int
	// Endpoints are those that are remembered; Open are those whose breaker is open,
	// Paused those that asked for it.
	Endpoints int
	Open      int
	Paused    int
}

// Stats returns the counts of now.
func (e *Engine) Stats() Stats {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := Stats{Claims: e.claims, Bytes: e.bytes, Fast: e.fastBusy, Slow: e.slowBusy, Endpoints: len(e.endpoints)}
	now := e.now()
	for _, ep := range e.endpoints {
		if ep.breaker.open() {
			s.Open++
		}
		if ep.paused(now) {
			s.Paused++
		}
	}
	return s
}
