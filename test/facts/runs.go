package facts

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"prefectd/test/client"
)

// lifecycle is the states that a flow run passes through here.
var lifecycle = []string{"SCHEDULED", "PENDING", "RUNNING", "COMPLETED"}

// runFacts is what a client knows about a flow run.
type runFacts struct {
	name   string
	id     string   // empty when the creation was not answered
	states []string // ids of the states that were answered
	asked  bool     // one more was asked for, with an unknown outcome
}

// run takes a flow run through its life.
func (w worker) run(ctx context.Context, f *runFacts) error {
	for n, state := range lifecycle {
		id, err := w.step(ctx, f, n, state)
		f.asked = err != nil && !client.NotDone(err)
		if err != nil {
			return err
		}
		f.states = append(f.states, id)
		err = w.answered(f.id, func(c *client.Client) error {
			run, err := c.ReadRun(ctx, f.id)
			if err == nil && run.StateID != id {
				return Violationf("flow run %s reads state %s %s at once after %s %s was answered", f.id, run.StateType, run.StateID, state, id)
			}
			return missing(err, "flow run %s, just answered,", f.id)
		})
		if err != nil {
			return err
		}
		w.rest(ctx, 1)
	}
	return nil
}

// step writes one state of a flow run, the first with the run.
func (w worker) step(ctx context.Context, f *runFacts, n int, state string) (id string, err error) {
	c := w.Asks(w.number)
	if n > 0 {
		return c.SetState(ctx, f.id, state)
	}
	run, err := c.CreateRun(ctx, client.NewRun{FlowID: w.flow, Name: f.name, State: state})
	f.id = run.ID
	return run.StateID, err
}

// missing makes a violation of an answer that says that something is not there.
func missing(err error, format string, a ...any) error {
	var refused *client.StatusError
	if errors.As(err, &refused) && refused.Status == 404 {
		return Violationf("%s is missing", fmt.Sprintf(format, a...))
	}
	return err
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
