package prefect_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/prefect"
)

// The columns of flow runs that the tests name.
var (
	runName      = prefect.ColumnSet(4)
	runTags      = prefect.ColumnSet(16)
	runStateType = prefect.ColumnSet(19)
	runStart     = prefect.ColumnSet(22, 24)
)

func TestVerdictOfPartialRows(t *testing.T) {
	run := &prefect.FlowRun{Name: "n", StateType: prefect.Running, StartTime: 50, Tags: []string{"a"}}
	const (
		running   = `"state": {"type": {"any_": ["RUNNING"]}}`
		pending   = `"state": {"type": {"any_": ["PENDING"]}}`
		named     = `"name": {"any_": ["n"]}`
		misnamed  = `"name": {"any_": ["x"]}`
		nothing   = `"name": {"any_": []}`
		untouched = `"name": {}`
	)
	or := `"operator": "or_", `
	for _, c := range []struct {
		filter string
		have   prefect.Columns
		want   prefect.Verdict
	}{
		{`{}`, 0, prefect.Yes},
		{`{"operator": "or_"}`, 0, prefect.Yes},
		{`{` + running + `}`, 0, prefect.Maybe},
		{`{` + running + `}`, runStateType, prefect.Yes},
		{`{` + pending + `}`, runStateType, prefect.No},
		{`{` + running + `,` + named + `}`, runStateType, prefect.Maybe},
		{`{` + pending + `,` + named + `}`, runStateType, prefect.No},
		{`{` + running + `,` + misnamed + `}`, runName, prefect.No},
		{`{` + running + `,` + named + `}`, runName | runStateType, prefect.Yes},
		{`{` + or + running + `,` + misnamed + `}`, runStateType, prefect.Yes},
		{`{` + or + pending + `,` + misnamed + `}`, runStateType, prefect.Maybe},
		{`{` + or + pending + `,` + misnamed + `}`, runStateType | runName, prefect.No},
		{`{` + nothing + `}`, 0, prefect.No},
		{`{` + or + nothing + `}`, 0, prefect.No},
		{`{` + or + nothing + `,` + running + `}`, runStateType, prefect.Yes},
		{`{` + untouched + `,` + running + `}`, 0, prefect.Maybe},
		{`{` + or + untouched + `,` + pending + `}`, 0, prefect.Yes},
		{`{"start_time": {"after_": "0001-01-01T00:00:00.000050Z"}}`, runStart, prefect.Yes},
		{`{"start_time": {"after_": "0001-01-01T00:00:00.000051Z"}}`, runStart, prefect.No},
		{`{"tags": {"operator": "or_", "all_": ["b"], "is_null_": false}}`, runTags, prefect.Yes},
		{`{"parent_flow_run_id": {"any_": ["6b2f57fe-0f1b-48e9-bd7b-61cbb0b7e50d"]}}`, prefect.AllColumns, prefect.Maybe}, // not resolved
		{`{"parent_flow_run_id": {"any_": []}}`, prefect.AllColumns, prefect.No},
		{`{"parent_flow_run_id": {}}`, 0, prefect.Yes},
	} {
		m := unmarshal[prefect.FlowRunFilter](t, []byte(c.filter)).Compile()
		require.Equal(t, c.want, m.Match(run, c.have), "%s %b", c.filter, c.have)
		if m.Always() != prefect.Maybe {
			require.Equal(t, c.want, m.Always(), c.filter)
		}
	}
}

func TestFilterThatWasNotSent(t *testing.T) {
	require.Equal(t, prefect.Yes, (*prefect.FlowFilter)(nil).Compile().Always())
	require.Equal(t, prefect.Yes, (*prefect.FlowRunFilter)(nil).Compile().Always())
	require.Equal(t, prefect.Yes, (*prefect.TaskRunFilter)(nil).Compile().Always())
	require.Equal(t, prefect.Yes, (*prefect.LogFilter)(nil).Compile().Always())
	require.Equal(t, prefect.Yes, (*prefect.EventFilter)(nil).Compile().Always())
	require.Zero(t, (*prefect.LogFilter)(nil).Compile().Columns())
}

func TestFilterKeepsWhatWasSent(t *testing.T) {
	for _, text := range []string{
		`{}`, `{"id":{}}`, `{"id":{"any_":[]}}`, `{"tags":{"operator":"or_","all_":[],"is_null_":false}}`,
		`{"start_time":{"before_":"2024-01-01T00:00:00Z"}}`, `{"state":{"type":{"not_any_":["RUNNING"]}}}`,
	} {
		out, err := prefect.Marshal(unmarshal[prefect.FlowRunFilter](t, []byte(text)))
		require.NoError(t, err)
		require.Equal(t, text, string(out))
	}
	for _, text := range []string{`{"is_null_":null}`, `{"is_null_":false}`, `{"any_":[],"is_null_":true}`} {
		out, err := prefect.Marshal(unmarshal[prefect.TaskRunFilterFlowRun](t, []byte(text)))
		require.NoError(t, err)
		require.Equal(t, text, string(out))
	}
}

