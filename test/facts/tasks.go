package facts

import (
	"context"
	"fmt"
	"maps"

	"prefectd/test/client"
)

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
