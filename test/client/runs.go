package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
)

// stamp is how the client writes times.
const stamp = "2006-01-02T15:04:05.000000Z"

// Stamp writes a time as the client does.
func Stamp(t time.Time) string { return t.UTC().Format(stamp) }

// FlowRun is what is read of a flow run.
type FlowRun struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	FlowID    string `json:"flow_id"`
	StateID   string `json:"state_id"`
	StateType string `json:"state_type"`
	RunCount  int    `json:"run_count"`
	State     State  `json:"state"`
}

// State is what is read of a state.
type State struct {
	ID        string `json:"id"`
	Type      string `json:"type"`
	Name      string `json:"name"`
	Message   string `json:"message"`
	Timestamp string `json:"timestamp"`
}

// EnsureFlow makes a flow or finds the one of that name.
func (c *Client) EnsureFlow(ctx context.Context, name string) (id string, err error) {
	var flow struct {
		ID string `json:"id"`
	}
	err = c.Call(ctx, http.MethodPost, "/flows/", map[string]any{"name": name, "tags": []string{}, "labels": map[string]any{}}, &flow)
	return flow.ID, err
}

// NewRun is a flow run to create.
type NewRun struct {
	FlowID string
	Name   string   // the server makes one when empty
	State  string   // SCHEDULED or PENDING
	Tags   []string // none when nil
}

type newState struct {
	Type    string         `json:"type"`
	Name    string         `json:"name"`
	Message *string        `json:"message"`
	Details map[string]any `json:"state_details"`
	Data    any            `json:"data"`
}

type newFlowRun struct {
	State       newState       `json:"state"`
	Name        *string        `json:"name"`
	FlowID      string         `json:"flow_id"`
	FlowVersion string         `json:"flow_version"`
	Parameters  map[string]any `json:"parameters"`
	Context     map[string]any `json:"context"`
	ParentID    *string        `json:"parent_task_run_id"`
	Policy      map[string]any `json:"empirical_policy"`
	Tags        []string       `json:"tags"`
}

// CreateRun creates a flow run.
func (c *Client) CreateRun(ctx context.Context, n NewRun) (run FlowRun, err error) {
	body := newFlowRun{
		State:       newState{Type: n.State, Name: title(n.State), Details: map[string]any{"traceparent": nil}},
		FlowID:      n.FlowID,
		FlowVersion: "15f0ddd4cc72c0f5c71be2915103fc2a",
		Parameters:  map[string]any{"n": 2},
		Context:     map[string]any{},
		Policy:      map[string]any{"retries": 0, "retry_delay": 0},
		Tags:        n.Tags,
	}
	if n.State == "SCHEDULED" {
		body.State.Details["scheduled_time"] = Stamp(time.Now().Add(-time.Second))
	}
	if n.Name != "" {
		body.Name = &n.Name
	}
	if body.Tags == nil {
		body.Tags = []string{}
	}
	err = c.Call(ctx, http.MethodPost, "/flow_runs/", body, &run)
	if err == nil && run.ID == "" {
		err = fmt.Errorf("a flow run without an id")
	}
	return run, err
}

// title is the name of a state type: Running for RUNNING.
func title(state string) string {
	return state[:1] + string(lower(state[1:]))
}

func lower(s string) []byte {
	b := []byte(s)
	for i := range b {
		b[i] |= 0x20
	}
	return b
}

// details are the details of a state as the client sends them: every field, most
// of them null.
func details(runID string, final bool) map[string]any {
	d := map[string]any{
		"flow_run_id": runID, "untrackable_result": final, "pause_reschedule": false,
		"transition_id": uuid.NewString(),
	}
	for _, name := range []string{
		"task_run_id", "child_flow_run_id", "scheduled_time", "cache_key", "cache_expiration", "deferred",
		"pause_timeout", "pause_key", "run_input_keyset", "refresh_cache", "retriable", "task_parameters_id",
		"traceparent", "deployment_concurrency_lease_id",
	} {
		d[name] = nil
	}
	return d
}

// Proposal is a state to set on a flow run.
type Proposal struct {
	Type    string
	Message string // none when empty
	Force   bool   // past the rules
}

// Verdict is what became of a proposal.
type Verdict struct {
	Status  string          `json:"status"` // ACCEPT, REJECT, ABORT or WAIT
	State   *State          `json:"state"`
	Details json.RawMessage `json:"details"`
}

// Propose asks for a transition of a flow run.
func (c *Client) Propose(ctx context.Context, runID string, p Proposal) (v Verdict, err error) {
	final := p.Type == "COMPLETED" || p.Type == "FAILED"
	state := newState{Type: p.Type, Name: title(p.Type), Details: details(runID, final)}
	if p.Message != "" {
		state.Message = &p.Message
	}
	body := map[string]any{"state": state, "force": p.Force}
	return v, c.Call(ctx, http.MethodPost, "/flow_runs/"+runID+"/set_state", body, &v)
}

// SetState asks for a transition of a flow run; anything but ACCEPT is an error.
// It answers the new state's id.
func (c *Client) SetState(ctx context.Context, runID, state string) (id string, err error) {
	v, err := c.Propose(ctx, runID, Proposal{Type: state})
	if err != nil {
		return "", err
	}
	if v.Status != "ACCEPT" || v.State == nil || v.State.Type != state {
		return "", fmt.Errorf("%s of flow run %s: %s %s", state, runID, v.Status, v.Details)
	}
	return v.State.ID, nil
}

// ReadRun reads a flow run.
func (c *Client) ReadRun(ctx context.Context, id string) (run FlowRun, err error) {
	return run, c.Call(ctx, http.MethodGet, "/flow_runs/"+id, nil, &run)
}

// RunStates reads the states that a flow run has passed through, the oldest first.
func (c *Client) RunStates(ctx context.Context, id string) (states []State, err error) {
	return states, c.Call(ctx, http.MethodGet, "/flow_run_states/?flow_run_id="+id, nil, &states)
}

// Lifecycle takes a flow run from Scheduled to Completed in the five requests of
// a worker's run.
func (c *Client) Lifecycle(ctx context.Context, flowID string) error {
	run, err := c.CreateRun(ctx, NewRun{FlowID: flowID, State: "SCHEDULED"})
	if err != nil {
		return err
	}
	for _, state := range []string{"PENDING", "RUNNING"} {
		if _, err := c.SetState(ctx, run.ID, state); err != nil {
			return err
		}
	}
	if run, err = c.ReadRun(ctx, run.ID); err != nil {
		return err
	}
	if run.StateType != "RUNNING" || run.RunCount != 1 {
		return fmt.Errorf("flow run %s reads %s, run count %d", run.ID, run.StateType, run.RunCount)
	}
	_, err = c.SetState(ctx, run.ID, "COMPLETED")
	return err
}
