package schema_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/httpapi/schema"
	"prefectd/prefect"
)

const anID = "6b2f57fe-0f1b-48e9-bd7b-61cbb0b7e50d"

// logRows is a body as the Python client sends it.
func logRows(n int) []byte {
	row := fmt.Sprintf(`{"name": "prefect.flow_runs", "level": 20, "message": "Finished in state Completed(\"all is well\")", `+
		`"timestamp": "2026-11-23T11:58:33.109318+00:00", "flow_run_id": %q, "task_run_id": %q}`, anID, anID)
	return []byte("[" + strings.Repeat(row+", ", n-1) + row + "]")
}

// BenchmarkLogs decodes the body of POST /logs/ with a hundred rows.
func BenchmarkLogs(b *testing.B) {
	body := logRows(100)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		var logs schema.Sequence[prefect.LogCreate]
		require.Empty(b, schema.Decode(body, []any{"body"}, &logs))
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/row")
}

// BenchmarkSetState decodes the most frequent small request.
func BenchmarkSetState(b *testing.B) {
	body := []byte(`{"state": {"type": "RUNNING", "name": "Running", "message": null, "data": null, "state_details": {"flow_run_id": "` + anID +
		`", "task_run_id": null, "transition_id": "` + anID + `", "scheduled_time": "2026-11-23T11:58:33.109318Z"}}, "force": false}`)
	b.ReportAllocs()
	for b.Loop() {
		var request prefect.SetState
		require.Empty(b, schema.Decode(body, []any{"body"}, &request))
	}
}

// BenchmarkEvents decodes the body of POST /events with ten events.
func BenchmarkEvents(b *testing.B) {
	event := fmt.Sprintf(`{"occurred": "2026-11-23T11:58:33.109318Z", "event": "prefect.task-run.Completed", "id": %q, "follows": %q, `+
		`"resource": {"prefect.resource.id": "prefect.task-run.%s", "prefect.resource.name": "add-0", "prefect.run-count": "1", "prefect.state-type": "COMPLETED"}, `+
		`"related": [{"prefect.resource.id": "prefect.flow-run.%s", "prefect.resource.role": "flow-run", "prefect.resource.name": "x"}], `+
		`"payload": {"intended": {"from": "RUNNING", "to": "COMPLETED"}, "task_run": {"task_key": "add", "tags": ["a", "b"]}}}`, anID, anID, anID, anID)
	body := []byte("[" + strings.Repeat(event+", ", 9) + event + "]")
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		var events []prefect.Event
		require.Empty(b, schema.Decode(body, []any{"body"}, &events))
	}
}
