package httpapi

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMetricsCountWhatIsAnswered(t *testing.T) {
	s := serveKeeper(t, newDesk(), Config{AuthString: "user:pass"})
	require.Equal(t, 401, s.do("GET", "/metrics", "").status, "the API's credentials hold")
	s = serveKeeper(t, newDesk(), Config{})
	for range 3 {
		require.Equal(t, 200, s.do("GET", "/api/version", "").status)
	}
	require.Equal(t, 404, s.do("GET", "/api/nothing", "").status)
	conn := s.connect("/api/task_runs/subscriptions/scheduled")
	defer conn.Close()
	for _, path := range []string{"/metrics", "/api/metrics"} {
		answer := s.do("GET", path, "")
		require.Equal(t, 200, answer.status)
		require.Contains(t, answer.body, `prefectd_http_requests_total{method="GET",route="/version",status="200"} 3`)
		require.Contains(t, answer.body, `prefectd_http_requests_total{method="other",route="none",status="404"} 1`)
		require.Contains(t, answer.body, `prefectd_http_request_seconds_count{method="GET",route="/version"} 3`)
		require.Contains(t, answer.body, `prefectd_http_requests_in_flight 1`)
		require.Contains(t, answer.body, `prefectd_websockets{channel="/task_runs/subscriptions/scheduled"} 1`)
	}
}
