package facts

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"prefectd/test/client"
	"prefectd/test/proc"
)

// startServer starts a prefectd and answers its API's address.
func startServer(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	binary, err := proc.Build(folder)
	require.NoError(t, err)
	port, err := proc.FreePort()
	require.NoError(t, err)
	command := proc.Prefectd(binary, filepath.Join(folder, "data"), port)
	command.Output = filepath.Join(folder, "log")
	p, err := proc.Start(command)
	require.NoError(t, err)
	t.Cleanup(p.Kill)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := p.WaitReady(ctx); err != nil {
		output, _ := os.ReadFile(command.Output)
		require.NoError(t, err, "%s", output)
	}
	return p.URL
}

// A lie changes a server's answers on one path: items are those of the answer, as
// a list.
type lie struct {
	name   string
	path   string // the beginning of the paths whose answers it changes
	tell   func(items []map[string]any) []map[string]any
	expect string // in what Check says
}

func loseLast(items []map[string]any) []map[string]any { return items[:len(items)-1] }

func double(items []map[string]any) []map[string]any { return append(items, items[len(items)-1]) }

func change(key string, value any) func([]map[string]any) []map[string]any {
	return func(items []map[string]any) []map[string]any {
		items[0][key] = value
		return items
	}
}

var lies = []lie{
	{"stale read", "/api/flow_runs/", change("state_id", "00000000-0000-0000-0000-000000000000"), "its last state is"},
	{"lost transition", "/api/flow_run_states/", loseLast, "states, answered were"},
	{"doubled transition", "/api/flow_run_states/", double, "states, answered were"},
	{"run counted twice", "/api/flow_runs/", change("run_count", 2), "its run count 2"},
	{"lost event", "/api/events/filter", loseLast, "is missing"},
	{"doubled event", "/api/events/filter", double, "is there twice"},
	{"stranger's event", "/api/events/filter", change("id", "00000000-0000-0000-0000-000000000000"), "is nobody's"},
	{"lost record", "/api/logs/filter", loseLast, "is there 0 times"},
	{"doubled record", "/api/logs/filter", double, "is there 2 times"},
	{"lost task run", "/api/task_runs/filter", loseLast, "is missing"},
	{"doubled task run", "/api/task_runs/filter", double, "is listed twice"},
	{"lost state of a task run", "/api/task_run_states/", loseLast, "states, of 3 events"},
	{"stale task run", "/api/task_runs/filter", change("state_type", "RUNNING"), "its last state is COMPLETED"},
}

// through is a client that gets its answers changed by a lie.
func (l lie) through(t *testing.T, api string) *client.Client {
	t.Helper()
	to, err := url.Parse(strings.TrimSuffix(api, "/api"))
	require.NoError(t, err)
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Header.Del("Accept-Encoding")
		},
		ModifyResponse: l.spoil,
	}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	c, err := client.New(server.URL + "/api")
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func (l lie) spoil(answer *http.Response) error {
	if !strings.HasPrefix(answer.Request.URL.Path, l.path) || answer.StatusCode != http.StatusOK {
		return nil
	}
	raw, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if raw, err = l.rewrite(raw); err != nil {
		return err
	}
	answer.Body = io.NopCloser(bytes.NewReader(raw))
	answer.ContentLength = int64(len(raw))
	answer.Header.Set("Content-Length", strconv.Itoa(len(raw)))
	return nil
}

// rewrite changes a list, a page of events, or a single object.
func (l lie) rewrite(raw []byte) ([]byte, error) {
	var items []map[string]any
	if json.Unmarshal(raw, &items) == nil {
		if len(items) > 0 {
			items = l.tell(items)
		}
		return json.Marshal(items)
	}
	var object map[string]any
	if err := json.Unmarshal(raw, &object); err != nil {
		return nil, err
	}
	events, isPage := object["events"].([]any)
	if !isPage {
		return json.Marshal(l.tell([]map[string]any{object})[0])
	}
	for _, e := range events {
		items = append(items, e.(map[string]any))
	}
	if len(items) > 0 {
		object["events"] = l.tell(items)
	}
	return json.Marshal(object)
}

// work runs a load until so many writes were answered, or one contradicted what
// is known.
func work(t *testing.T, l *Load, enough int64) (violations []error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var answered atomic.Int64
	l.Answered = func(string) {
		if answered.Add(1) == enough {
			cancel()
		}
	}
	var mu sync.Mutex
	l.Run(ctx, func(err error) (goOn bool) {
		mu.Lock()
		defer mu.Unlock()
		var wrong *Violation
		if errors.As(err, &wrong) {
			violations = append(violations, err)
		} else if ctx.Err() == nil {
			t.Error(err)
		}
		cancel()
		return false
	})
	return violations
}

// TestLiesAreFound makes facts on a real server, which hold, and checks them
// through a proxy that changes answers: every change is found.
func TestLiesAreFound(t *testing.T) {
	api := startServer(t)
	c, err := client.New(api)
	require.NoError(t, err)
	defer c.Close()
	flow, err := c.EnsureFlow(t.Context(), "facts")
	require.NoError(t, err)
	load := NewLoad(flow, func(int) *client.Client { return c })
	load.Elsewhere = load.Asks
	require.Empty(t, work(t, load, 250))
	require.NoError(t, load.Check(t.Context(), c))

	for _, l := range lies {
		t.Run(l.name, func(t *testing.T) {
			require.ErrorContains(t, load.Check(t.Context(), l.through(t, api)), l.expect)
		})
	}
}

// TestStaleAnswersAreFound reads what was just answered through a proxy that does
// not know of it yet.
func TestStaleAnswersAreFound(t *testing.T) {
	api := startServer(t)
	c, err := client.New(api)
	require.NoError(t, err)
	defer c.Close()
	flow, err := c.EnsureFlow(t.Context(), "facts")
	require.NoError(t, err)
	for _, name := range []string{"stale read", "lost record", "lost state of a task run"} {
		t.Run(name, func(t *testing.T) {
			l := lies[slices.IndexFunc(lies, func(l lie) bool { return l.name == name })]
			load := NewLoad(flow, func(int) *client.Client { return c })
			stale := l.through(t, api)
			load.Elsewhere = func(int) *client.Client { return stale }
			violations := work(t, load, 250)
			require.NotEmpty(t, violations)
			require.ErrorContains(t, violations[0], "at once after")
		})
	}
}