func TestPlan(t *testing.T) {
	a, b := prefect.ID{1}, prefect.ID{2}
	plan := func(text string) prefect.Plan {
		text = fmt.Sprintf(text, a, b)
		return unmarshal[prefect.FlowRunFilter](t, []byte(text)).Compile().Plan()
	}
	const unused = `"id": {"not_any_": ["%s", "%s"]}`
	require.Equal(t, prefect.Plan{}, plan(`{`+unused+`}`))
	require.Equal(t, prefect.Plan{IDs: []prefect.ID{a, b}}, plan(`{"id": {"any_": ["%[1]s", "%[2]s", "%[1]s"]}}`))
	require.Equal(t, prefect.Plan{States: prefect.StateTypeSetOf(prefect.Running)},
		plan(`{`+unused+`, "state": {"type": {"any_": ["RUNNING", "PENDING"], "not_any_": ["PENDING"]}}}`))
	require.Equal(t, prefect.Plan{DeploymentIDs: []prefect.ID{a, b}}, plan(`{"operator": "or_", "deployment_id": {"any_": ["%s", "%s"]}}`),
		"one alternative is none")
	require.Equal(t, prefect.Plan{}, plan(`{"operator": "or_", "deployment_id": {"any_": ["%s", "%s"]}, "state": {"type": {"any_": ["RUNNING"]}}}`))
	require.Equal(t, prefect.Plan{}, plan(`{`+unused+`, "deployment_id": {"operator": "or_", "any_": ["%[1]s"], "is_null_": true}}`))
	require.True(t, plan(`{`+unused+`, "name": {"any_": []}}`).Never)
	require.True(t, plan(`{`+unused+`, "end_time": {"after_": "2024-01-02T00:00:00Z", "before_": "2024-01-01T00:00:00Z"}}`).Never)
	require.Equal(t, prefect.Plan{AllTags: []string{"x"}, AnyTags: []string{"y", "z"}},
		plan(`{`+unused+`, "tags": {"all_": ["x", "x"], "any_": ["y", "z"]}}`))
	both := plan(`{"parent_task_run_id": {"any_": ["%[1]s"]}, "parent_flow_run_id": {"any_": ["%[1]s"], "task_runs": ["%[1]s", "%[2]s"]}}`)
	require.Equal(t, prefect.Plan{ParentTaskRuns: []prefect.ID{a}}, both)
}

func TestSpan(t *testing.T) {
	require.False(t, prefect.Span{}.IsBounded())
	require.True(t, prefect.Span{From: 5, To: 7}.Has(5))
	require.True(t, prefect.Span{From: 5, To: 7}.Has(7))
	require.False(t, prefect.Span{From: 5}.Has(4))
	require.True(t, prefect.Span{From: 5}.Has(1<<60))
	require.False(t, prefect.Span{To: 5}.Has(0), "null is in no span")
}

func TestStateTypeSet(t *testing.T) {
	set := prefect.StateTypeSetOf(prefect.Cancelling, prefect.Scheduled)
	var types []prefect.StateType
	for state := range set.All() {
		types = append(types, state)
	}
	require.Equal(t, []prefect.StateType{prefect.Scheduled, prefect.Cancelling}, types)
	require.False(t, set.Has(prefect.NoState))
	require.False(t, set.Has(prefect.Running))
}

// TestNullNeverMatches has the columns that may be null.
func TestNullNeverMatches(t *testing.T) {
	for _, filter := range []string{
		`{"idempotency_key": {"not_any_": ["x"]}}`, `{"state": {"type": {"not_any_": ["RUNNING"]}}}`, `{"state": {"name": {"not_any_": ["x"]}}}`,
		`{"end_time": {"before_": "9999-01-01T00:00:00Z"}}`, `{"start_time": {"before_": "9999-01-01T00:00:00Z"}}`,
		`{"deployment_id": {"any_": ["00000000-0000-0000-0000-000000000000"]}}`, `{"created_by": {"type_": [""]}}`,
		`{"work_queue_name": {"any_": [""]}}`, `{"flow_version": {"any_": [""]}}`,
	} {
		m := unmarshal[prefect.FlowRunFilter](t, []byte(filter)).Compile()
		require.Equal(t, prefect.No, m.Match(&prefect.FlowRun{}, prefect.AllColumns), filter)
	}
}

func TestLongLists(t *testing.T) {
	f := &prefect.FlowRunFilter{ID: &prefect.FilterIDNot{}}
	for i := range 100 {
		f.ID.Any = append(f.ID.Any, prefect.ID{byte(i)})
	}
	m := f.Compile()
	require.Equal(t, prefect.Yes, m.Match(&prefect.FlowRun{ID: prefect.ID{99}}, prefect.AllColumns))
	require.Equal(t, prefect.No, m.Match(&prefect.FlowRun{ID: prefect.ID{100}}, prefect.AllColumns))
}

func TestMatchingAllocatesNothing(t *testing.T) {
	run := &prefect.FlowRun{ID: prefect.ID{1}, Name: "Curious-Öcelot", StateType: prefect.Running, StartTime: 5, Tags: []string{"a", "b"}}
	log := &prefect.Log{Name: "prefect.flow_runs", Message: "Finished in state Completed() with Übermut"}
	runs := unmarshal[prefect.FlowRunFilter](t, []byte(`{"name": {"like_": "öcelot"}, "tags": {"all_": ["b"]}, "state": {"type": {"any_": ["RUNNING"]}}}`)).Compile()
	logs := unmarshal[prefect.LogFilter](t, []byte(`{"text": {"query": "übermut -error"}}`)).Compile()
	// The race detector makes pools forget now and then: one clean round is proof.
	least := math.Inf(1)
	for range 20 {
		least = min(least, testing.AllocsPerRun(10, func() {
			if runs.Match(run, prefect.AllColumns) != prefect.Yes || logs.Match(log, prefect.AllColumns) != prefect.Yes {
				t.Error("both match")
			}
		}))
	}
	require.Zero(t, least)
}
