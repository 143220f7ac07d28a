package ops

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"prefectd/prefect"
	"prefectd/store"
)

// report makes an event of a task run. What body says goes over the task_run.
func report(task, flowRun prefect.ID, state string, occurred prefect.Time, body string) prefect.Event {
	e := prefect.Event{
		ID: prefect.ID{1, byte(occurred), byte(occurred >> 8), 15: state[0]}, Occurred: occurred,
		Event: "prefect.task-run." + state,
		Resource: prefect.Resource{
			"prefect.resource.id":   "prefect.task-run." + task.String(),
			"prefect.orchestration": "client",
		},
		Payload: prefect.JSON(fmt.Sprintf(
			`{"intended":{"from":null,"to":%[1]q},"validated_state":{"type":%[1]q,"message":"","data":null,"state_details":{}},"task_run":{"task_key":"k","dynamic_key":"d","name":"n","tags":["t"]%[2]s}}`,
			state, body)),
	}
	if !flowRun.IsNull() {
		e.Related = []prefect.Resource{{"prefect.resource.id": "prefect.flow-run." + flowRun.String(), "prefect.resource.role": "flow-run"}}
	}
	return e
}

func (c *testCluster) take(events ...prefect.Event) Appended {
	answer, err := TakeEvents(c.t.Context(), c, events)
	require.NoError(c.t, err)
	return answer
}

func (c *testCluster) task(id prefect.ID) *prefect.TaskRun {
	_, task, err := FindTaskRun(c.t.Context(), c, id)
	require.NoError(c.t, err)
	return task
}

func (c *testCluster) states(home prefect.ID, task *prefect.TaskRun) (names []string) {
	for _, s := range view(c, c.layout.Of(home), func(tx *store.Tx) []*prefect.State {
		return history(tx, store.TaskRunStates, task.StateID)
	}) {
		names = append(names, s.Name)
	}
	return names
}

func TestRecorderInAnyOrder(t *testing.T) {
	t0 := at("2027-01-01T00:00:00Z")
	for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 0, 2}, {0, 2, 1}, {2, 0, 1}, {1, 2, 0}, {1, 1, 0, 2, 2}} {
		t.Run(fmt.Sprint(order), func(t *testing.T) {
			c := newTestCluster(t, 2)
			run, id := c.flowRun(), c.NewID()
			events := []prefect.Event{
				report(id, run, "PENDING", t0+1, `,"run_count":0,"expected_start_time":"2027-01-01T00:00:00Z"`),
				report(id, run, "RUNNING", t0+2, `,"run_count":1,"start_time":"2027-01-01T00:00:01Z"`),
				report(id, run, "COMPLETED", t0+3, `,"run_count":1,"start_time":"2027-01-01T00:00:01Z","end_time":"2027-01-01T00:00:02Z","total_run_time":1.0`),
			}
			for _, i := range order {
				require.Empty(t, c.take(events[i]).Refused)
			}
			task := c.task(id)
			require.Equal(t, prefect.Completed, task.StateType)
			require.Equal(t, events[2].ID, task.StateID)
			require.Equal(t, t0+3, task.StateTimestamp)
			require.Equal(t, 1, task.RunCount)
			require.Equal(t, prefect.Second, task.TotalRunTime)
			require.Equal(t, run, task.FlowRunID)
			require.Equal(t, at("2027-01-01T00:00:02Z"), task.EndTime)
			require.Equal(t, []string{"Pending", "Running", "Completed"}, c.states(run, task))
			require.Equal(t, "", *task.State.Message)
			require.Equal(t, id, task.State.Details.TaskRunID)
			require.Equal(t, run, task.State.Details.FlowRunID)
			require.Equal(t, 3, view(c, c.layout.Of(run), func(tx *store.Tx) int { return store.Events.Count(tx, store.Range{}) }))
		})
	}
}

func TestRecorderKeepsWhatWasNotSent(t *testing.T) {
	c := newTestCluster(t, 1)
	id, t0 := c.NewID(), at("2027-01-01T00:00:00Z")
	c.take(report(id, prefect.NoID, "RUNNING", t0, `,"start_time":"2027-01-01T00:00:01Z","labels":{"a":"b","n":3}`))
	created := c.task(id).Created
	c.take(report(id, prefect.NoID, "FAILED", t0+9, `,"name":null,"empirical_policy":{"max_retries":0,"retry_delay_seconds":0.0,"retries":2,"retry_delay":[1,2]}`))
	task := c.task(id)
	require.Equal(t, "n", task.Name)
	require.Equal(t, []string{"t"}, task.Tags)
	require.Equal(t, prefect.Labels{"a": prefect.JSON(`"b"`), "n": prefect.JSON(`3`)}, task.Labels)
	require.Equal(t, at("2027-01-01T00:00:01Z"), task.StartTime)
	require.Equal(t, 2, *task.EmpiricalPolicy.Retries)
	require.Equal(t, prefect.JSON(`[1,2]`), task.EmpiricalPolicy.RetryDelay)
	require.Equal(t, created, task.Created)
	require.Greater(t, task.Updated, created)
	require.Equal(t, prefect.Failed, task.StateType)
}

