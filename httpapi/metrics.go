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

// metricsRoutes are for Prometheus. The reference has them below the API's mount, if
// that is asked for.
func metricsRoutes() []route {
	return []route{
		{Method: "GET", Path: "/metrics", Beside: true, Kind: stale, AnyVersion: true, Handle: metricsText, Doc: "What is measured, for Prometheus; below the API's mount only if PREFECT_SERVER_METRICS_ENABLED says so."},
	}
}

func metricsText(c *call) error {
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
	for _, f := range families {
		if err := encoder.Encode(f); err != nil {
			return err
		}
	}
	return c.text(200, string(format), text.Bytes())
}

// metrics are what the HTTP layer measures.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	sockets  *prometheus.GaugeVec
	sent     prometheus.Counter
}

// requestBuckets are seconds.
var requestBuckets = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

func newMetrics(inFlight func() int, channels []channel) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "prefectd_http_requests_total", Help: "Requests that were answered.",
		}, []string{"route", "method", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "prefectd_http_request_duration_seconds", Help: "Time from a request's last byte until its answer begins.", Buckets: requestBuckets,
		}, []string{"route", "method"}),
		sockets: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "prefectd_websockets_open", Help: "Websockets that are open.",
		}, []string{"route"}),
		sent: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "prefectd_http_sent_bytes_total", Help: "Bytes that were sent to clients.",
		}),
	}
	for i := range channels {
		m.sockets.WithLabelValues(channels[i].Path)
	}
	current := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "prefectd_http_requests_in_flight", Help: "Requests that are being answered.",
	}, func() float64 { return float64(inFlight()) })
	m.registry.MustRegister(m.requests, m.seconds, m.sockets, m.sent, current)
	return m
}

// stray stands for the routes and methods that there are not: clients can make up as
// many as they like.
const stray = "none"

// answered counts a request that took so long.
func (m *metrics) answered(c *call, took time.Duration) {
	route, method := c.pattern, string(c.req.Method())
	if route == "" {
		route = stray
	}
	if !slices.Contains(methods, method) {
		method = stray
	}
	class := strconv.Itoa(c.req.Response.StatusCode()/100) + "xx"
	m.requests.WithLabelValues(route, method, class).Inc()
	m.seconds.WithLabelValues(route, method).Observe(took.Seconds())
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
