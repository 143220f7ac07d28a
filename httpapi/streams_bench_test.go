package httpapi

import (
	"fmt"
	"strings"
	"testing"

	"prefectd/httpapi/schema"
	"prefectd/prefect"
)

const taskRunEvent = `{"occurred":"2026-11-23T02:40:25.324788Z","event":"prefect.task-run.Completed","resource":{"prefect.resource.id":"prefect.task-run.01a20646-4c1e-7000-8000-0000000000ff","prefect.resource.name":"t-10c","prefect.run-count":"1","prefect.state-message":"","prefect.state-name":"Completed","prefect.state-timestamp":"2026-11-23T02:40:25.324788+00:00","prefect.state-type":"COMPLETED","prefect.orchestration":"client"},` +
	`"related":[{"prefect.resource.id":"prefect.tag.tt","prefect.resource.role":"tag"},{"prefect.resource.id":"prefect.flow-run.8789bf94-4c1e-4000-8000-0000000000ff","prefect.resource.role":"flow-run","prefect.resource.name":"stirring-starfish"},{"prefect.resource.id":"prefect.flow.5894156f-4c1e-4000-8000-0000000000ff","prefect.resource.role":"flow","prefect.resource.name":"ui flow"}],` +
	`"payload":{"intended":{"from":"RUNNING","to":"COMPLETED"},"initial_state":{"type":"RUNNING","name":"Running","message":"","state_details":{}},"validated_state":{"type":"COMPLETED","name":"Completed","message":"","state_details":{"untrackable_result":true},"data":null},` +
	`"task_run":{"name":"t-821","task_key":"t-996c0202","dynamic_key":"821c9058-4c1e-4000-8000-0000000000ff","empirical_policy":{"max_retries":0,"retry_delay_seconds":0,"retries":0,"retry_delay":0},"tags":["tt"],"labels":{},"task_inputs":{"x":[]},"run_count":1,"flow_run_run_count":1,"expected_start_time":"2026-11-23T02:40:25.324788Z","start_time":"2026-11-23T02:40:25.324788Z","end_time":"2026-11-23T02:40:25.324788Z","total_run_time":0.036484}},` +
	`"id":"01a20646-4c1e-7000-8000-0000000000ff","follows":"01a20646-4c1e-7000-8000-0000000000fe"}`

func BenchmarkDecodeStreams(b *testing.B) {
	b.Run("event", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var e prefect.Event
			if problems := schema.Decode([]byte(taskRunEvent), nil, &e); problems != nil {
				b.Fatal(problems)
			}
		}
	})
	var logs []string
	for i := range 100 {
		logs = append(logs, fmt.Sprintf(`{"name":"prefect.task_runs","level":20,"message":"processed row %d of the table in 17 ms","timestamp":"2026-11-23T02:40:25.324788Z","flow_run_id":"8789bf94-4c1e-4000-8000-0000000000ff","task_run_id":"01a20646-4c1e-7000-8000-0000000000ff"}`, i))
	}
	body := []byte("[" + strings.Join(logs, ",") + "]")
	b.Run("100 logs", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var list []prefect.LogCreate
			if problems := schema.Decode(body, []any{"body"}, &list); problems != nil {
				b.Fatal(problems)
			}
		}
	})
	var e prefect.Event
	schema.Decode([]byte(taskRunEvent), nil, &e)
	b.Run("encode event", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := prefect.Marshal(eventFrame{"event", &e}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
