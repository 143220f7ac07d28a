package ops

import (
	"context"
	"strings"

	"prefectd/prefect"
	"prefectd/store"
)

// taskRunScope looks up what a run group does not know.
func taskRunScope(ctx context.Context, b Backend, f *prefect.TaskRunsScope) (RunScope, error) {
	return runScope(ctx, b, &prefect.FlowRunsScope{FlowsScope: prefect.FlowsScope{
		Flows: f.Flows, FlowRuns: f.FlowRuns, TaskRuns: f.TaskRuns, Deployments: f.Deployments,
	}})
}

// taskRunOrderColumns are those that orders of task runs, and the test of the
// flow run, look at.
var taskRunOrderColumns = prefect.ColumnSet(4, 5, 16, 20, 21, 23, 24, 25)

// taskRunSearch is the search for the task runs of a scope.
func taskRunSearch(tx *store.Tx, s *RunScope, order func(a, b *prefect.TaskRun) int) *search[prefect.TaskRun] {
	return &search[prefect.TaskRun]{
		match: s.TaskRuns.Compile(),
		also:  s.alsoTaskRun(tx),
		needs: taskRunOrderColumns,
		full:  func(r *prefect.TaskRun) *prefect.TaskRun { return taskRun(tx, r.ID) },
		order: order,
		keep: func(r *prefect.TaskRun) *prefect.TaskRun {
			return &prefect.TaskRun{
				ID: r.ID, Name: strings.Clone(r.Name), ExpectedStartTime: r.ExpectedStartTime,
				NextScheduledStartTime: r.NextScheduledStartTime, EndTime: r.EndTime,
				TotalRunTime: r.TotalRunTime, StateType: r.StateType, StateTimestamp: r.StateTimestamp,
			}
		},
	}
}

// alsoTaskRun tests the flow run of a task run, which is in the same group. It
// looks at each flow run once.
func (s *RunScope) alsoTaskRun(tx *store.Tx) func(*prefect.TaskRun) bool {
	if !s.ByFlow && s.FlowRuns == nil {
		return nil
	}
	flows, runs := setOfIDs(s.Flows), s.FlowRuns.Compile()
	known := map[prefect.ID]bool{}
	return func(r *prefect.TaskRun) bool {
		passes, seen := known[r.FlowRunID]
		if !seen {
			run := flowRun(tx, r.FlowRunID)
			passes = run != nil && (!s.ByFlow || flows[run.FlowID]) && runs.Match(run, prefect.AllColumns) == prefect.Yes
			known[r.FlowRunID] = passes
		}
		return passes
	}
}

// taskRunCandidates chooses how to reach the task runs of a scope.
func taskRunCandidates(tx *store.Tx, s *RunScope, m *prefect.Matcher[prefect.TaskRun], sort prefect.TaskRunSort) candidates[prefect.TaskRun] {
	plan := m.Plan()
	runs := plan.FlowRunIDs
	if of := s.FlowRuns.Compile().Plan().IDs; runs == nil && of != nil {
		runs = of
	}
	switch {
	case plan.IDs != nil:
		return candidates[prefect.TaskRun]{rows: rowsByID(tx, store.TaskRuns, plan.IDs)}
	case runs != nil:
		ix := store.TaskRunsByKey
		return candidates[prefect.TaskRun]{rows: indexed(tx, ix, ix.Merged(tx, 16, prefixes(runs, false)...))}
	}
	return taskRunsInOrder(tx, m, sort)
}

