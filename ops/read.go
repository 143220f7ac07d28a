package ops

import (
	"slices"

	"prefectd/prefect"
	"prefectd/store"
)

func key(id prefect.ID) store.Key { return store.Key{}.ID(id) }

// flowRun reads a flow run's row; nil if there is none.
func flowRun(tx *store.Tx, id prefect.ID) *prefect.FlowRun { return store.FlowRuns.Get(tx, key(id)) }

// taskRun reads a task run's row; nil if there is none.
func taskRun(tx *store.Tx, id prefect.ID) *prefect.TaskRun { return store.TaskRuns.Get(tx, key(id)) }

// completeFlowRun fills what a flow run answers beyond its row: the current
// state and the estimates.
func completeFlowRun(tx *store.Tx, r *prefect.FlowRun, now prefect.Time) *prefect.FlowRun {
	r.State = stateOf(tx, store.FlowRunStates, r.StateID)
	r.Compute(now)
	return r
}

// completeTaskRun does the same for a task run.
func completeTaskRun(tx *store.Tx, r *prefect.TaskRun, now prefect.Time) *prefect.TaskRun {
	r.State = stateOf(tx, store.TaskRunStates, r.StateID)
	r.Compute(now)
	return r
}

// stateOf reads a state with its data; nil if there is none.
func stateOf(tx *store.Tx, table *store.Table[prefect.State], id prefect.ID) *prefect.State {
	if id.IsNull() {
		return nil
	}
	s := table.Get(tx, key(id))
	if s == nil {
		return nil
	}
	s.Data = s.Recorded
	if !s.ResultArtifact.IsNull() {
		if a := store.Artifacts.Get(tx, key(s.ResultArtifact)); a != nil {
			s.Data = a.Data
		}
	}
	return s
}

// history lists a run's states by time, from its newest along the chain.
func history(tx *store.Tx, table *store.Table[prefect.State], newest prefect.ID) []*prefect.State {
	var states []*prefect.State
	for id := newest; !id.IsNull(); {
		s := stateOf(tx, table, id)
		if s == nil {
			break
		}
		states = append(states, s)
		id = s.Previous
	}
	slices.Reverse(states)
	slices.SortStableFunc(states, func(a, b *prefect.State) int { return int(a.Timestamp - b.Timestamp) })
	return states
}
