package ops

import (
	"context"

	"prefectd/prefect"
	"prefectd/store"
)

// HistoryIn makes the history of a group's runs that match.
type HistoryIn struct {
	Scope    RunScope
	TaskRuns bool // of task runs, not flow runs
	Range    prefect.HistoryRange
	Now      prefect.Time
}

// Read answers a prefect.History.
func (q *HistoryIn) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	h, err := q.Range.Buckets()
	if err != nil {
		return nil, Unprocessable(err.Error())
	}
	from, to := h.Span()
	within := &prefect.FilterTime{After: from, Before: to}
	if q.TaskRuns {
		q.addTaskRuns(tx, h, within)
	} else {
		q.addFlowRuns(tx, h, within)
	}
	return h, nil
}

func (q *HistoryIn) addFlowRuns(tx *store.Tx, h prefect.History, within *prefect.FilterTime) {
	const sort = prefect.FlowRunExpectedStartAsc
	s := flowRunSearch(tx, &q.Scope, sort)
	s.needs |= prefect.ColumnSet(19, 20, 26, 32)
	path := flowRunCandidates(tx, &q.Scope, s.match, sort)
	if path.ordered {
		inTime := (&prefect.FlowRunFilter{ExpectedStartTime: within}).Compile()
		path = flowRunsInOrder(tx, inTime, sort, false)
	}
	for r := range s.each(path) {
		h.AddFlowRun(r, q.Now)
	}
}

func (q *HistoryIn) addTaskRuns(tx *store.Tx, h prefect.History, within *prefect.FilterTime) {
	const sort = prefect.TaskRunExpectedStartAsc
	s := taskRunSearch(tx, &q.Scope, sort.Order(q.Now))
	s.needs |= prefect.ColumnSet(16, 17, 22, 24, 25)
	path := taskRunCandidates(tx, &q.Scope, s.match, sort)
	if path.ordered {
		inTime := (&prefect.TaskRunFilter{ExpectedStartTime: within}).Compile()
		path = taskRunsInOrder(tx, inTime, sort)
	}
	for r := range s.each(path) {
		h.AddTaskRun(r, q.Now)
	}
}

// FlowRunHistory counts flow runs by interval and state.
func FlowRunHistory(ctx context.Context, b Backend, f *prefect.FlowRunsScope, r prefect.HistoryRange) (prefect.History, error) {
	scope, err := runScope(ctx, b, f)
	if err != nil {
		return nil, err
	}
	return runHistory(ctx, b, &HistoryIn{Scope: scope, Range: r})
}

// TaskRunHistory counts task runs by interval and state.
func TaskRunHistory(ctx context.Context, b Backend, f *prefect.TaskRunsScope, r prefect.HistoryRange) (prefect.History, error) {
	scope, err := taskRunScope(ctx, b, f)
	if err != nil {
		return nil, err
	}
	return runHistory(ctx, b, &HistoryIn{Scope: scope, TaskRuns: true, Range: r})
}

func runHistory(ctx context.Context, b Backend, q *HistoryIn) (prefect.History, error) {
	q.Now = b.Now()
	h, err := q.Range.Buckets()
	if err != nil {
		return nil, Unprocessable(err.Error())
	}
	if len(h) == 0 || q.Scope.Nothing {
		return h, nil
	}
	parts, err := AskRuns[prefect.History](ctx, b, q)
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
	const sort = prefect.FlowRunStartTimeAsc
	s := flowRunSearch(tx, &q.Scope, sort)
	s.needs |= prefect.ColumnSet(19, 26, 32)
	var total Lateness
	for r := range s.each(flowRunCandidates(tx, &q.Scope, s.match, sort)) {
		r.Compute(q.Now)
		total.Runs++
		total.Sum += r.EstimatedStartTimeDelta
	}
	return total, nil
}

// AverageLateness is the mean lateness of the flow runs that match, in seconds;
// nil if there are none.
func AverageLateness(ctx context.Context, b Backend, f *prefect.FlowRunsScope) (*prefect.Float, error) {
	scope, err := runScope(ctx, b, f)
	if err != nil || scope.Nothing {
		return nil, err
	}
	parts, err := AskRuns[Lateness](ctx, b, &LatenessIn{scope, b.Now()})
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
	mean := prefect.Float(total.Sum.Seconds() / float64(total.Runs))
	return &mean, nil
}
