package main

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"
)

// scrape reads the metrics of a server: their types by name.
func scrape(t *testing.T, port string) map[string]string {
	t.Helper()
	answer, err := http.Get("http://127.0.0.1:" + port + "/metrics")
	require.NoError(t, err)
	defer answer.Body.Close()
	require.Equal(t, http.StatusOK, answer.StatusCode)
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(answer.Body)
	require.NoError(t, err)
	types := map[string]string{}
	for name, f := range families {
		if !hasProcess && strings.HasPrefix(name, "process_") {
			continue
		}
		types[name] = strings.ToLower(f.GetType().String())
	}
	return types
}

// hasProcess says whether all metrics of the process are there.
const hasProcess = runtime.GOOS == "linux"

// Every metric is in the operators' table, and nothing else.
func TestMetricsAreDocumented(t *testing.T) {
	said, out := io.Pipe()
	ended := make(chan int)
	go func() {
		status := run([]string{"server", "--data-dir", filepath.Join(t.TempDir(), "data"), "--port", "0", "--cluster-port", "0", "--gossip-port", "0"}, out, io.Discard)
		out.Close()
		ended <- status
	}()
	line, err := bufio.NewReader(said).ReadString('\n')
	require.NoError(t, err)
	port := regexp.MustCompile(`127\.0\.0\.1:(\d+)`).FindStringSubmatch(line)[1]
	scrape(t, port) // so that there is a request to count
	told := scrape(t, port)
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGTERM))
	require.Equal(t, 0, <-ended)

	page, err := os.ReadFile("../../docs/operations.md")
	require.NoError(t, err)
	documented := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\| (counter|gauge|histogram|summary) \\| [^|]+ \\| [^|]*\\|$").FindAllStringSubmatch(string(page), -1) {
		require.NotContains(t, documented, row[1], "twice in the table")
		if hasProcess || !strings.HasPrefix(row[1], "process_") {
			documented[row[1]] = row[2]
		}
	}
	require.Equal(t, documented, told)
}
