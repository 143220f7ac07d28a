package ops

import (
	"context"
	"strings"

	"prefectd/prefect"
	"prefectd/store"
)

// FindFlowRuns finds the first flow runs of a group in an order.
type FindFlowRuns struct {
	Scope RunScope
	Sort  prefect.FlowRunSort
	Window
}

// FindTaskRuns finds the first task runs of a group in an order.
type FindTaskRuns struct {
	Scope RunScope
	Sort  prefect.TaskRunSort
	Now   prefect.Time // for orders by duration
	Window
}

// Window is the part of a list that is asked for.
type Window struct {
	From  int
	Limit int
	Rows  bool // answer the rows, not only where they are
	Bare  bool // of flow runs only the times
	Count bool // count all that match
}

// FoundRows is what a group found.
type FoundRows[T any] struct {
	Places []Found
	Rows   []*T
	Total  int
}

// Read answers a FoundRows[prefect.FlowRun].
func (q *FindFlowRuns) Read(tx *store.Tx, now prefect.Time) (any, error) {
	s := searchFlowRuns(tx, &q.Scope)
	answer := FoundRows[prefect.FlowRun]{Places: s.first(flowRunOrder(s, &q.Scope, q.Sort), q.From, q.Limit)}
	if q.Rows {
		answer.Rows = (&ReadFlowRuns{placeIDs(answer.Places), q.Bare}).rows(tx, now)
	}
	if q.Count {
		answer.Total = countFlowRuns(s)
	}
	return answer, nil
}

// Read answers a FoundRows[prefect.TaskRun].
func (q *FindTaskRuns) Read(tx *store.Tx, now prefect.Time) (any, error) {
	s := searchTaskRuns(tx, &q.Scope, q.Count)
	answer := FoundRows[prefect.TaskRun]{Places: s.first(taskRunOrder(q.Sort, s.match.Plan(), q.Now), q.From, q.Limit)}
	if q.Rows {
		answer.Rows = readTaskRunRows(tx, placeIDs(answer.Places), now)
	}
	if q.Count {
		answer.Total = countTaskRuns(s)
	}
	return answer, nil
}

func placeIDs(places []Found) []prefect.ID {
	ids := make([]prefect.ID, len(places))
	for i, f := range places {
		ids[i] = f.ID
	}
	return ids
}

// descends reports whether an order goes backwards. Those by duration do, as far
// as they go beyond it.
func descends(sort string) bool {
	return !strings.HasSuffix(sort, "_ASC") || sort == string(prefect.TaskRunDurationAsc)
}

// CountFlowRunsIn counts the flow runs of a group that match.
type CountFlowRunsIn struct {
	Scope RunScope
}

// Read answers an int.
func (q *CountFlowRunsIn) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	return countFlowRuns(searchFlowRuns(tx, &q.Scope)), nil
}

// CountTaskRunsIn counts the task runs of a group that match.
type CountTaskRunsIn struct {
	Scope RunScope
}

// Read answers an int.
func (q *CountTaskRunsIn) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	return countTaskRuns(searchTaskRuns(tx, &q.Scope, true)), nil
}

// countFlowRuns counts keys alone where they say enough.
func countFlowRuns(s *search[prefect.FlowRun]) int {
	if s.isAll() {
		return s.total()
	}
	if types, ok := s.onlyTypes(flowRunStateColumn, func(t prefect.StateType) *prefect.FlowRun { return &prefect.FlowRun{StateType: t} }); ok {
		return countTypes(s, store.FlowRunsByState, types)
	}
	return s.count()
}

func countTaskRuns(s *search[prefect.TaskRun]) int {
	if s.isAll() {
		return s.total()
	}
	if types, ok := s.onlyTypes(taskRunStateColumn, func(t prefect.StateType) *prefect.TaskRun { return &prefect.TaskRun{StateType: t} }); ok {
		return countTypes(s, store.TaskRunsByState, types)
	}
	return s.count()
}

// onlyTypes are the state types that pass, if the filter asks for nothing else.
func (s *search[T]) onlyTypes(column prefect.Columns, row func(prefect.StateType) *T) (types prefect.StateTypeSet, ok bool) {
	if s.decisive() != column || s.test != nil || s.exists != nil || s.none {
		return 0, false
	}
	for t := range prefect.Cancelling + 1 {
		if s.match.Match(row(t), column) == prefect.Yes {
			types |= prefect.StateTypeSetOf(t)
		}
	}
	return types, true
}

// countTypes counts the runs of some state types.
func countTypes[T any](s *search[T], ix *store.Index[T], types prefect.StateTypeSet) (n int) {
	for t := range types.All() {
		n += ix.Count(s.tx, store.Range{Prefix: store.Key{}.Byte(byte(t))})
	}
	return n
}

// ReadFlowRun reads one flow run.
type ReadFlowRun struct {
	ID prefect.ID
}

// Read answers a *prefect.FlowRun; 404 if there is none.
func (q *ReadFlowRun) Read(tx *store.Tx, now prefect.Time) (any, error) {
	run := flowRun(tx, q.ID)
	if run == nil {
		return nil, NotFound("Flow run not found")
	}
	return completeFlowRun(tx, run, now), nil
}

// ReadFlowRuns reads flow runs by id.
type ReadFlowRuns struct {
	IDs  []prefect.ID
	Bare bool // only their times
}

// Read answers a []*prefect.FlowRun, nil in the place of one that is gone.
func (q *ReadFlowRuns) Read(tx *store.Tx, now prefect.Time) (any, error) { return q.rows(tx, now), nil }

