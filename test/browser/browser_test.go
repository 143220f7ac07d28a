package browser

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"prefectd/test/client"
	"prefectd/test/proc"
)

var (
	program = flag.String("prefectd", "", "a binary with the UI in it, instead of one built now")
	shots   = flag.String("shots", "", "a folder for pictures of the pages")
)

// pageTime is how long a page may take to show what it should.
const pageTime = 45 * time.Second

// names of what the server holds.
const (
	flowName = "nightly-report"
	runName  = "brave-otter"
	logLine  = "a line of the log"
)

// world is what was put into the server.
type world struct{ flow, run, artifact, deployment, automation, block string }

// fill puts something of each kind into a server.
func fill(t *testing.T, c *client.Client) (w world) {
	ctx := t.Context()
	var err error
	w.flow, err = c.EnsureFlow(ctx, flowName)
	require.NoError(t, err)
	run, err := c.CreateRun(ctx, client.NewRun{FlowID: w.flow, State: "PENDING", Name: runName, Tags: []string{"tagged"}})
	require.NoError(t, err)
	w.run = run.ID
	for _, state := range []string{"RUNNING", "COMPLETED"} {
		_, err := c.SetState(ctx, w.run, state)
		require.NoError(t, err)
	}
	require.NoError(t, c.PostLogs(ctx, []client.Log{client.NewLog(w.run, logLine)}))
	require.NoError(t, c.Call(ctx, "POST", "/variables/", map[string]any{"name": "endpoint", "value": "https://example.com", "tags": []string{}}, nil))
	require.NoError(t, c.Call(ctx, "POST", "/work_pools/", map[string]any{"name": "cluster-pool", "type": "process", "base_job_template": map[string]any{}}, nil))
	var made struct {
		ID string `json:"id"`
	}
	artifact := map[string]any{"key": "summary", "type": "markdown", "data": "# All is well", "flow_run_id": w.run}
	require.NoError(t, c.Call(ctx, "POST", "/artifacts/", artifact, &made))
	w.artifact = made.ID
	_, err = c.CreateLimit(ctx, "database-connections", 5)
	require.NoError(t, err)
	pool := "cluster-pool"
	w.deployment, err = c.CreateDeployment(ctx, client.NewDeployment{
		Name: "every-hour", FlowID: w.flow, Pool: &pool, Schedule: []map[string]any{client.Every(time.Hour, time.Now())},
	})
	require.NoError(t, err)
	w.automation, w.block = fillMore(t, c, w.deployment)
	return w
}

// fillMore makes an automation on a deployment, and a block.
func fillMore(t *testing.T, c *client.Client, deployment string) (automation, block string) {
	ctx := t.Context()
	var made struct {
		ID string `json:"id"`
	}
	post := func(path string, body map[string]any) string {
		require.NoError(t, c.Call(ctx, "POST", path, body, &made))
		return made.ID
	}
	automation = post("/automations/", map[string]any{
		"name": "stop-on-alarm", "trigger": map[string]any{"posture": "Reactive", "expect": []string{"alarm"}, "threshold": 1},
		"actions": []map[string]any{{"type": "pause-deployment", "source": "selected", "deployment_id": deployment}},
	})
	kind := post("/block_types/", map[string]any{"name": "Database", "slug": "database"})
	schema := post("/block_schemas/", map[string]any{"block_type_id": kind, "fields": map[string]any{
		"title": "Database", "type": "object", "properties": map[string]any{"host": map[string]any{"type": "string", "title": "Host"}},
		"block_type_slug": "database", "block_schema_references": map[string]any{},
	}})
	block = post("/block_documents/", map[string]any{"name": "warehouse", "block_type_id": kind, "block_schema_id": schema, "data": map[string]any{"host": "db"}})
	return automation, block
}

// page is a page of the UI and a text that it shows.
type page struct{ path, shows string }

func pages(w world) []page {
	return []page{
		{"/v2/runs", runName},
		{"/v2/runs/flow-run/" + w.run, logLine},
		{"/v2/flows", flowName},
		{"/v2/variables", "endpoint"},
		{"/v2/artifacts", "summary"},
		{"/v2/artifacts/key/summary", runName},
		{"/v2/artifacts/artifact/" + w.artifact, "All is well"},
		{"/v2/concurrency-limits", "database-connections"},
		{"/v2/work-pools", "cluster-pool"},
		{"/v2/deployments", "every-hour"},
		{"/v2/deployments/deployment/" + w.deployment, "every-hour"},
		{"/v2/deployments/deployment/" + w.deployment + "/run", "every-hour"},
		{"/v2/automations", "stop-on-alarm"},
		{"/v2/automations/automation/" + w.automation, "stop-on-alarm"},
		{"/v2/blocks", "warehouse"},
		{"/v2/blocks/block/" + w.block, "warehouse"},
		{"/v2/events", "Automation"},
		{"/v2/settings", "Settings"},
		{"/flows", flowName},
		{"/variables", "endpoint"},
		{"/deployments", "every-hour"},
		{"/automations", "stop-on-alarm"},
		{"/blocks", "warehouse"},
		{"/settings", "Settings"},
	}
}

