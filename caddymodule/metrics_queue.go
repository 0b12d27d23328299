package caddymodule

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/unknownpay/merchant-gateway/controlplane"
)

// queueTimeout bounds what one scrape asks the database.
const queueTimeout = 2 * time.Second

// queueCollector reports what waits in the database. It belongs to a configuration,
// as its registry does.
type queueCollector struct {
	app                             *App
	deliveries, oldest, file, walog *prometheus.Desc
}

func newQueueCollector(app *App) *queueCollector {
	describe := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(metricsNamespace, metricsSubsystem, name), help, labels, nil)
	}
	return &queueCollector{
		app:        app,
		deliveries: describe("webhook_deliveries", "Deliveries by state: pending ones wait for an attempt, those in flight are being attempted, held ones wait until their endpoint is enabled and somebody replays them.", "state"),
		oldest:     describe("webhook_oldest_pending_seconds", "Age of the oldest pending delivery; 0 if there is none. That of an endpoint that is down grows for up to 72 hours."),
		file:       describe("database_bytes", "Size of the database."),
		walog:      describe("database_wal_bytes", "Size of the database's write-ahead log, which is bounded unless a reader never ends."),
	}
}

// Describe implements prometheus.Collector.
func (c *queueCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.deliveries, c.oldest, c.file, c.walog} {
		out <- d
	}
}

// Collect implements prometheus.Collector. Figures that cannot be read are missing:
// an error here would take all others with it.
func (c *queueCollector) Collect(out chan<- prometheus.Metric) {
	n := c.app.node()
	if n == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), queueTimeout)
	defer cancel()
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	if stats, err := n.db.Stats(ctx); err == nil {
		gauge(c.file, float64(stats.FileBytes))
		gauge(c.walog, float64(stats.WALBytes))
	}
	var queue controlplane.DeliveryQueue
	err := n.db.View(ctx, func(tx controlplane.Tx) (err error) {
		queue, err = tx.DeliveryQueue(ctx)
		return err
	})
	if err != nil {
		return
	}
	gauge(c.deliveries, float64(queue.Pending), string(controlplane.DeliveryPending))
	gauge(c.deliveries, float64(queue.Inflight), string(controlplane.DeliveryInflight))
	gauge(c.deliveries, float64(queue.Held), string(controlplane.DeliveryHeld))
	var age time.Duration
	if !queue.OldestPending.IsZero() {
		age = time.Since(queue.OldestPending)
	}
	gauge(c.oldest, age.Seconds())
}
