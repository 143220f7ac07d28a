package node

import (
	"context"
	"log/slog"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"prefectd/cluster"
	"prefectd/ops"
)

// service runs one of the domain's services for one group, while this node leads it.
type service struct {
	ops.Service
	group   int
	backend *backend
	log     *slog.Logger

	acted, failed prometheus.Counter
	seconds       prometheus.Observer
}

// servicesOf makes the services of a group.
func (n *Node) servicesOf(group int) (list []cluster.Service) {
	for _, s := range ops.ServicesOf(group, &n.config.Settings.Ops) {
		list = append(list, n.services.service(s, group, n.backend, n.log))
	}
	return list
}

// retryAfter is how long a service rests at most after a round that failed.
const retryAfter = 30 * time.Second

// Run does rounds until the context ends. What fails is tried again in the next round.
func (s *service) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		began := time.Now()
		acted, err := s.Round(ctx, s.backend, s.group)
		s.seconds.Observe(time.Since(began).Seconds())
		s.acted.Add(float64(acted))
		rest := time.Duration(s.Every(s.backend.Settings())) * time.Microsecond
		if err != nil && ctx.Err() == nil {
			s.log.Warn("round failed", "err", err)
			s.failed.Inc()
			rest = min(rest, retryAfter)
		}
		timer.Reset(rest)
	}
}

// serviceMetrics are what services did and how long it took.
type serviceMetrics struct {
	acted   *prometheus.CounterVec
	failed  *prometheus.CounterVec
	seconds *prometheus.HistogramVec
}

func newServiceMetrics() *serviceMetrics {
	labels := []string{"service", "group"}
	return &serviceMetrics{
		acted:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "prefectd_service_actions_total", Help: "What services did: runs that were scheduled, leases that were ended."}, labels),
		failed: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "prefectd_service_failures_total", Help: "Rounds of services that failed."}, labels),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "prefectd_service_round_seconds", Help: "Time that a round of a service took.", Buckets: prometheus.ExponentialBuckets(0.0001, 4, 10),
		}, labels),
	}
}

// service makes a service of a group. What it counts is there from the beginning.
func (m *serviceMetrics) service(s ops.Service, group int, b *backend, log *slog.Logger) *service {
	labels := []string{s.Name, strconv.Itoa(group)}
	return &service{
		Service: s, group: group, backend: b, log: log.With("service", s.Name, "group", group),
		acted: m.acted.WithLabelValues(labels...), failed: m.failed.WithLabelValues(labels...),
		seconds: m.seconds.WithLabelValues(labels...),
	}
}
