package ops

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"prefectd/prefect"
)

type variant struct {
	Type    prefect.StateType `json:"type"`
	Name    *string           `json:"name"`
	Data    prefect.JSON      `json:"data"`
	Details map[string]any    `json:"state_details"`
}

type transitionCase struct {
	Kind       string         `json:"kind"`
	From       string         `json:"from"`
	To         string         `json:"to"`
	Force      bool           `json:"force"`
	HTTP       int            `json:"http"`
	Status     string         `json:"status"`
	State      map[string]any `json:"state"`
	RunChanges map[string]any `json:"run_changes"`
	Details    map[string]any `json:"details"`
	Policy     map[string]any `json:"policy"`
}

type transitions struct {
	Variants  map[string]variant                   `json:"variants"`
	RunBefore map[string]map[string]map[string]any `json:"run_before"`
	Cases     []transitionCase                     `json:"cases"`
}

func readTransitions(t *testing.T, name string) (all transitions) {
	f, err := os.Open(filepath.Join("testdata", name))
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	require.NoError(t, json.NewDecoder(z).Decode(&all))
	return all
}

// proposal makes a proposal of a variant; its times are relative to now.
func (v variant) proposal(now prefect.Time) *prefect.StateCreate {
	s := &prefect.StateCreate{Type: v.Type, Name: v.Name, Data: v.Data}
	at := func(name string) prefect.Time {
		text, ok := v.Details[name].(string)
		if !ok {
			return 0
		}
		d, err := time.ParseDuration(strings.TrimPrefix(text, "now"))
		if err != nil {
			panic(err)
		}
		return now.Add(prefect.SecondsOf(d.Seconds()))
	}
	s.Details.ScheduledTime, s.Details.PauseTimeout = at("scheduled_time"), at("pause_timeout")
	s.Details.PauseReschedule, _ = v.Details["pause_reschedule"].(bool)
	if k, ok := v.Details["pause_key"].(string); ok {
		s.Details.PauseKey = &k
	}
	return s
}

// persisted is the one variant that was not made directly.
const persisted = "Completed(persisted)"

// flowRunIn makes a flow run in a variant as those of the captured cases were made.
func (c *testCluster) flowRunIn(v variant, name string, body prefect.FlowRunCreate) prefect.ID {
	body.State = v.proposal(c.now)
	if name == persisted {
		body.State = nil
	}
	id := c.newFlowRun(body).ID
	if name == persisted {
		c.forceFlowRun(id, v.proposal(c.now))
	}
	return id
}

func plain(t *testing.T, v any) (m map[string]any) {
	data, err := prefect.Marshal(v)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &m))
	return m
}

// strip brings a state into the form of the captured ones.
func strip(m map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range m {
		if nested, ok := v.(map[string]any); ok && k == "state_details" {
			v = strip(nested)
			if len(v.(map[string]any)) == 0 {
				continue
			}
		}
		switch k {
		case "id", "timestamp", "flow_run_id", "task_run_id", "transition_id":
			continue
		case "scheduled_time", "pause_timeout", "cache_expiration":
			if v != nil {
				v = "set"
			}
		}
		if v == nil || v == false && k != "data" {
			continue
		}
		out[k] = v
	}
	return out
}

// figures are what the captured cases compare of a run.
func figures(run progress) map[string]any {
	return map[string]any{
		"state_type": run.stateType.String(), "state_name": *(*run.stateName), "run_count": float64(*run.count),
		"start_time": *run.start != 0, "end_time": *run.end != 0, "expected_start_time": *run.expect != 0,
		"next_scheduled_start_time": *run.next != 0, "total_run_time_gt0": *run.total > 0,
	}
}

func (c *testCluster) flowFigures(id prefect.ID) map[string]any {
	run := c.readFlowRun(id)
	m := figures(progressOfFlowRun(run))
	p := &run.EmpiricalPolicy
	m["policy.resuming"] = p.Resuming != nil && *p.Resuming
	m["policy.retry_type"] = map[prefect.RetryType]any{prefect.InProcess: "in_process", prefect.Reschedule: "reschedule"}[p.RetryType]
	keys := []any{}
	for _, k := range p.PauseKeys {
		keys = append(keys, k)
	}
	m["policy.pause_keys"] = keys
	return m
}

func (c *testCluster) taskFigures(id prefect.ID) map[string]any {
	run := c.readTaskRun(id)
	m := figures(progressOfTaskRun(run))
	m["flow_run_run_count"] = float64(run.FlowRunRunCount)
	return m
}

