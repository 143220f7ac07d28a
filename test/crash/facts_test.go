package crash

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"prefectd/test/client"
)

// What the clients know: every fact is a claim about what the server must hold
// after it was killed. A write without an answer may have happened or not, but
// never in part.

// lifecycle is the states that a flow run passes through here.
var lifecycle = []string{"SCHEDULED", "PENDING", "RUNNING", "COMPLETED"}

// runFacts is what a client knows about a flow run.
type runFacts struct {
	name   string
	id     string   // empty when the creation was not answered
	states []string // ids of the states that were answered
	asked  bool     // one more was asked for and not answered
}

// check compares a flow run with what is known.
func (f *runFacts) check(ctx context.Context, c *client.Client) error {
	if f.id == "" {
		found, err := f.find(ctx, c)
		if err != nil || found == "" {
			return err
		}
		f.id = found
	}
	run, err := c.ReadRun(ctx, f.id)
	if err != nil {
		return err
	}
	states, err := c.RunStates(ctx, f.id)
	if err != nil {
		return err
	}
	if n := len(states); n < len(f.states) || n > len(f.states)+1 || (n > len(f.states) && !f.asked) || n == 0 {
		return fmt.Errorf("flow run %s has %d states, answered were %d, one more asked for: %v", f.id, n, len(f.states), f.asked)
	}
	for i, state := range states {
		if state.Type != lifecycle[i] || (i < len(f.states) && state.ID != f.states[i]) {
			return fmt.Errorf("flow run %s: state %d is %s %s", f.id, i, state.Type, state.ID)
		}
	}
	last := states[len(states)-1]
	if run.StateID != last.ID || run.StateType != last.Type {
		return fmt.Errorf("flow run %s reads %s, its last state is %s", f.id, run.StateType, last.Type)
	}
	if started := len(states) > slices.Index(lifecycle, "RUNNING"); (run.RunCount == 1) != started {
		return fmt.Errorf("flow run %s is %s, its run count %d", f.id, run.StateType, run.RunCount)
	}
	return checkEvents(ctx, c, "prefect.flow-run."+f.id, ids(states), ids(states))
}

// find looks for a run whose creation was not answered.
func (f *runFacts) find(ctx context.Context, c *client.Client) (id string, err error) {
	var found []client.FlowRun
	err = c.Call(ctx, "POST", "/flow_runs/filter", map[string]any{
		"flow_runs": map[string]any{"name": map[string]any{"any_": []string{f.name}}},
	}, &found)
	if err != nil || len(found) == 0 {
		return "", err
	}
	if len(found) > 1 {
		return "", fmt.Errorf("%d flow runs are called %s", len(found), f.name)
	}
	return found[0].ID, nil
}

func ids(states []client.State) (all []string) {
	for _, s := range states {
		all = append(all, s.ID)
	}
	return all
}

// checkEvents compares the events about a resource with those that must be there
// and those that may be.
func checkEvents(ctx context.Context, c *client.Client, resource string, must, may []string) error {
	events, total, err := c.EventsOf(ctx, resource)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, e := range events {
		if seen[e.ID] {
			return fmt.Errorf("%s: event %s is there twice", resource, e.ID)
		}
		seen[e.ID] = true
		if !slices.Contains(may, e.ID) {
			return fmt.Errorf("%s: event %s (%s) is nobody's", resource, e.ID, e.Event)
		}
	}
	for _, id := range must {
		if !seen[id] {
			return fmt.Errorf("%s: event %s is missing", resource, id)
		}
	}
	if total != len(events) {
		return fmt.Errorf("%s: %d events are counted, %d listed", resource, total, len(events))
	}
	return nil
}

// logBatch is how many records a request carries.
const logBatch = 20

// logFacts is what a client knows about the log records of one flow run.
type logFacts struct {
	run     string
	batches int  // that were answered
	asked   bool // one more was sent
}

func (f *logFacts) message(batch, i int) string { return fmt.Sprintf("batch %d record %d", batch, i) }

func (f *logFacts) records(batch int) []client.Log {
	records := make([]client.Log, logBatch)
	for i := range records {
		records[i] = client.NewLog(f.run, f.message(batch, i))
	}
	return records
}

func (f *logFacts) check(ctx context.Context, c *client.Client) error {
	read, err := c.ReadLogs(ctx, f.run)
	if err != nil {
		return err
	}
	count := map[string]int{}
	for _, record := range read {
		count[record.Message]++
	}
	batches := f.batches
	if f.asked && count[f.message(batches, 0)] > 0 {
		batches++
	}
	for b := range batches {
		for i := range logBatch {
			if n := count[f.message(b, i)]; n != 1 {
				return fmt.Errorf("logs of %s: %q is there %d times, answered were %d batches", f.run, f.message(b, i), n, f.batches)
			}
		}
	}
	if len(read) != batches*logBatch {
		return fmt.Errorf("logs of %s: %d records, not %d", f.run, len(read), batches*logBatch)
	}
	return nil
}

// taskFacts is what a client knows about a task run.
type taskFacts struct {
	id    string
	run   string // the flow run
	sent  []sentEvent
	acked int // how many of them came before an answered ping
}

type sentEvent struct {
	id   string
	body []byte
}

// taskStates are the states that a task run passes through, one an event.
var taskStates = []string{"PENDING", "RUNNING", "COMPLETED"}

// checkTasks compares task runs of one flow run with what is known.
func checkTasks(ctx context.Context, c *client.Client, run string, tasks []*taskFacts) error {
	read, err := c.TaskRunsOf(ctx, run)
	if err != nil {
		return err
	}
	found := map[string]client.ReadTaskRun{}
	for _, t := range read {
		if _, twice := found[t.ID]; twice {
			return fmt.Errorf("task run %s is listed twice", t.ID)
		}
		found[t.ID] = t
	}
	known := map[string]bool{}
	for _, t := range tasks {
		known[t.id] = true
		if err := t.check(ctx, c, found); err != nil {
			return err
		}
	}
	for id := range maps.Keys(found) {
		if !known[id] {
			return fmt.Errorf("task run %s of flow run %s is nobody's", id, run)
		}
	}
	return nil
}

func (t *taskFacts) check(ctx context.Context, c *client.Client, found map[string]client.ReadTaskRun) error {
	var may []string
	for _, e := range t.sent {
		may = append(may, e.id)
	}
	if err := checkEvents(ctx, c, "prefect.task-run."+t.id, may[:t.acked], may); err != nil {
		return err
	}
	row, there := found[t.id]
	if !there {
		if t.acked > 0 {
			return fmt.Errorf("task run %s is missing", t.id)
		}
		return nil
	}
	states, err := c.TaskRunStates(ctx, t.id)
	if err != nil {
		return err
	}
	if len(states) < t.acked || len(states) > len(t.sent) || len(states) == 0 {
		return fmt.Errorf("task run %s has %d states, of %d events before an answered ping and %d sent", t.id, len(states), t.acked, len(t.sent))
	}
	for i, s := range states {
		if s.Type != taskStates[i] {
			return fmt.Errorf("task run %s: state %d is %s", t.id, i, s.Type)
		}
	}
	if row.StateType != states[len(states)-1].Type {
		return fmt.Errorf("task run %s reads %s, its last state is %s", t.id, row.StateType, states[len(states)-1].Type)
	}
	if t.acked == len(taskStates) && !row.Completed() {
		return fmt.Errorf("task run %s is not complete: %+v", t.id, row)
	}
	return nil
}
