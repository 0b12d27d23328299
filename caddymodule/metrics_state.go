package caddymodule

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/unknownpay/merchant-gateway/caddymodule/replay"
)

// gauge is one figure of the running gateway, read when somebody asks.
type gauge struct {
	description *prometheus.Desc
	kind        prometheus.ValueType
	// read is false when there is nothing to say yet.
	read func(*App, *node) (float64, bool)
}

func newGauge(name, help string, kind prometheus.ValueType, read func(*App, *node) (float64, bool)) gauge {
	return gauge{prometheus.NewDesc(prometheus.BuildFQName(metricsNamespace, metricsSubsystem, name), help, nil, nil), kind, read}
}

// stateCollector reports the state of what a configuration uses. It belongs to
// the configuration, as its registry does.
type stateCollector struct {
	app    *App
	gauges []gauge
}

func newStateCollector(app *App) *stateCollector {
	always := func(read func(*App) float64) func(*App, *node) (float64, bool) {
		return func(a *App, _ *node) (float64, bool) { return read(a), true }
	}
	return &stateCollector{app, append(snapshotGauges(), []gauge{
		newGauge("buffered_bytes", "Memory held for bodies of requests.", prometheus.GaugeValue,
			always(func(a *App) float64 { return float64(a.data.bodies.budget.used.Load()) })),
		newGauge("buffered_bytes_limit", "The budget for buffered_bytes.", prometheus.GaugeValue,
			always(func(a *App) float64 { return float64(a.data.bodies.budget.limit.Load()) })),
		newGauge("last_uses_dropped_total", "Last uses of keys and allowlist entries that could not be written down.", prometheus.CounterValue,
			func(_ *App, n *node) (float64, bool) { return float64(n.usage.dropped.Load()), true }),
		newGauge("request_log_rows_total", "Requests written to the request log.", prometheus.CounterValue,
			func(_ *App, n *node) (float64, bool) { return float64(n.requests.written.Load()), true }),
		newGauge("request_log_dropped_total", "Requests that were counted but not written to the request log, because its queue was full or the database failed.", prometheus.CounterValue,
			func(_ *App, n *node) (float64, bool) { return float64(n.requests.dropped.Load()), true }),
		newGauge("request_log_limited_total", "Requests that were counted but not written to the request log, because one merchant sent too many.", prometheus.CounterValue,
			func(_ *App, n *node) (float64, bool) { return float64(n.requests.limited.Load()), true }),
		newGauge("replay_nonces", "Nonces remembered.", prometheus.GaugeValue, replayFigure(func(s replay.Stats) int64 { return s.Live })),
		newGauge("replay_capacity", "Nonces that can be remembered.", prometheus.GaugeValue, func(_ *App, n *node) (float64, bool) {
			m, ok := n.replay.(*replay.Memory)
			if !ok {
				return 0, false // a Redis takes what its memory holds
			}
			return float64(m.Stats().Capacity), true
		}),
		newGauge("replay_full_total", "Requests refused because the replay store was full.", prometheus.CounterValue, replayFigure(func(s replay.Stats) int64 { return s.Full })),
		newGauge("replay_failed_total", "Requests refused because the replay store did not answer.", prometheus.CounterValue, replayFigure(func(s replay.Stats) int64 { return s.Failed })),
		newGauge("replay_up", "Whether the Redis that keeps the nonces can be used, 1 or 0.", prometheus.GaugeValue, redisFigure(func(_ replay.RedisServer, trouble error) int64 {
			if trouble != nil {
				return 0
			}
			return 1
		})),
		newGauge("replay_redis_bytes", "Memory that the Redis uses.", prometheus.GaugeValue, redisFigure(func(s replay.RedisServer, _ error) int64 { return s.Bytes })),
		newGauge("replay_redis_bytes_limit", "Memory that the Redis may use, 0 for no limit.", prometheus.GaugeValue, redisFigure(func(s replay.RedisServer, _ error) int64 { return s.MaxBytes })),
	}...)}
}

func snapshotGauges() []gauge {
	return []gauge{
		newGauge("snapshot_revision", "Revision of the control plane that requests are decided by.", prometheus.GaugeValue,
			func(_ *App, n *node) (float64, bool) {
				s := n.follower.Current()
				if s == nil {
					return 0, false
				}
				return float64(s.Revision()), true
			}),
		newGauge("snapshot_keys", "Keys in the snapshot.", prometheus.GaugeValue,
			func(_ *App, n *node) (float64, bool) {
				s := n.follower.Current()
				if s == nil {
					return 0, false
				}
				return float64(s.Len()), true
			}),
		newGauge("snapshot_age_seconds", "Time since the control plane last answered.", prometheus.GaugeValue,
			func(_ *App, n *node) (float64, bool) {
				age, ok := n.follower.Age(time.Now())
				return age.Seconds(), ok
			}),
		newGauge("unreadable_keys", "Keys that are refused because their secrets cannot be opened.", prometheus.GaugeValue,
			func(_ *App, n *node) (float64, bool) { return float64(n.follower.Unreadable()), true }),
	}
}

func replayFigure(pick func(replay.Stats) int64) func(*App, *node) (float64, bool) {
	return func(_ *App, n *node) (float64, bool) {
		counting, ok := n.replay.(interface{ Stats() replay.Stats })
		if !ok {
			return 0, false
		}
		return float64(pick(counting.Stats())), true
	}
}

// redisFigure says nothing for nonces in the memory of this process.
func redisFigure(pick func(replay.RedisServer, error) int64) func(*App, *node) (float64, bool) {
	return func(_ *App, n *node) (float64, bool) {
		r, ok := n.replay.(*replay.Redis)
		if !ok {
			return 0, false
		}
		_, server, trouble := r.Server()
		return float64(pick(server, trouble)), true
	}
}

// Describe implements prometheus.Collector.
func (c *stateCollector) Describe(out chan<- *prometheus.Desc) {
	for _, g := range c.gauges {
		out <- g.description
	}
}

// Collect implements prometheus.Collector.
func (c *stateCollector) Collect(out chan<- prometheus.Metric) {
	n := c.app.node()
	if n == nil {
		return
	}
	for _, g := range c.gauges {
		if value, ok := g.read(c.app, n); ok {
			out <- prometheus.MustNewConstMetric(g.description, g.kind, value)
		}
	}
}
