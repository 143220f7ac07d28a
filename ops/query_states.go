package ops

import (
	"context"

	"prefectd/prefect"
	"prefectd/store"
)

// ReadState reads one state by its id.
type ReadState struct {
	ID       prefect.ID
	TaskRuns bool // a state of a task run
}

func stateTable(taskRuns bool) *store.Table[prefect.State] {
	if taskRuns {
		return store.TaskRunStates
	}
	return store.FlowRunStates
}

// Read answers a *prefect.State, nil if this group doesn't hold it.
func (q *ReadState) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	return stateOf(tx, stateTable(q.TaskRuns), q.ID), nil
}

// FindState reads a state wherever it is; 404 if there is none.
func FindState(ctx context.Context, b Backend, q *ReadState) (*prefect.State, error) {
	parts, err := AskRuns[*prefect.State](ctx, b, q)
	if err != nil {
		return nil, err
	}
	for _, s := range parts {
		if s != nil {
			return s, nil
		}
	}
	return nil, NotFound("Flow run state not found")
}

// StatesOf lists the states of a run.
type StatesOf struct {
	RunID    prefect.ID
	TaskRuns bool // it is a task run
}

// Read answers a []*prefect.State by time; none for a run that isn't here.
func (q *StatesOf) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	states := []*prefect.State{}
	if q.TaskRuns {
		if r := taskRun(tx, q.RunID); r != nil {
			states = append(states, history(tx, store.TaskRunStates, r.StateID)...)
		}
		return states, nil
	}
	if r := flowRun(tx, q.RunID); r != nil {
		states = append(states, history(tx, store.FlowRunStates, r.StateID)...)
	}
	return states, nil
}

// ListStates lists the states of a run wherever it is.
func ListStates(ctx context.Context, b Backend, q *StatesOf) ([]*prefect.State, error) {
	parts, err := AskRuns[[]*prefect.State](ctx, b, q)
	if err != nil {
		return nil, err
	}
	for _, states := range parts {
		if len(states) > 0 {
			return states, nil
		}
	}
	return []*prefect.State{}, nil
}
