package ops

import (
	"context"

	"prefectd/prefect"
	"prefectd/store"
)

// What the pages of the web UI ask for.

// RunTime is a flow run as the UI's history of runs shows it.
type RunTime struct {
	ID        prefect.ID        `json:"id"`
	StateType prefect.StateType `json:"state_type"`
	Timestamp prefect.Time      `json:"timestamp"`
	Duration  prefect.Duration  `json:"duration"`
	Lateness  prefect.Duration  `json:"lateness"`
}

// RunTimes lists flow runs with their times.
func RunTimes(ctx context.Context, b Backend, f *prefect.FlowsScope, sort prefect.FlowRunSort, limit, offset int) ([]RunTime, error) {
	runs, _, err := listFlowRuns(ctx, b, &prefect.FlowRunsScope{FlowsScope: *f}, sort, Window{From: offset, Limit: limit, Bare: true})
	times := make([]RunTime, len(runs))
	for i, r := range runs {
		times[i] = RunTime{r.ID, r.StateType, r.Start(), r.EstimatedRunTime, r.EstimatedStartTimeDelta}
	}
	return times, err
}

// CountTasksOf counts the task runs of flow runs, without those that stand for a
// flow run.
type CountTasksOf struct {
	FlowRuns []prefect.ID
}

// Read answers a map[prefect.ID]int, with every flow run that has some.
func (q *CountTasksOf) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	no := false
	scope := RunScope{TaskRuns: &prefect.TaskRunFilter{
		FlowRunID:   &prefect.TaskRunFilterFlowRun{Any: q.FlowRuns, IsNull: &no},
		SubflowRuns: &prefect.TaskRunFilterSubflow{Exists: &no},
	}}
	counts := map[prefect.ID]int{}
	searchTaskRuns(tx, &scope, true).all(taskRunFlowRunColumn, func(r *prefect.TaskRun) bool {
		counts[r.FlowRunID]++
		return true
	})
	return counts, nil
}

// TaskRunCounts counts the task runs of each of some flow runs.
func TaskRunCounts(ctx context.Context, b Backend, runs []prefect.ID) (map[prefect.ID]int, error) {
	counts := zeros(runs)
	if len(runs) == 0 {
		return counts, nil
	}
	parts, err := askEach[map[prefect.ID]int](ctx, b, groupsOf(b, runs), &CountTasksOf{runs})
	for _, part := range parts {
		for id, n := range part {
			counts[id] += n
		}
	}
	return counts, err
}

func zeros(ids []prefect.ID) map[prefect.ID]int {
	counts := make(map[prefect.ID]int, len(ids))
	for _, id := range ids {
		counts[id] = 0
	}
	return counts
}

// NextRun is the run of a flow that is scheduled next.
type NextRun struct {
	ID        prefect.ID        `json:"id"`
	FlowID    prefect.ID        `json:"flow_id"`
	Name      string            `json:"name"`
	StateName string            `json:"state_name"`
	StateType prefect.StateType `json:"state_type"`
	Next      prefect.Time      `json:"next_scheduled_start_time"`
}

func (r *NextRun) before(other *NextRun) bool {
	return other == nil || r.Next < other.Next || r.Next == other.Next && r.ID.Compare(other.ID) < 0
}

// NextRunsOf finds the next runs of flows in a group.
type NextRunsOf struct {
	Flows []prefect.ID
}

// Read answers a map[prefect.ID]*NextRun by flow.
func (q *NextRunsOf) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	scope := RunScope{ByFlow: true, Flows: q.Flows, FlowRuns: &prefect.FlowRunFilter{State: &prefect.FlowRunFilterState{
		Type: &prefect.FlowRunFilterStateType{Any: []prefect.StateType{prefect.Scheduled}},
	}}}
	nearest := map[prefect.ID]prefect.ID{}
	times := map[prefect.ID]prefect.Time{}
	searchFlowRuns(tx, &scope).all(flowRunFlowColumn|flowRunNextColumn, func(r *prefect.FlowRun) bool {
		known := times[r.FlowID]
		if r.NextScheduledStartTime != 0 && (known == 0 || r.NextScheduledStartTime < known ||
			r.NextScheduledStartTime == known && r.ID.Compare(nearest[r.FlowID]) < 0) {
			nearest[r.FlowID], times[r.FlowID] = r.ID, r.NextScheduledStartTime
		}
		return true
	})
	next := map[prefect.ID]*NextRun{}
	for flow, id := range nearest {
		r := flowRun(tx, id)
		next[flow] = &NextRun{r.ID, r.FlowID, r.Name, *r.StateName, r.StateType, r.NextScheduledStartTime}
	}
	return next, nil
}

