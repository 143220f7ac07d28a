package ops

import (
	"context"

	"prefectd/prefect"
	"prefectd/store"
)

// FlowRunHistoryIn makes the history of a group's flow runs that match.
type FlowRunHistoryIn struct {
	Scope RunScope
	Range prefect.HistoryRange
	Now   prefect.Time
}

// Read answers a prefect.History.
func (q *FlowRunHistoryIn) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	h, span, err := emptyHistory(q.Range)
	if err != nil {
		return nil, err
	}
	s := searchFlowRuns(tx, &q.Scope)
	s.paths = append(s.paths, through(store.FlowRunsByExpected, within(nil, span, false)))
	s.all(flowRunTimeColumns|flowRunStateNameColumn, func(r *prefect.FlowRun) bool {
		h.AddFlowRun(r, q.Now)
		return true
	})
	return h, nil
}

// TaskRunHistoryIn makes the history of a group's task runs that match.
type TaskRunHistoryIn struct {
	Scope RunScope
	Range prefect.HistoryRange
	Now   prefect.Time
}

// Read answers a prefect.History.
func (q *TaskRunHistoryIn) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	h, span, err := emptyHistory(q.Range)
	if err != nil {
		return nil, err
	}
	s := searchTaskRuns(tx, &q.Scope, false)
	s.paths = append(s.paths, through(store.TaskRunsByExpected, within(nil, span, false)))
	s.all(taskRunTimeColumns|taskRunStateNameColumn, func(r *prefect.TaskRun) bool {
		h.AddTaskRun(r, q.Now)
		return true
	})
	return h, nil
}

// emptyHistory has the buckets of a range; span is the times that they cover.
func emptyHistory(r prefect.HistoryRange) (h prefect.History, span prefect.Span, err error) {
	if h, err = r.Buckets(); err != nil {
		return nil, span, Unprocessable(err.Error())
	}
	span.From, span.To = h.Span()
	span.To--
	return h, span, nil
}

// FlowRunHistory counts flow runs by interval and state.
func FlowRunHistory(ctx context.Context, b Backend, f *prefect.FlowRunsScope, r prefect.HistoryRange) (prefect.History, error) {
	scope, err := runScope(ctx, b, f)
	if err != nil {
		return nil, err
	}
	return runHistory(ctx, b, &scope, r, &FlowRunHistoryIn{scope, r, b.Now()})
}

// TaskRunHistory counts task runs by interval and state.
func TaskRunHistory(ctx context.Context, b Backend, f *prefect.TaskRunsScope, r prefect.HistoryRange) (prefect.History, error) {
	scope, err := taskRunScope(ctx, b, f)
	if err != nil {
		return nil, err
	}
	return runHistory(ctx, b, &scope, r, &TaskRunHistoryIn{scope, r, b.Now()})
}

// runHistory adds up what the groups answer.
func runHistory(ctx context.Context, b Backend, scope *RunScope, r prefect.HistoryRange, q Query) (prefect.History, error) {
	h, _, err := emptyHistory(r)
	if err != nil || len(h) == 0 || scope.Nothing {
		return h, err
	}
	parts, err := askEach[prefect.History](ctx, b, scope.groups(b), q)
	if err != nil {
		return nil, err
	}
	for _, part := range parts {
		h.Merge(part)
	}
	return h, nil
}

// LatenessIn adds up the lateness of a group's flow runs that match.
type LatenessIn struct {
	Scope RunScope
	Now   prefect.Time
}

// Lateness is a sum over so many runs.
type Lateness struct {
	Runs int
	Sum  prefect.Duration
}

// Read answers a Lateness.
func (q *LatenessIn) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	var total Lateness
	searchFlowRuns(tx, &q.Scope).all(flowRunTimeColumns, func(r *prefect.FlowRun) bool {
		r.Compute(q.Now)
		total.Runs++
		total.Sum += r.EstimatedStartTimeDelta
		return true
	})
	return total, nil
}

// AverageLateness is the mean lateness of the flow runs that match, in seconds;
// nil if there are none.
func AverageLateness(ctx context.Context, b Backend, f *prefect.FlowRunsScope) (*prefect.Float, error) {
	scope, err := runScope(ctx, b, f)
	if err != nil || scope.Nothing {
		return nil, err
	}
	parts, err := askEach[Lateness](ctx, b, scope.groups(b), &LatenessIn{scope, b.Now()})
	if err != nil {
		return nil, err
	}
	var total Lateness
	for _, part := range parts {
		total.Runs += part.Runs
		total.Sum += part.Sum
	}
	if total.Runs == 0 {
		return nil, nil
	}
	mean := prefect.Float((total.Sum / prefect.Duration(total.Runs)).Seconds())
	return &mean, nil
}