func TestRecorderFindsARunByItsKeys(t *testing.T) {
	c := newTestCluster(t, 4)
	run, first, second := c.flowRun(), c.NewID(), c.NewID()
	t0 := at("2027-01-01T00:00:00Z")
	c.take(report(first, run, "PENDING", t0, ""))
	c.take(report(second, run, "RUNNING", t0+1, `,"name":"again"`))
	require.Nil(t, c.task(second))
	task := c.task(first)
	require.Equal(t, "again", task.Name)
	require.Equal(t, first, task.State.Details.TaskRunID)
	require.Equal(t, []string{"Pending", "Running"}, c.states(run, task))
}

func TestRecorderKeepsResults(t *testing.T) {
	c := newTestCluster(t, 1)
	id := c.NewID()
	e := report(id, prefect.NoID, "COMPLETED", c.now, "")
	e.Payload = prefect.JSON(`{"validated_state":{"type":"COMPLETED","name":"Cached","data":{"storage_key":"x"},"state_details":{"cache_key":"k"}},"task_run":{"task_key":"k","dynamic_key":"d"}}`)
	c.take(e)
	task := c.task(id)
	require.Equal(t, prefect.JSON(`{"storage_key":"x"}`), task.State.Data)
	require.Equal(t, "Cached", task.State.Name)
	require.Equal(t, "k", *task.State.Details.CacheKey)
	require.NotEmpty(t, task.Name)
	require.Zero(t, view(c, 1, func(tx *store.Tx) int { return store.Artifacts.Count(tx, store.Range{}) }))
}

func TestRecorderRefuses(t *testing.T) {
	c := newTestCluster(t, 2)
	run, t0 := c.flowRun(), at("2027-01-01T00:00:00Z")
	for name, spoil := range map[string]func(e *prefect.Event){
		"no state": func(e *prefect.Event) { e.Payload = prefect.JSON(`{"task_run":{"task_key":"k","dynamic_key":"d"}}`) },
		"unknown type": func(e *prefect.Event) {
			e.Payload = prefect.JSON(`{"validated_state":{"type":"WAT"},"task_run":{"task_key":"k","dynamic_key":"d"}}`)
		},
		"no keys": func(e *prefect.Event) {
			e.Payload = prefect.JSON(`{"validated_state":{"type":"RUNNING"},"task_run":{}}`)
		},
		"tags are no list": func(e *prefect.Event) {
			e.Payload = prefect.JSON(`{"validated_state":{"type":"RUNNING"},"task_run":{"task_key":"k","dynamic_key":"d","tags":5}}`)
		},
		"no task run":      func(e *prefect.Event) { e.Resource["prefect.resource.id"] = "prefect.task-run.x" },
		"flow run is gone": func(e *prefect.Event) { e.Related[0]["prefect.resource.id"] = "prefect.flow-run." + c.NewID().String() },
	} {
		t.Run(name, func(t *testing.T) {
			id := c.NewID()
			e := report(id, run, "RUNNING", t0, "")
			e.ID = c.NewID()
			spoil(&e)
			answer := c.take(e)
			require.Equal(t, 1, answer.New, "the event is kept")
			require.Len(t, answer.Refused, 1)
			require.Nil(t, c.task(id))
		})
	}
	for name, change := range map[string]func(e *prefect.Event){
		"not the client's": func(e *prefect.Event) { delete(e.Resource, "prefect.orchestration") },
		"other event":      func(e *prefect.Event) { e.Event = "my.task-run.Running" },
	} {
		t.Run(name, func(t *testing.T) {
			id := c.NewID()
			e := report(id, run, "RUNNING", t0, "")
			e.ID = c.NewID()
			change(&e)
			require.Empty(t, c.take(e).Refused)
			require.Nil(t, c.task(id))
		})
	}
}

// Outside a flow run, the recorder knows task runs by their id alone: two may have
// the same keys.
func TestTaskRunsWithEqualKeysOutsideAFlowRun(t *testing.T) {
	c := newTestCluster(t, 1)
	t0 := at("2027-01-01T00:00:00Z")
	one, two := c.NewID(), c.NewID()
	c.take(report(one, prefect.NoID, "RUNNING", t0+1, ``))
	c.take(report(two, prefect.NoID, "RUNNING", t0+2, ``))
	require.NotNil(t, c.task(one))
	require.NoError(t, RemoveTaskRun(t.Context(), c, two))
	made, err := NewTaskRun(t.Context(), c, prefect.TaskRunCreate{TaskKey: "k", DynamicKey: "d"})
	require.NoError(t, err)
	require.False(t, made.Created)
	require.Equal(t, one, made.Object.ID, "it is found by its keys")
}

// A task run without a flow run is created once, whatever group its id would be
// in.
func TestTaskRunsOutsideAFlowRunAreCreatedOnce(t *testing.T) {
	c := newTestCluster(t, 4)
	for n := range 8 {
		body := prefect.TaskRunCreate{TaskKey: "k", DynamicKey: fmt.Sprint(n)}
		first := c.newTaskRun(body)
		for range 4 {
			require.Equal(t, first.ID, c.newTaskRun(body).ID)
		}
	}
}