func (q *ReadFlowRuns) rows(tx *store.Tx, now prefect.Time) []*prefect.FlowRun {
	runs := make([]*prefect.FlowRun, len(q.IDs))
	times := store.FlowRuns.Project(idColumn | flowRunTimeColumns)
	for i, id := range q.IDs {
		if !q.Bare {
			if r := flowRun(tx, id); r != nil {
				runs[i] = completeFlowRun(tx, r, now)
			}
			continue
		}
		if r := new(prefect.FlowRun); times.Row(tx, key(id), r) {
			r.Compute(now)
			runs[i] = r
		}
	}
	return runs
}

// ReadTaskRuns reads task runs by id.
type ReadTaskRuns struct {
	IDs []prefect.ID
}

// Read answers a []*prefect.TaskRun, nil in the place of one that is gone.
func (q *ReadTaskRuns) Read(tx *store.Tx, now prefect.Time) (any, error) {
	return readTaskRunRows(tx, q.IDs, now), nil
}

func readTaskRunRows(tx *store.Tx, ids []prefect.ID, now prefect.Time) []*prefect.TaskRun {
	runs := make([]*prefect.TaskRun, len(ids))
	for i, id := range ids {
		if r := taskRun(tx, id); r != nil {
			runs[i] = completeTaskRun(tx, r, now)
		}
	}
	return runs
}

// ListFlowRuns reads a window of the flow runs that match.
func ListFlowRuns(ctx context.Context, b Backend, f *prefect.FlowRunsScope, sort prefect.FlowRunSort, limit, offset int) ([]*prefect.FlowRun, error) {
	runs, _, err := listFlowRuns(ctx, b, f, sort, Window{From: offset, Limit: limit})
	return runs, err
}

// PageFlowRuns does the same, and counts all that match.
func PageFlowRuns(ctx context.Context, b Backend, f *prefect.FlowRunsScope, sort prefect.FlowRunSort, limit, offset int) ([]*prefect.FlowRun, int, error) {
	return listFlowRuns(ctx, b, f, sort, Window{From: offset, Limit: limit, Count: true})
}

func listFlowRuns(ctx context.Context, b Backend, f *prefect.FlowRunsScope, sort prefect.FlowRunSort, w Window) ([]*prefect.FlowRun, int, error) {
	scope, err := runScope(ctx, b, f)
	if err != nil || scope.Nothing {
		return []*prefect.FlowRun{}, 0, err
	}
	runs, total, err := listing[prefect.FlowRun]{
		groups: scope.groups(b), desc: descends(string(sort)),
		find: func(w Window) Query { return &FindFlowRuns{scope, sort, w} },
		read: func(ids []prefect.ID) Query { return &ReadFlowRuns{ids, w.Bare} },
	}.rows(ctx, b, w)
	if err != nil {
		return nil, 0, err
	}
	return runs, total, nameQueues(ctx, b, runs)
}

// LookUpFlowRun reads one flow run, with the names of where it waits.
func LookUpFlowRun(ctx context.Context, b Backend, id prefect.ID) (*prefect.FlowRun, error) {
	run, err := Ask[*prefect.FlowRun](ctx, b, b.Groups().Of(id), &ReadFlowRun{ID: id})
	if err != nil {
		return nil, err
	}
	return run, nameQueues(ctx, b, []*prefect.FlowRun{run})
}

// CountFlowRuns counts the flow runs that match.
func CountFlowRuns(ctx context.Context, b Backend, f *prefect.FlowRunsScope) (int, error) {
	scope, err := runScope(ctx, b, f)
	if err != nil || scope.Nothing {
		return 0, err
	}
	return sum(askEach[int](ctx, b, scope.groups(b), &CountFlowRunsIn{scope}))
}

// ListTaskRuns reads a window of the task runs that match.
func ListTaskRuns(ctx context.Context, b Backend, f *prefect.TaskRunsScope, sort prefect.TaskRunSort, limit, offset int) ([]*prefect.TaskRun, error) {
	runs, _, err := listTaskRuns(ctx, b, f, sort, Window{From: offset, Limit: limit})
	return runs, err
}

// PageTaskRuns does the same, and counts all that match.
func PageTaskRuns(ctx context.Context, b Backend, f *prefect.TaskRunsScope, sort prefect.TaskRunSort, limit, offset int) ([]*prefect.TaskRun, int, error) {
	return listTaskRuns(ctx, b, f, sort, Window{From: offset, Limit: limit, Count: true})
}

func listTaskRuns(ctx context.Context, b Backend, f *prefect.TaskRunsScope, sort prefect.TaskRunSort, w Window) ([]*prefect.TaskRun, int, error) {
	scope, err := taskRunScope(ctx, b, f)
	if err != nil || scope.Nothing {
		return []*prefect.TaskRun{}, 0, err
	}
	now := b.Now()
	return listing[prefect.TaskRun]{
		groups: scope.groups(b), desc: descends(string(sort)),
		find: func(w Window) Query { return &FindTaskRuns{scope, sort, now, w} },
		read: func(ids []prefect.ID) Query { return &ReadTaskRuns{ids} },
	}.rows(ctx, b, w)
}

// CountTaskRuns counts the task runs that match.
func CountTaskRuns(ctx context.Context, b Backend, f *prefect.TaskRunsScope) (int, error) {
	scope, err := taskRunScope(ctx, b, f)
	if err != nil || scope.Nothing {
		return 0, err
	}
	return sum(askEach[int](ctx, b, scope.groups(b), &CountTaskRunsIn{scope}))
}

func sum(parts []int, err error) (total int, _ error) {
	for _, n := range parts {
		total += n
	}
	return total, err
}
