package caddymodule

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/unknownpay/merchant-gateway/caddymodule/gate"
	"github.com/unknownpay/merchant-gateway/controlplane"
)

const (
	metricsNamespace = "caddy"
	metricsSubsystem = "merchants"

	// Of each kind of refusal, this many lines a second are logged, and then every
	// hundredth: a flood must not fill the disk.
	logFirst = 20
	logEvery = 100
)

// metrics count over the lives of several configurations. No label comes from
// what a caller says: codes are a closed set, and an environment is named only
// for keys that exist.
type metrics struct {
	decisions *prometheus.CounterVec
	duration  prometheus.Histogram
	unlogged  prometheus.Counter
	passed    map[controlplane.Environment]prometheus.Counter
	webhooks  webhookMetrics
}

func newMetrics() *metrics {
	m := &metrics{
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "decisions_total",
			Help: "Requests decided by merchant_auth, by code (OK when it passed), environment of the key (empty when the key is unknown), and whether the decision was enforced or only reported.",
		}, []string{"code", "environment", "enforced"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "verification_seconds",
			Help:    "Time that accepted requests took to verify, without the time in which their bodies arrived.",
			Buckets: []float64{1e-6, 2e-6, 4e-6, 8e-6, 16e-6, 32e-6, 64e-6, 128e-6, 1e-3, 10e-3, 100e-3, 1},
		}),
		unlogged: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "refusals_not_logged_total",
			Help: "Refusals that were counted but not logged, because there were too many a second.",
		}),
		passed:   map[controlplane.Environment]prometheus.Counter{},
		webhooks: newWebhookMetrics(),
	}
	for _, env := range []controlplane.Environment{controlplane.Live, controlplane.Test} {
		m.passed[env] = m.decisions.WithLabelValues(codeOK, string(env), "true")
	}
	return m
}

// register puts the collectors into the registry of a configuration, which is new
// with each one.
func (m *metrics) register(registry *prometheus.Registry, more ...prometheus.Collector) error {
	for _, c := range append([]prometheus.Collector{m.decisions, m.duration, m.unlogged, m.webhooks.attempts, m.webhooks.events}, more...) {
		err := registry.Register(c)
		if err != nil && !errors.As(err, new(prometheus.AlreadyRegisteredError)) {
			return err
		}
	}
	return nil
}

func (m *metrics) accepted(env controlplane.Environment) { m.passed[env].Inc() }

func (m *metrics) took(d time.Duration) { m.duration.Observe(d.Seconds()) }

func (m *metrics) refused(r *gate.Refusal, enforced bool) {
	text := "false"
	if enforced {
		text = "true"
	}
	m.decisions.WithLabelValues(string(r.Code), string(r.Facts.Environment), text).Inc()
}

// sampled limits the lines that a logger writes a second, by message.
func (m *metrics) sampled(l *zap.Logger) *zap.Logger {
	count := zapcore.SamplerHook(func(_ zapcore.Entry, decision zapcore.SamplingDecision) {
		if decision&zapcore.LogDropped != 0 {
			m.unlogged.Inc()
		}
	})
	return l.WithOptions(zap.WrapCore(func(core zapcore.Core) zapcore.Core {
		return zapcore.NewSamplerWithOptions(core, time.Second, logFirst, logEvery, count)
	}))
}
