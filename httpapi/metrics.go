package httpapi

import (
	"bytes"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
)

// metrics are what the server counts.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	sent     prometheus.Counter
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
		sent:    prometheus.NewCounter(prometheus.CounterOpts{Name: "prefectd_http_sent_bytes_total", Help: "Bytes that were sent to clients, also over websockets."}),
		sockets: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "prefectd_websockets", Help: "Websockets that are open."}, []string{"channel"}),
	}
	m.registry.MustRegister(m.requests, m.seconds, m.sent, m.sockets, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "prefectd_http_requests_in_flight", Help: "Requests that are being answered.",
	}, inFlight))
	for _, ch := range channels {
		m.sockets.WithLabelValues(ch.Path) // there is none yet
	}
	return m
}

// What is said of a path and a method that no route has: clients can make up as many
// as they like.
const (
	otherPath   = "none"
	otherMethod = "other"
)

// answered counts a request.
func (m *metrics) answered(c *call, took time.Duration) {
	method, path := string(c.req.Method()), c.pattern
	if path == "" {
		path = otherPath
	}
	if !slices.Contains(methods, method) {
		method = otherMethod
	}
	class := strconv.Itoa(c.req.Response.StatusCode()/100) + "xx"
	m.requests.WithLabelValues(method, path, class).Inc()
	m.seconds.WithLabelValues(method, path).Observe(took.Seconds())
}

// meteredListener counts what is sent on its connections.
type meteredListener struct {
	net.Listener
	sent prometheus.Counter
}

// Accept waits for the next connection.
func (l meteredListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &meteredConn{conn, l.sent}, nil
}

type meteredConn struct {
	net.Conn
	sent prometheus.Counter
}

// Write sends and counts.
func (c *meteredConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.sent.Add(float64(n))
	return n, err
}

// metricsRoutes tell what is counted. The reference has them below the API's mount, if
// that is asked for.
func metricsRoutes() []route {
	return []route{
		{Method: "GET", Path: "/metrics", Beside: true, Kind: stale, Handle: tellMetrics, Doc: "What this node counts, for Prometheus; below the API's mount only if PREFECT_SERVER_METRICS_ENABLED says so."},
	}
}

// tellMetrics answers in Prometheus' text format.
func tellMetrics(c *call) error {
	if path := decodePath(string(c.req.URI().PathOriginal())); !c.config.Metrics && strings.HasPrefix(path, c.config.BasePath+"/") {
		return errNotFound
	}
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