// taskRunsInOrder walks the index of an order, or the one that decides the filter
// best.
func taskRunsInOrder(tx *store.Tx, m *prefect.Matcher[prefect.TaskRun], sort prefect.TaskRunSort) candidates[prefect.TaskRun] {
	plan, ix := m.Plan(), store.TaskRunsByExpected
	byExpected := func(desc, ordered bool) candidates[prefect.TaskRun] {
		entries := ix.Entries(tx, within(nil, plan.Expected, desc))
		return candidates[prefect.TaskRun]{covered(ix, entries, func(r *prefect.TaskRun, id prefect.ID) { r.ID = id }), ordered}
	}
	byName := func(desc bool) candidates[prefect.TaskRun] {
		ix := store.TaskRunsByName
		return candidates[prefect.TaskRun]{indexed(tx, ix, ix.Entries(tx, store.Range{Desc: desc})), true}
	}
	everything := m.Always() == prefect.Yes
	switch sort {
	case prefect.TaskRunExpectedStartAsc:
		return byExpected(false, true)
	case prefect.TaskRunExpectedStartDesc:
		return byExpected(true, true)
	case prefect.TaskRunNameAsc, prefect.TaskRunNameDesc:
		if everything {
			return byName(sort == prefect.TaskRunNameDesc)
		}
	case prefect.TaskRunNextStartAsc, prefect.TaskRunEndTimeDesc, prefect.TaskRunDurationAsc, prefect.TaskRunDurationDesc:
	default:
		if everything || m.Columns()&^(ix.Cover|idColumn) != 0 {
			return candidates[prefect.TaskRun]{tableRows(tx, store.TaskRuns, true), true}
		}
	}
	return byExpected(false, false)
}

// FindTaskRuns finds the first task runs of a group in an order.
type FindTaskRuns struct {
	Scope RunScope
	Sort  prefect.TaskRunSort
	Most  int
	Now   prefect.Time // for orders by duration
}

// Read answers a []*prefect.TaskRun with id and what the orders look at.
func (q *FindTaskRuns) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	s := taskRunSearch(tx, &q.Scope, q.Sort.Order(q.Now))
	return s.first(taskRunCandidates(tx, &q.Scope, s.match, q.Sort), q.Most), nil
}

// ReadTaskRuns reads task runs by id.
type ReadTaskRuns struct {
	IDs []prefect.ID
}

// Read answers a []*prefect.TaskRun, without those that the group does not hold.
func (q *ReadTaskRuns) Read(tx *store.Tx, now prefect.Time) (any, error) {
	runs := []*prefect.TaskRun{}
	for _, id := range q.IDs {
		if r := taskRun(tx, id); r != nil {
			runs = append(runs, completeTaskRun(tx, r, now))
		}
	}
	return runs, nil
}

// ListTaskRuns reads a window of the task runs that match.
func ListTaskRuns(ctx context.Context, b Backend, f *prefect.TaskRunsScope, sort prefect.TaskRunSort, limit, offset int) ([]*prefect.TaskRun, error) {
	scope, err := taskRunScope(ctx, b, f)
	if err != nil || scope.Nothing || limit == 0 {
		return []*prefect.TaskRun{}, err
	}
	now := b.Now()
	parts, err := AskRuns[[]*prefect.TaskRun](ctx, b, &FindTaskRuns{scope, sort, offset + limit, now})
	if err != nil {
		return nil, err
	}
	page := mergeWindow(parts, sort.Order(now), limit, offset)
	ids := make([]prefect.ID, len(page))
	for i, r := range page {
		ids[i] = r.ID
	}
	rows, err := AskRuns[[]*prefect.TaskRun](ctx, b, &ReadTaskRuns{ids})
	if err != nil {
		return nil, err
	}
	return inOrder(ids, rows, func(r *prefect.TaskRun) prefect.ID { return r.ID }), nil
}

// CountTaskRunsIn counts the task runs of a group that match.
type CountTaskRunsIn struct {
	Scope RunScope
}

// Read answers an int.
func (q *CountTaskRunsIn) Read(tx *store.Tx, now prefect.Time) (any, error) {
	const sort = prefect.TaskRunExpectedStartAsc
	s := taskRunSearch(tx, &q.Scope, sort.Order(now))
	if s.also == nil && s.match.Always() == prefect.Yes {
		return store.TaskRuns.Count(tx, store.Range{}), nil
	}
	return s.count(taskRunCandidates(tx, &q.Scope, s.match, sort)), nil
}

// CountTaskRuns counts the task runs that match.
func CountTaskRuns(ctx context.Context, b Backend, f *prefect.TaskRunsScope) (int, error) {
	scope, err := taskRunScope(ctx, b, f)
	if err != nil || scope.Nothing {
		return 0, err
	}
	return sum(AskRuns[int](ctx, b, &CountTaskRunsIn{scope}))
}