func TestPages(t *testing.T) {
	browser, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("there is no chromium: scripts/test installs it where it may")
	}
	api := serve(t)
	c, err := client.New(api)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	w := fill(t, c)
	root := strings.TrimSuffix(api, "/api")

	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(browser), chromedp.NoSandbox, chromedp.WindowSize(1400, 1000),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-quic", true))
	allocator, end := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(end)
	window, end := chromedp.NewContext(allocator)
	t.Cleanup(end)
	_, err = chromedp.Run(window, chromedp.Navigate("about:blank")) // which starts it
	require.NoError(t, err)
	for _, p := range pages(w) {
		t.Run(strings.ReplaceAll(strings.Trim(p.path, "/"), "/", "-"), func(t *testing.T) { visit(t, window, root, p) })
	}
}

// serve starts a server with the UI.
func serve(t *testing.T) (api string) {
	binary := *program
	if binary == "" {
		var err error
		binary, err = proc.Build(t.TempDir())
		require.NoError(t, err)
	}
	var ports [3]int
	for i := range ports {
		var err error
		ports[i], err = proc.FreePort()
		require.NoError(t, err)
	}
	command := proc.Prefectd(binary, t.TempDir(), ports[0])
	command.Args = append(command.Args, "--cluster-port", fmt.Sprint(ports[1]), "--gossip-port", fmt.Sprint(ports[2]))
	command.Output = filepath.Join(t.TempDir(), "log")
	p, err := proc.Start(command)
	require.NoError(t, err)
	t.Cleanup(p.Kill)
	require.NoError(t, p.WaitReady(t.Context()))
	return command.URL
}

// complaints are what a page has to say of what went wrong.
type complaints struct {
	mu   sync.Mutex
	list []string
}

func (c *complaints) add(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = append(c.list, fmt.Sprintf(format, args...))
}

// hear notes what a browser tells of.
func (c *complaints) hear(event any) {
	switch e := event.(type) {
	case *network.EventResponseReceived:
		status, url := e.Response.Status, e.Response.URL
		switch {
		case status < 400, !strings.Contains(url, "/api/"):
		case status == 422 && strings.HasSuffix(url, "/task_runs/filter"):
			// The page of an artifact without a task run asks for the one with no id.
		default:
			c.add("%d for %s", status, url)
		}
	case *runtime.EventExceptionThrown:
		c.add("%s", e.ExceptionDetails.Text)
	}
}

// visit opens a page in a tab of its own.
func visit(t *testing.T, window context.Context, root string, p page) {
	var wrong complaints
	tab, end := chromedp.NewContext(window, chromedp.WithListener(wrong.hear))
	defer end()
	tab, cancel := context.WithTimeout(tab, pageTime)
	defer cancel()
	err := open(tab, root, p)
	last, cancel := context.WithTimeout(context.WithoutCancel(tab), pageTime)
	defer cancel()
	text, _ := chromedp.Run(last, chromedp.Text("body"))
	picture, _ := chromedp.Run(last, chromedp.CaptureScreenshot())
	if *shots != "" {
		require.NoError(t, os.MkdirAll(*shots, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(*shots, strings.ReplaceAll(t.Name(), "/", "-")+".png"), picture, 0o644))
	}
	require.NoError(t, err, "%s is not shown in\n%s", p.shows, text)
	require.NotContains(t, text, "Something went wrong")
	wrong.mu.Lock()
	defer wrong.mu.Unlock()
	require.Empty(t, wrong.list)
}

// open goes to a page and waits until it shows what it should.
func open(tab context.Context, root string, p page) error {
	if _, err := chromedp.Run(tab, chromedp.Navigate(root+p.path)); err != nil {
		return err
	}
	shown := fmt.Sprintf(`document.body.innerText.includes(%q)`, p.shows)
	_, err := chromedp.Run(tab, chromedp.Poll[bool](shown, chromedp.WithPollingInterval(100*time.Millisecond)))
	return err
}