// changed are the figures that differ.
func changed(before, after map[string]any) map[string]any {
	changes := map[string]any{}
	for k, v := range after {
		if fmt.Sprint(v) != fmt.Sprint(before[k]) {
			changes[k] = v
		}
	}
	return changes
}

// compare holds an outcome to the captured one.
func (tc *transitionCase) compare(t *testing.T, o *Orchestration, changes map[string]any) {
	http := 200
	if o.Created {
		http = 201
	}
	require.Equal(t, tc.HTTP, http)
	require.Equal(t, tc.Status, o.Status)
	details := plain(t, o.Details)
	delete(details, "type")
	for k, v := range details {
		if text, ok := v.(string); ok {
			details[k] = anyUUID.ReplaceAllString(text, "<uuid>")
		}
	}
	if tc.Status == waiting { // the capture took a moment
		require.InDelta(t, tc.Details["delay_seconds"], details["delay_seconds"], 1)
		delete(tc.Details, "delay_seconds")
		delete(details, "delay_seconds")
	}
	if len(tc.Details) > 0 || len(details) > 0 {
		require.Equal(t, tc.Details, details)
	}
	require.Equal(t, strip(tc.State), strip(plain(t, o.State)))
	require.Equal(t, tc.RunChanges, changes)
}

var anyUUID = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

func (tc *transitionCase) name() string {
	name := fmt.Sprintf("%s/%s to %s", tc.Kind, tc.From, tc.To)
	if tc.Force {
		name += ", forced"
	}
	if tc.Policy != nil {
		name += fmt.Sprint(tc.Policy)
	}
	return name
}

// policy reads the retry policy of a case.
func (tc *transitionCase) policy(t *testing.T, into any) {
	if tc.Policy == nil {
		return
	}
	raw, err := json.Marshal(tc.Policy)
	require.NoError(t, err)
	require.NoError(t, prefect.Unmarshal(raw, into))
}

// TestFlowRunTransitions replays what the Python server was seen to do.
func TestFlowRunTransitions(t *testing.T) {
	all := readTransitions(t, "transitions-flow.json.gz")
	c := newTestCluster(t, 1)
	flow, deployment := c.newFlow(), c.newDeployment().ID
	for _, tc := range all.Cases {
		t.Run(tc.name(), func(t *testing.T) {
			c.t = t
			body := prefect.FlowRunCreate{FlowID: flow.ID}
			if tc.Kind == "deployment" {
				body.DeploymentID = deployment
			}
			tc.policy(t, &body.EmpiricalPolicy)
			id := c.flowRunIn(all.Variants[tc.From], tc.From, body)
			before := c.flowFigures(id)
			require.Equal(t, all.RunBefore[tc.Kind][tc.From], before)
			o := c.proposeForFlowRun(SetFlowRunState{RunID: id, State: *all.Variants[tc.To].proposal(c.now), Force: tc.Force})
			tc.compare(t, o, changed(before, c.flowFigures(id)))
		})
	}
}

// TestTaskRunTransitions does the same for task runs.
func TestTaskRunTransitions(t *testing.T) {
	all := readTransitions(t, "transitions-task.json.gz")
	flows := readTransitions(t, "transitions-flow.json.gz")
	c := newTestCluster(t, 1)
	yes := true
	for _, tc := range all.Cases {
		t.Run(tc.name(), func(t *testing.T) {
			c.t = t
			var body prefect.TaskRunCreate
			parent, isParent := strings.CutPrefix(tc.Kind, "parent-flow-run:")
			if tc.Kind == "in-running-flow" {
				parent, isParent = "Running", true
			}
			if isParent {
				body.FlowRunID = c.flowRunIn(flows.Variants[parent], parent, prefect.FlowRunCreate{})
			}
			tc.policy(t, &body.EmpiricalPolicy)
			id := c.newTaskRun(body).ID
			if tc.From != "Pending" || tc.Kind == "in-running-flow" || !isParent {
				first := all.Variants[tc.From].proposal(c.now)
				if tc.Kind == "deferred" && tc.From == tc.To { // captured with one proposal for both
					first.Details.Deferred = &yes
				}
				c.forceTaskRun(id, first)
			}
			before := c.taskFigures(id)
			proposal := all.Variants[tc.To].proposal(c.now)
			if tc.Kind == "deferred" {
				proposal.Details.Deferred = &yes
			}
			o := c.proposeForTaskRun(SetTaskRunState{RunID: id, State: *proposal, Force: tc.Force})
			tc.compare(t, o, changed(before, c.taskFigures(id)))
		})
	}
}
