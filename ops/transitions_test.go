package ops

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"prefectd/prefect"
	"prefectd/store"
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

// bench runs operations one after another on a clock of its own.
type bench struct {
	c *Context
}

func newBench(t *testing.T) *bench {
	db, err := store.Open(filepath.Join(t.TempDir(), "state.db"), store.State, store.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	batch, err := db.Batch()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, batch.Close()) })
	return &bench{&Context{
		Tx: batch.Tx(), Now: prefect.TimeOf(time.Now()), Rand: rand.New(rand.NewPCG(1, 2)),
		Settings: DefaultSettings(), Groups: Groups{Runs: 1}, Group: 1,
	}}
}

func (b *bench) tick() { b.c.Now = b.c.Now.Add(20 * prefect.Millisecond) }

// state makes a proposal of a variant; its times are relative to now.
func (b *bench) state(v variant) prefect.StateCreate {
	s := prefect.StateCreate{Type: v.Type, Name: v.Name, Data: v.Data}
	at := func(name string) prefect.Time {
		text, ok := v.Details[name].(string)
		if !ok {
			return 0
		}
		d, err := time.ParseDuration(strings.TrimPrefix(text, "now"))
		if err != nil {
			panic(err)
		}
		return b.c.Now.Add(prefect.SecondsOf(d.Seconds()))
	}
	s.Details.ScheduledTime, s.Details.PauseTimeout = at("scheduled_time"), at("pause_timeout")
	s.Details.PauseReschedule, _ = v.Details["pause_reschedule"].(bool)
	if k, ok := v.Details["pause_key"].(string); ok {
		s.Details.PauseKey = &k
	}
	return s
}

func (b *bench) newFlowRun(t *testing.T, v variant, name string, policy prefect.FlowRunPolicy) prefect.ID {
	body := prefect.FlowRunCreate{FlowID: b.c.NewID(1), EmpiricalPolicy: policy}
	pending := prefect.StateCreate{Type: prefect.Pending}
	direct := name != "Completed(persisted)"
	body.State = &pending
	if direct {
		s := b.state(v)
		body.State = &s
	}
	id := b.c.NewID(1)
	_, err := (&CreateFlowRun{ID: id, Body: body}).Run(b.c)
	require.NoError(t, err)
	b.tick()
	if !direct {
		_, err = (&SetFlowRunState{RunID: id, State: b.state(v), Force: true}).Run(b.c)
		require.NoError(t, err)
		b.tick()
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

func (b *bench) flowFigures(id prefect.ID) map[string]any {
	run := flowRun(b.c.Tx, id)
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

func (b *bench) taskFigures(id prefect.ID) map[string]any {
	run := taskRun(b.c.Tx, id)
	m := figures(progressOfTaskRun(run))
	m["flow_run_run_count"] = float64(run.FlowRunRunCount)
	return m
}

// compare checks an outcome; it answers the differences.
func compare(t *testing.T, c transitionCase, o *Orchestration, before, after map[string]any) string {
	changes := map[string]any{}
	for k, v := range after {
		if fmt.Sprint(v) != fmt.Sprint(before[k]) {
			changes[k] = v
		}
	}
	details := plain(t, o.Details)
	delete(details, "type")
	if len(details) == 0 {
		details = nil
	}
	http := 200
	if o.Created {
		http = 201
	}
	got := []any{http, o.Status, details, strip(plain(t, o.State)), changes}
	want := []any{c.HTTP, c.Status, c.Details, strip(c.State), c.RunChanges}
	for i := range got {
		g, _ := json.Marshal(got[i])
		w, _ := json.Marshal(want[i])
		g = anyUUID.ReplaceAll(g, []byte(`\u003cuuid\u003e`))
		if string(g) != string(w) && !(i == 2 && c.Status == waiting) {
			return fmt.Sprintf("%s %s -> %s force=%v policy=%v:\n got %s\nwant %s", c.Kind, c.From, c.To, c.Force, c.Policy, g, w)
		}
	}
	return ""
}

var anyUUID = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

func reportCases(t *testing.T, failures []string) {
	if len(failures) > 0 {
		t.Fatalf("%d cases differ:\n%s", len(failures), strings.Join(failures[:min(12, len(failures))], "\n"))
	}
}

// TestFlowRunTransitions replays what the Python server was seen to do.
func TestFlowRunTransitions(t *testing.T) {
	all := readTransitions(t, "transitions-flow.json.gz")
	b := newBench(t)
	var failures []string
	for _, c := range all.Cases {
		if c.Kind != "no-deployment" {
			continue
		}
		var policy prefect.FlowRunPolicy
		if c.Policy != nil {
			raw, _ := json.Marshal(c.Policy)
			require.NoError(t, prefect.Unmarshal(raw, &policy))
		}
		id := b.newFlowRun(t, all.Variants[c.From], c.From, policy)
		before := b.flowFigures(id)
		answer, err := (&SetFlowRunState{RunID: id, State: b.state(all.Variants[c.To]), Force: c.Force}).Run(b.c)
		require.NoError(t, err)
		if diff := compare(t, c, answer.(*Orchestration), before, b.flowFigures(id)); diff != "" {
			failures = append(failures, diff)
		}
		b.tick()
	}
	reportCases(t, failures)
}

// TestTaskRunTransitions does the same for task runs.
func TestTaskRunTransitions(t *testing.T) {
	all := readTransitions(t, "transitions-task.json.gz")
	flows := readTransitions(t, "transitions-flow.json.gz")
	b := newBench(t)
	var failures []string
	for i, c := range all.Cases {
		var parent prefect.ID
		name, isParent := strings.CutPrefix(c.Kind, "parent-flow-run:")
		switch {
		case isParent:
			parent = b.newFlowRun(t, flows.Variants[name], name, prefect.FlowRunPolicy{})
		case c.Kind == "in-running-flow":
			parent = b.newFlowRun(t, flows.Variants["Running"], "Running", prefect.FlowRunPolicy{})
		}
		body := prefect.TaskRunCreate{FlowRunID: parent, TaskKey: "k", DynamicKey: fmt.Sprint(i)}
		if c.Policy != nil {
			raw, _ := json.Marshal(c.Policy)
			require.NoError(t, prefect.Unmarshal(raw, &body.EmpiricalPolicy))
		}
		id := b.c.NewID(1)
		_, err := (&CreateTaskRun{ID: id, Body: body}).Run(b.c)
		require.NoError(t, err)
		b.tick()
		if !(isParent && c.From == "Pending") {
			first := b.state(all.Variants[c.From])
			if c.Kind == "deferred" && c.From == c.To { // captured with one proposal for both
				yes := true
				first.Details.Deferred = &yes
			}
			_, err = (&SetTaskRunState{RunID: id, State: first, Force: true}).Run(b.c)
			require.NoError(t, err)
			b.tick()
		}
		before := b.taskFigures(id)
		proposal := b.state(all.Variants[c.To])
		if c.Kind == "deferred" {
			yes := true
			proposal.Details.Deferred = &yes
		}
		answer, err := (&SetTaskRunState{RunID: id, State: proposal, Force: c.Force}).Run(b.c)
		require.NoError(t, err)
		if diff := compare(t, c, answer.(*Orchestration), before, b.taskFigures(id)); diff != "" {
			failures = append(failures, diff)
		}
		b.tick()
	}
	reportCases(t, failures)
}
