package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/httpapi"
	"prefectd/node"
)

// What is gathered is what docs/operations.md explains, with the same types.
func TestMetricsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/operations.md")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(page), "\n## Metrics\n")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n## ")
	documented := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z0-9_]+)` \\| ([a-z]+) \\| [^|]+ \\| [^|]*\\|$").FindAllStringSubmatch(section, -1) {
		require.NotContains(t, documented, row[1], "twice in the table")
		documented[row[1]] = row[2]
	}
	gathered := map[string]string{}
	for _, line := range regexp.MustCompile(`(?m)^# TYPE (\S+) (\S+)$`).FindAllStringSubmatch(scrape(t), -1) {
		gathered[line[1]] = line[2]
	}
	if runtime.GOOS != "linux" { // others have not all of them
		for _, metrics := range []map[string]string{documented, gathered} {
			for name := range metrics {
				if strings.HasPrefix(name, "process_") {
					delete(metrics, name)
				}
			}
		}
	}
	require.Equal(t, documented, gathered)
}

// scrape reads the metrics of a node that has answered a request.
func scrape(t *testing.T) (text string) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	n, err := node.Start(t.Context(), node.Config{
		DataDir: t.TempDir(), Name: "n1", Settings: node.DefaultSettings(), Version: "test", Log: log, Host: "127.0.0.1",
	})
	require.NoError(t, err)
	defer func() { require.NoError(t, n.Stop()) }()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	api := httpapi.New(n, httpapi.Config{Log: log})
	served := make(chan error)
	go func() { served <- api.Serve(l) }()
	for _, path := range []string{"/api/health", "/metrics"} {
		resp, err := http.Get("http://" + l.Addr().String() + path)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, 200, resp.StatusCode, "%s", body)
		text = string(body)
	}
	require.NoError(t, api.Shutdown(context.Background()))
	require.NoError(t, <-served)
	return text
}
