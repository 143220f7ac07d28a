package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
)

// TaskRun is a task run that a client executes: it tells the server of it by
// three events.
type TaskRun struct {
	ID string

	name, dynamicKey  string
	run               FlowRun
	expected, started time.Time
	last              string // id of the event before
	step              int
}

// NewTaskRun makes a task run of a flow run.
func NewTaskRun(run FlowRun) *TaskRun {
	key := uuid.NewString()
	return &TaskRun{ID: uuid.Must(uuid.NewV7()).String(), name: "load-" + key[:3], dynamicKey: key, run: run}
}

// TaskRunSteps is the number of events that a task run takes.
const TaskRunSteps = 3

type taskRunBody struct {
	Name      string           `json:"name"`
	TaskKey   string           `json:"task_key"`
	Dynamic   string           `json:"dynamic_key"`
	Policy    map[string]any   `json:"empirical_policy"`
	Tags      []string         `json:"tags"`
	Labels    map[string]any   `json:"labels"`
	Inputs    map[string][]any `json:"task_inputs"`
	RunCount  int              `json:"run_count"`
	FlowCount int              `json:"flow_run_run_count"`
	Expected  string           `json:"expected_start_time"`
	Started   string           `json:"start_time,omitempty"`
	Ended     string           `json:"end_time,omitempty"`
	Total     float64          `json:"total_run_time"`
}

// stateBody is a state inside an event.
type stateBody struct {
	Type    string         `json:"type"`
	Name    string         `json:"name"`
	Message string         `json:"message"`
	Details map[string]any `json:"state_details"`
}

type eventBody struct {
	Occurred string              `json:"occurred"`
	Event    string              `json:"event"`
	Resource map[string]string   `json:"resource"`
	Related  []map[string]string `json:"related"`
	Payload  map[string]any      `json:"payload"`
	ID       string              `json:"id"`
	Follows  *string             `json:"follows"`
}

// Next is the task run's next event, with its id: Pending, Running, and at last
// Completed or, if failed, Failed.
func (t *TaskRun) Next(failed bool) (id string, event []byte, err error) {
	states := [TaskRunSteps]string{"PENDING", "RUNNING", "COMPLETED"}
	if failed {
		states[2] = "FAILED"
	}
	now, state := time.Now(), states[t.step]
	id = uuid.Must(uuid.NewV7()).String()
	row := taskRunBody{
		Name: t.name, TaskKey: "load-398ea8e0", Dynamic: t.dynamicKey, Tags: []string{}, Labels: map[string]any{},
		Policy: map[string]any{"max_retries": 0, "retry_delay_seconds": 0.0, "retries": 0, "retry_delay": 0},
		Inputs: map[string][]any{"x": {}}, RunCount: min(t.step, 1), FlowCount: 1,
	}
	switch t.step {
	case 0:
		t.expected = now
	case 1:
		t.started = now
	case 2:
		row.Ended, row.Total = Stamp(now), now.Sub(t.started).Seconds()
	}
	row.Expected = Stamp(t.expected)
	if t.step > 0 {
		row.Started = Stamp(t.started)
	}
	body := eventBody{
		Occurred: Stamp(now),
		Event:    "prefect.task-run." + title(state),
		Resource: t.resource(state, now, row.RunCount),
		Related: []map[string]string{
			{"prefect.resource.id": "prefect.flow-run." + t.run.ID, "prefect.resource.role": "flow-run", "prefect.resource.name": t.run.Name},
			{"prefect.resource.id": "prefect.flow." + t.run.FlowID, "prefect.resource.role": "flow", "prefect.resource.name": "load"},
		},
		Payload: map[string]any{
			"intended": map[string]any{"from": nil, "to": state}, "initial_state": nil,
			"validated_state": stateBody{Type: state, Name: title(state), Details: map[string]any{}},
			"task_run":        row,
		},
		ID: id,
	}
	if t.step > 0 {
		before := states[t.step-1]
		body.Payload["intended"] = map[string]any{"from": before, "to": state}
		body.Payload["initial_state"] = stateBody{Type: before, Name: title(before), Details: map[string]any{}}
		body.Follows = &t.last
	}
	event, err = json.Marshal(body)
	t.last = id
	t.step++
	return id, event, err
}

func (t *TaskRun) resource(state string, at time.Time, count int) map[string]string {
	return map[string]string{
		"prefect.resource.id":     "prefect.task-run." + t.ID,
		"prefect.resource.name":   t.name,
		"prefect.run-count":       fmt.Sprint(count),
		"prefect.state-message":   "",
		"prefect.state-name":      title(state),
		"prefect.state-timestamp": at.UTC().Format("2006-01-02T15:04:05.000000+00:00"),
		"prefect.state-type":      state,
		"prefect.orchestration":   "client",
	}
}

// ReadTaskRun is what is read of a task run.
type ReadTaskRun struct {
	ID        string  `json:"id"`
	StateType string  `json:"state_type"`
	StartTime *string `json:"start_time"`
	EndTime   *string `json:"end_time"`
}

// Completed says whether a task run reads as one that ran to its end.
func (t *ReadTaskRun) Completed() bool {
	return t.StateType == "COMPLETED" && t.StartTime != nil && t.EndTime != nil
}

// TaskRunPage is the most task runs that one answer holds.
const TaskRunPage = 200

// TaskRunsOf reads all task runs of flow runs.
func (c *Client) TaskRunsOf(ctx context.Context, runIDs ...string) (all []ReadTaskRun, err error) {
	for {
		var page []ReadTaskRun
		err := c.Call(ctx, http.MethodPost, "/task_runs/filter", map[string]any{
			"flow_runs": map[string]any{"id": map[string]any{"any_": runIDs}},
			"sort":      "ID_DESC", "limit": TaskRunPage, "offset": len(all),
		}, &page)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if len(page) < TaskRunPage {
			return all, nil
		}
	}
}

// CountCompleted counts the completed task runs of flow runs.
func (c *Client) CountCompleted(ctx context.Context, runIDs ...string) (n int, err error) {
	return n, c.Call(ctx, http.MethodPost, "/task_runs/count", map[string]any{
		"flow_runs": map[string]any{"id": map[string]any{"any_": runIDs}},
		"task_runs": map[string]any{"state": map[string]any{"type": map[string]any{"any_": []string{"COMPLETED"}}}},
	}, &n)
}

// TaskRunStates reads the states that a task run has passed through.
func (c *Client) TaskRunStates(ctx context.Context, id string) (states []State, err error) {
	return states, c.Call(ctx, http.MethodGet, "/task_run_states/?task_run_id="+id, nil, &states)
}
