package prefect_test

import (
	"strings"
	"testing"

	"prefectd/prefect"
)

// BenchmarkMatch looks at one row.
func BenchmarkMatch(b *testing.B) {
	run := &prefect.FlowRun{
		ID: prefect.ID{1}, Name: "curious-ocelot", StateType: prefect.Running, StartTime: 5, Tags: []string{"a", "b"}, DeploymentID: prefect.ID{2},
	}
	name := "Running"
	run.StateName = &name
	ids := `["` + prefect.ID{1}.String() + `"` + strings.Repeat(`, "`+prefect.ID{3}.String()+`"`, 20) + `]`
	for _, c := range []struct{ name, filter string }{
		{"everything", `{}`},
		{"state", `{"state": {"type": {"any_": ["RUNNING"]}}}`},
		{"state and start", `{"state": {"type": {"any_": ["RUNNING"]}}, "start_time": {"after_": "0001-01-01T00:00:00Z", "before_": "2030-01-01T00:00:00Z"}}`},
		{"ids", `{"id": {"any_": ` + ids + `}}`},
		{"name", `{"name": {"like_": "Ocel"}}`},
		{"tags", `{"tags": {"all_": ["b"]}}`},
		{"dashboard", `{"state": {"type": {"any_": ["RUNNING"]}, "name": {"any_": ["Running", "Late"]}}, "tags": {"any_": ["b", "c"]},
			"deployment_id": {"any_": ["` + prefect.ID{2}.String() + `"]}, "expected_start_time": {"before_": "2030-01-01T00:00:00Z"}}`},
	} {
		m := unmarshal[prefect.FlowRunFilter](b, []byte(c.filter)).Compile()
		b.Run("flow run/"+c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				m.Match(run, prefect.AllColumns)
			}
		})
	}

	log := &prefect.Log{Name: "prefect.flow_runs", Level: 20, Message: "Task run 'load-3' finished in state Completed() after 12 seconds"}
	logs := unmarshal[prefect.LogFilter](b, []byte(`{"level": {"ge_": 10}, "text": {"query": "+completed -error"}}`)).Compile()
	b.Run("log/text", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			logs.Match(log, prefect.AllColumns)
		}
	})

	event := &prefect.Event{
		Event: "prefect.flow-run.Running", Occurred: 5,
		Resource: prefect.Resource{"prefect.resource.id": "prefect.flow-run.1", "prefect.resource.name": "curious-ocelot"},
		Related:  []prefect.Resource{{"prefect.resource.id": "prefect.flow.1", "prefect.resource.role": "flow"}},
		Payload:  prefect.JSON(`{"intended": {"from": "PENDING", "to": "RUNNING"}}`),
	}
	for _, c := range []struct{ name, filter string }{
		{"name", `{"event": {"prefix": ["prefect.task-run.", "prefect.flow-run."]}}`},
		{"related", `{"related": {"id": ["prefect.flow.1"], "role": ["flow"]}}`},
		{"labels", `{"resource": {"labels": {"prefect.resource.id": ["prefect.flow-run.*"]}}}`},
		{"text", `{"text": {"query": "pending"}}`},
	} {
		m := unmarshal[prefect.EventFilter](b, []byte(c.filter)).Compile()
		b.Run("event/"+c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				m.Match(event, prefect.AllColumns)
			}
		})
	}
}
