package httpapi

import (
	"bytes"
	"context"
	"io"
	"net/url"
	"strconv"
	"strings"

	"prefectd/ops"
	"prefectd/prefect"
)

func logRoutes() []route {
	return []route{
		{Method: "POST", Path: "/logs/", Kind: write, Handle: createLogs, Doc: "Stores logs."},
		{Method: "POST", Path: "/logs/filter", Kind: read, Handle: filterLogs, Doc: "Logs by filter."},
		{Method: "GET", Path: "/flow_runs/{id}/logs/download", Kind: read, Handle: downloadLogs, Doc: "All logs of a flow run as CSV."},
	}
}

func createLogs(c *call) error {
	var logs []prefect.LogCreate
	if err := c.decode(&logs); err != nil {
		return err
	}
	if err := ops.TakeLogs(c.ctx, c.backend, logs); err != nil {
		return err
	}
	return c.reply(201, nil)
}

func filterLogs(c *call) error {
	var query prefect.LogsQuery
	limit, offset, err := c.window(&query)
	if err != nil {
		return err
	}
	logs, err := ops.ListLogs(c.ctx, c.backend, query.Logs, query.Sort, limit, offset)
	if err != nil {
		return err
	}
	return c.reply(200, logs)
}

// downloadLogs answers a page at a time: a flow run may have any number of logs.
func downloadLogs(c *call) error {
	id := c.id("id")
	name, err := ops.Ask[*string](c.ctx, c.backend, c.backend.Groups().Of(id), &ops.NameOfFlowRun{ID: id})
	if err != nil {
		return err
	}
	if name == nil {
		return ops.NotFound("Flow run not found")
	}
	file := strings.ReplaceAll(url.QueryEscape(*name+"-logs.csv"), "+", "%20")
	c.setHeader("Content-Disposition", `attachment; filename="flow-run-logs.csv"; filename*=UTF-8''`+file)
	c.stream(200, "text/csv; charset=utf-8", func(ctx context.Context) io.Reader {
		return &logTable{ctx: ctx, backend: c.backend, logs: ops.LogsOf(id), text: *bytes.NewBufferString(logHeader)}
	})
	return nil
}

const (
	logHeader = "timestamp,level,flow_run_id,task_run_id,message\r\n"
	logPage   = 1000
)

// logTable reads as the logs of a flow run in CSV.
type logTable struct {
	ctx     context.Context
	backend Backend
	logs    *ops.LogPages
	text    bytes.Buffer
}

func (t *logTable) Read(p []byte) (int, error) {
	if t.text.Len() == 0 {
		t.text.Reset()
		page, err := t.logs.Next(t.ctx, t.backend, logPage)
		if err != nil {
			return 0, err
		}
		for _, l := range page {
			t.add(l)
		}
	}
	return t.text.Read(p) // io.EOF when there was no page
}

func (t *logTable) add(l *prefect.Log) {
	t.text.WriteString(strings.Replace(l.Timestamp.ISO(), "T", " ", 1))
	t.text.WriteByte(',')
	t.text.WriteString(strconv.Itoa(l.Level))
	for _, id := range []prefect.ID{l.FlowRunID, l.TaskRunID} {
		t.text.WriteByte(',')
		if !id.IsNull() {
			t.text.WriteString(id.String())
		}
	}
	t.text.WriteByte(',')
	t.text.WriteString(csvField(l.Message))
	t.text.WriteString("\r\n")
}

// csvField quotes a text if it must be.
func csvField(text string) string {
	if !strings.ContainsAny(text, "\",\r\n") {
		return text
	}
	return `"` + strings.ReplaceAll(text, `"`, `""`) + `"`
}
