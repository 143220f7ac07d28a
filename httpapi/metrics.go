package httpapi

import (
	"bytes"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
)

// metrics are what the server counts.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	bytes    prometheus.Counter
	sockets  *prometheus.GaugeVec
}

func newMetrics(inFlight func() float64, channels []channel) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "prefectd_http_requests_total", Help: "Requests that were answered.",
		}, []string{"method", "route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "prefectd_http_request_seconds", Help: "Time to answer a request.",
			Buckets: []float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10},
		}, []string{"method", "route"}),
		bytes:   prometheus.NewCounter(prometheus.CounterOpts{Name: "prefectd_http_answered_bytes_total", Help: "Bytes of answers, as they were sent, without headers."}),
		sockets: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "prefectd_websockets", Help: "Websockets that are open."}, []string{"channel"}),
	}
	m.registry.MustRegister(m.requests, m.seconds, m.bytes, m.sockets, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "prefectd_http_requests_in_flight", Help: "Requests that are being answered.",
	}, inFlight))
	for _, ch := range channels {
		m.sockets.WithLabelValues(ch.Path) // there is none yet
	}
	return m
}

// unrouted is what is said of a request that no route matched.
const unrouted = "none"

// answered counts a request.
func (m *metrics) answered(c *call, took time.Duration) {
	method, path := "other", unrouted
	if c.route != nil {
		method, path = c.route.Method, c.route.Path
	}
	m.requests.WithLabelValues(method, path, strconv.Itoa(c.req.Response.StatusCode())).Inc()
	m.seconds.WithLabelValues(method, path).Observe(took.Seconds())
	m.bytes.Add(float64(max(0, answered(c.req))))
}

// metricsRoutes tell what is counted.
func metricsRoutes() []route {
	return []route{
		{Method: "GET", Path: "/metrics", Beside: true, Kind: stale, Handle: tellMetrics, Doc: "What this node counts, for Prometheus; not part of the reference."},
	}
}

// tellMetrics answers in Prometheus' text format.
func tellMetrics(c *call) error {
	families, err := prometheus.Gatherers{c.metrics.registry, c.backend.Metrics()}.Gather()
	if err != nil {
		return err
	}
	format := expfmt.NewFormat(expfmt.TypeTextPlain)
	var text bytes.Buffer
	encoder := expfmt.NewEncoder(&text, format)
	for _, family := range families {
		if err := encoder.Encode(family); err != nil {
			return err
		}
	}
	return c.text(200, string(format), text.Bytes())
}
