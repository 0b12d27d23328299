package caddymodule

import (
	"context"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/unknownpay/merchant-gateway/controlplane"
	"github.com/unknownpay/merchant-gateway/controlplane/delivery"
)

// webhookMetrics count what comes in and what goes out. Their labels are closed
// sets: no merchant, no endpoint.
type webhookMetrics struct {
	events   *prometheus.CounterVec
	attempts *prometheus.CounterVec
}

func newWebhookMetrics() webhookMetrics {
	return webhookMetrics{
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "event_requests_total",
			Help: "Requests answered by merchant_events, by code (ACCEPTED when their events were taken in).",
		}, []string{"code"}),
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: metricsNamespace, Subsystem: metricsSubsystem, Name: "webhook_attempts_total",
			Help: "Attempts to deliver a webhook, by outcome: the class of the answer's status, such as 2xx, or what kept an answer away.",
		}, []string{"outcome"}),
	}
}

// countingSender counts what becomes of attempts.
type countingSender struct {
	delivery.Sender
	attempts *prometheus.CounterVec
}

func (s countingSender) Send(ctx context.Context, r delivery.Request) delivery.Result {
	result := s.Sender.Send(ctx, r)
	s.attempts.WithLabelValues(outcomeOf(result)).Inc()
	return result
}

func outcomeOf(r delivery.Result) string {
	if r.Fault == controlplane.FaultNone || r.Fault == controlplane.FaultStatus {
		return strconv.Itoa(min(r.Status/100, 9)) + "xx"
	}
	return string(r.Fault)
}
