package httpapi

import (
	"encoding/base64"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

// measured is a backend that measures something.
type measured struct {
	stub
	failing bool
}

func (m *measured) Metrics() prometheus.Gatherer {
	r := prometheus.NewRegistry()
	height := prometheus.NewGauge(prometheus.GaugeOpts{Name: "height", Help: "How tall it is."})
	height.Set(7)
	r.MustRegister(height)
	if m.failing {
		r.MustRegister(prometheus.CollectorFunc(func(ch chan<- prometheus.Metric) {
			ch <- prometheus.NewInvalidMetric(prometheus.NewDesc("broken", "", nil, nil), fmt.Errorf("nothing to measure with"))
		}))
	}
	return r
}

func serveMeasured(t *testing.T, b *measured, config Config, extra ...route) *served {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	dial := func() (net.Conn, error) { return net.Dial("tcp", l.Addr().String()) }
	return serveOn(t, l, dial, b, config, extra, []channel{{Path: "/echo/{name}", Handle: repeat}, {Path: "/still", Handle: repeat}})
}

// metric reads the value of a series; -1 if there is none.
func (s *served) metric(series string) float64 {
	s.t.Helper()
	got := s.do("GET", "/metrics", "")
	require.Equal(s.t, 200, got.status, got.body)
	for line := range strings.Lines(got.body) {
		if text, ok := strings.CutPrefix(line, series+" "); ok {
			value, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
			require.NoError(s.t, err)
			return value
		}
	}
	return -1
}

func TestRequestsAreCounted(t *testing.T) {
	held, release := make(chan struct{}), make(chan struct{})
	s := serveMeasured(t, &measured{}, Config{},
		route{Method: "GET", Path: "/things/{name}", Handle: func(c *call) error { return c.reply(200, strings.Repeat("x", 100_000)) }},
		route{Method: "POST", Path: "/things/{name}", Handle: func(*call) error { panic("no") }},
		route{Method: "GET", Path: "/slow", Handle: func(c *call) error { close(held); <-release; return c.empty() }},
	)
	const series = `prefectd_http_requests_total{method="%s",route="%s",status="%s"}`
	sent := s.metric("prefectd_http_sent_bytes_total")
	for _, name := range []string{"a", "b", "c"} {
		s.do("GET", "/api/things/"+name, "")
	}
	s.do("POST", "/api/things/a", "")
	s.do("PUT", "/api/things/a", "")
	s.do("GET", "/api/nothing/a", "")
	s.do("GET", "/nothing/b", "")
	s.do("BREW", "/api/things/a", "")
	s.raw("nonsense\r\n\r\n")
	require.EqualValues(t, 3, s.metric(fmt.Sprintf(series, "GET", "/things/{name}", "2xx")))
	require.EqualValues(t, 1, s.metric(fmt.Sprintf(series, "POST", "/things/{name}", "5xx")))
	require.EqualValues(t, 1, s.metric(fmt.Sprintf(series, "PUT", "none", "4xx")))
	require.EqualValues(t, 1, s.metric(fmt.Sprintf(series, "other", "none", "4xx")))
	require.EqualValues(t, 3, s.metric(fmt.Sprintf(series, "GET", "none", "4xx")), "two unknown paths, and what was no request")
	require.EqualValues(t, 3, s.metric(`prefectd_http_request_seconds_count{method="GET",route="/things/{name}"}`))
	require.Greater(t, s.metric(`prefectd_http_request_seconds_sum{method="GET",route="/things/{name}"}`), 0.0)
	require.Greater(t, s.metric("prefectd_http_sent_bytes_total")-sent, 300_000.0)

	require.EqualValues(t, 1, s.metric("prefectd_http_requests_in_flight"))
	done := make(chan int)
	go func() { done <- s.do("GET", "/api/slow", "").status }()
	<-held
	require.EqualValues(t, 2, s.metric("prefectd_http_requests_in_flight"))
	close(release)
	require.Equal(t, 204, <-done)
}

func TestWebsocketsAreCounted(t *testing.T) {
	s := serveMeasured(t, &measured{}, Config{})
	one, other := s.openLegacy("/api/echo/a"), s.openLegacy("/api/echo/b")
	_, resp, _ := s.open("/api/nowhere")
	require.Equal(t, 403, resp.StatusCode)
	open := func(want float64) {
		t.Helper()
		require.Eventually(t, func() bool { return s.metric(`prefectd_websockets{channel="/echo/{name}"}`) == want }, 10*time.Second, time.Millisecond)
	}
	open(2)
	require.EqualValues(t, 0, s.metric(`prefectd_websockets{channel="/still"}`))
	require.EqualValues(t, 2, s.metric(`prefectd_http_requests_total{method="GET",route="/echo/{name}",status="1xx"}`))
	require.EqualValues(t, 1, s.metric(`prefectd_http_requests_total{method="GET",route="none",status="4xx"}`))
	require.NoError(t, one.Close())
	open(1)
	require.NoError(t, other.Close())
	open(0)
}

func TestMetricsOfTheBackend(t *testing.T) {
	backend := &measured{}
	s := serveMeasured(t, backend, Config{})
	require.EqualValues(t, 7, s.metric("height"))
	require.Equal(t, "text/plain; version=0.0.4; charset=utf-8", s.do("GET", "/metrics", "").header.Get("Content-Type"))
	backend.failing = true
	require.Equal(t, 500, s.do("GET", "/metrics", "").status)
	require.Contains(t, s.log.String(), "nothing to measure with")
}

func TestWhereMetricsAre(t *testing.T) {
	credentials := "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("admin:secret"))
	for _, test := range []struct {
		config  Config
		path    string
		headers []string
		status  int
	}{
		{Config{}, "/metrics", nil, 200},
		{Config{}, "/api/metrics", nil, 404},
		{Config{Metrics: true}, "/metrics", nil, 200},
		{Config{Metrics: true}, "/api/metrics", nil, 200},
		{Config{Metrics: true, BasePath: "/prefect"}, "/prefect/metrics", nil, 200},
		{Config{BasePath: "/prefect"}, "/prefect/metrics", nil, 404},
		{Config{BasePath: "/prefect"}, "/prefect%2Fmetrics", nil, 404},
		{Config{AuthString: "admin:secret"}, "/metrics", nil, 401},
		{Config{AuthString: "admin:secret"}, "/metrics", []string{credentials + "x"}, 401},
		{Config{AuthString: "admin:secret"}, "/metrics", []string{credentials}, 200},
		{Config{AuthString: "admin:secret", Metrics: true}, "/api/metrics", nil, 401},
		{Config{AuthString: "admin:secret", Metrics: true}, "/api/metrics", []string{credentials}, 200},
	} {
		s := serveMeasured(t, &measured{}, test.config)
		require.Equal(t, test.status, s.do("GET", test.path, "", test.headers...).status, test)
	}
}
