package ops

import (
	"cmp"
	"iter"
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

// taskRunByKey finds the task run that has keys in a flow run; without one, the
// first that has them.
func taskRunByKey(tx *store.Tx, flowRunID prefect.ID, taskKey, dynamicKey string) *prefect.TaskRun {
	for task := range store.TaskRunsByKey.Rows(tx, store.Range{Prefix: key(flowRunID).String(taskKey).String(dynamicKey)}) {
		return task
	}
	return nil
}

// stateOf reads a state with its data; nil if there is none.
func stateOf(tx *store.Tx, table *store.Table[prefect.State], id prefect.ID) *prefect.State {
	if id.IsNull() {
		return nil
	}
	if s := table.Get(tx, key(id)); s != nil {
		return withData(tx, s)
	}
	return nil
}

// withData fills in the data of a state.
func withData(tx *store.Tx, s *prefect.State) *prefect.State {
	s.Data = s.Recorded
	if !s.ResultArtifact.IsNull() {
		if a := store.Artifacts.Get(tx, key(s.ResultArtifact)); a != nil {
			s.Data = a.Data
		}
	}
	return s
}

// statesBack yields a run's states, without their data, from the newest to the first.
func statesBack(tx *store.Tx, table *store.Table[prefect.State], newest prefect.ID) iter.Seq[*prefect.State] {
	return func(yield func(*prefect.State) bool) {
		for id := newest; !id.IsNull(); {
			s := table.Get(tx, key(id))
			if s == nil {
				return
			}
			id = s.Previous
			if !yield(s) {
				return
			}
		}
	}
}

// history lists a run's states by time.
func history(tx *store.Tx, table *store.Table[prefect.State], newest prefect.ID) []*prefect.State {
	var states []*prefect.State
	for s := range statesBack(tx, table, newest) {
		states = append(states, withData(tx, s))
	}
	slices.Reverse(states)
	slices.SortStableFunc(states, func(a, b *prefect.State) int { return cmp.Compare(a.Timestamp, b.Timestamp) })
	return states
}