// NextRuns finds the next run of each of some flows, nil for one that has none.
func NextRuns(ctx context.Context, b Backend, flows []prefect.ID) (map[prefect.ID]*NextRun, error) {
	next := make(map[prefect.ID]*NextRun, len(flows))
	for _, id := range flows {
		next[id] = nil
	}
	parts, err := AskRuns[map[prefect.ID]*NextRun](ctx, b, &NextRunsOf{flows})
	for _, part := range parts {
		for flow, r := range part {
			if r.before(next[flow]) {
				next[flow] = r
			}
		}
	}
	return next, err
}

// CountByState counts runs by the type of their state; it prints all types.
type CountByState [prefect.Cancelling + 1]int

// MarshalJSON prints an object with a member of each type.
func (c CountByState) MarshalJSON() ([]byte, error) {
	object := make(map[string]int, len(prefect.StateTypes))
	for _, t := range prefect.StateTypes {
		object[t.String()] = c[t]
	}
	return prefect.Marshal(object)
}

// CountTaskStatesIn counts the task runs of a group that match, by state.
type CountTaskStatesIn struct {
	Scope RunScope
}

// Read answers a CountByState.
func (q *CountTaskStatesIn) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	var counts CountByState
	s := searchTaskRuns(tx, &q.Scope, true)
	if s.isAll() {
		for t := range everyType.All() {
			counts[t] = countTypes(s, store.TaskRunsByState, prefect.StateTypeSetOf(t))
		}
		return counts, nil
	}
	s.all(taskRunStateColumn, func(r *prefect.TaskRun) bool {
		counts[r.StateType]++
		return true
	})
	return counts, nil
}

// CountTaskStates counts the task runs that match, by state.
func CountTaskStates(ctx context.Context, b Backend, f *prefect.TaskRunsScope) (total CountByState, err error) {
	scope, err := taskRunScope(ctx, b, f)
	if err != nil || scope.Nothing {
		return total, err
	}
	parts, err := askEach[CountByState](ctx, b, scope.groups(b), &CountTaskStatesIn{scope})
	for _, part := range parts {
		for t, n := range part {
			total[t] += n
		}
	}
	return total, err
}

// Outcomes counts task runs that ended well, and others.
type Outcomes struct {
	Completed int `json:"completed"`
	Failed    int `json:"failed"`
}

// OutcomesIn counts the task runs of a group by the time of their start.
type OutcomesIn struct {
	Scope     RunScope
	Dashboard prefect.Dashboard
}

// Read answers a []Outcomes, one of each interval.
func (q *OutcomesIn) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	counts := make([]Outcomes, prefect.DashboardBuckets)
	searchTaskRuns(tx, &q.Scope, false).all(taskRunStateColumn|taskRunStartColumn, func(r *prefect.TaskRun) bool {
		n, ok := q.Dashboard.Bucket(r.StartTime)
		switch {
		case !ok:
		case r.StateType == prefect.Failed || r.StateType == prefect.Crashed:
			counts[n].Failed++
		default:
			counts[n].Completed++
		}
		return true
	})
	return counts, nil
}

// CountOutcomes counts the task runs that have ended by the time of their start.
func CountOutcomes(ctx context.Context, b Backend, q prefect.UITaskRunCountsQuery) ([]Outcomes, error) {
	start := q.TaskRuns.StartTime
	if start == nil || start.After == 0 {
		return nil, Unprocessable("task_runs.start_time.after_ is required")
	}
	total := make([]Outcomes, prefect.DashboardBuckets)
	tasks := *q.TaskRuns
	tasks.State = &prefect.TaskRunFilterState{Type: &prefect.TaskRunFilterStateType{
		Any: []prefect.StateType{prefect.Completed, prefect.Cancelled, prefect.Failed, prefect.Crashed},
	}}
	scope, err := taskRunScope(ctx, b, &prefect.TaskRunsScope{Flows: q.Flows, FlowRuns: q.FlowRuns, TaskRuns: &tasks, Deployments: q.Deployments})
	if err == nil && (q.WorkPools != nil || q.WorkQueues != nil) {
		err = scope.limitToQueues(ctx, b, q.WorkPools, q.WorkQueues)
	}
	if err != nil || scope.Nothing {
		return total, err
	}
	dashboard := prefect.NewDashboard(start.After, start.Before, b.Now())
	parts, err := askEach[[]Outcomes](ctx, b, scope.groups(b), &OutcomesIn{scope, dashboard})
	for _, part := range parts {
		for n, c := range part {
			total[n].Completed += c.Completed
			total[n].Failed += c.Failed
		}
	}
	return total, err
}
