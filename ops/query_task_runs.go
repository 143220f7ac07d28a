package ops

import (
	"sync"

	"prefectd/prefect"
	"prefectd/store"
)

// The columns of task runs that paths and orders look at.
var (
	taskRunNameColumn      = prefect.ColumnSet(4)
	taskRunFlowRunColumn   = prefect.ColumnSet(5)
	taskRunStateColumn     = prefect.ColumnSet(16)
	taskRunStateNameColumn = prefect.ColumnSet(17)
	taskRunExpectedColumn  = prefect.ColumnSet(20)
	taskRunNextColumn      = prefect.ColumnSet(21)
	taskRunStartColumn     = prefect.ColumnSet(22)
	taskRunEndColumn       = prefect.ColumnSet(23)
	// Those of the estimates that change with time.
	taskRunTimeColumns = prefect.ColumnSet(16, 20, 22, 24, 25)
)

// searchTaskRuns prepares the search for the task runs of a scope; counting says
// that all of them are going to be looked at.
func searchTaskRuns(tx *store.Tx, scope *RunScope, counting bool) *search[prefect.TaskRun] {
	s := &search[prefect.TaskRun]{
		tx: tx, table: store.TaskRuns, id: func(r *prefect.TaskRun) *prefect.ID { return &r.ID },
		match: scope.TaskRuns.Compile(), none: scope.Nothing,
	}
	s.wholes = ways(
		through(store.TaskRunsByName, store.Range{}).telling(taskRunNameColumn, nameOfTaskRun),
		through(store.TaskRunsByExpected, store.Range{}),
		along(store.TaskRuns, store.Range{}))
	s.total = sync.OnceValue(func() int { return store.TaskRuns.Count(tx, store.Range{}) })
	plan := s.match.Plan()
	s.paths = taskRunPaths(&plan)
	if !s.isNone() && (scope.ByFlow || scope.ByQueue || scope.FlowRuns != nil) {
		limitToFlowRuns(s, scope, counting)
	}
	return s
}

// taskRunPaths are those that a filter implies, by what it asks for.
func taskRunPaths(plan *prefect.Plan) (paths []*path[prefect.TaskRun]) {
	add := func(p *path[prefect.TaskRun]) { paths = append(paths, p) }
	if plan.IDs != nil {
		add(along(store.TaskRuns, each(plan.IDs, key, prefect.Span{}, false)...))
	}
	if plan.FlowRunIDs != nil {
		add(taskRunsOfFlowRuns(plan.FlowRunIDs))
	}
	if plan.Names != nil {
		add(through(store.TaskRunsByName, each(plan.Names, textKey, prefect.Span{}, false)...).telling(taskRunNameColumn, nameOfTaskRun))
	}
	if plan.States != 0 || plan.Start.IsBounded() {
		add(taskRunsByState(plan.States, plan.Start))
	}
	if plan.Expected.IsBounded() {
		add(through(store.TaskRunsByExpected, within(nil, plan.Expected, false)))
	}
	if plan.End.IsBounded() {
		add(taskRunsByEnd(plan.End, false))
	}
	return paths
}

func nameOfTaskRun(e *store.Entry, r *prefect.TaskRun) (ok bool) {
	r.Name, ok = e.Key.StringAt(0)
	return ok
}

func taskRunsOfFlowRuns(ids []prefect.ID) *path[prefect.TaskRun] {
	return through(store.TaskRunsByKey, each(ids, key, prefect.Span{}, false)...).
		telling(taskRunFlowRunColumn, func(e *store.Entry, r *prefect.TaskRun) bool {
			r.FlowRunID = e.Key.IDAt(0)
			return true
		})
}

func taskRunsByState(types prefect.StateTypeSet, span prefect.Span) *path[prefect.TaskRun] {
	return through(store.TaskRunsByState, byState(types, span, false)...).
		telling(taskRunStateColumn|taskRunStartColumn, func(e *store.Entry, r *prefect.TaskRun) bool {
			r.StateType, r.StartTime = prefect.StateType(e.Key[0]), e.Key.TimeAt(1)
			return true
		})
}

func taskRunsByEnd(span prefect.Span, desc bool) *path[prefect.TaskRun] {
	return through(store.TaskRunsByEnd, within(nil, span, desc)).
		telling(taskRunEndColumn, func(e *store.Entry, r *prefect.TaskRun) bool {
			r.EndTime = e.Key.TimeAt(0)
			return true
		})
}

// taskRunOrder is an order of task runs; durations depend on the time.
func taskRunOrder(sort prefect.TaskRunSort, plan prefect.Plan, now prefect.Time) *order[prefect.TaskRun] {
	desc := descends(string(sort))
	byTime := func(columns prefect.Columns, get func(*prefect.TaskRun) prefect.Time) *order[prefect.TaskRun] {
		return &order[prefect.TaskRun]{desc: desc, columns: columns, place: func(r *prefect.TaskRun, k store.Key) store.Key {
			return k.Time(get(r)).ID(r.ID)
		}}
	}
	var o *order[prefect.TaskRun]
	switch sort {
	case prefect.TaskRunExpectedStartAsc, prefect.TaskRunExpectedStartDesc:
		o = byTime(taskRunExpectedColumn, func(r *prefect.TaskRun) prefect.Time { return r.ExpectedStartTime })
		o.paths = ways(through(store.TaskRunsByExpected, within(nil, plan.Expected, desc)).inOrder())
	case prefect.TaskRunNameAsc, prefect.TaskRunNameDesc:
		o = &order[prefect.TaskRun]{desc: desc, columns: taskRunNameColumn}
		o.place = func(r *prefect.TaskRun, k store.Key) store.Key { return k.String(r.Name).ID(r.ID) }
		o.paths = ways(through(store.TaskRunsByName, store.Range{Desc: desc}).telling(taskRunNameColumn, nameOfTaskRun).inOrder())
	case prefect.TaskRunNextStartAsc:
		next := func(r *prefect.TaskRun) prefect.Time { return r.NextScheduledStartTime }
		o = byTime(taskRunNextColumn, next)
		o.paths = ways(
			along(store.TaskRuns, store.Range{}).without(taskRunNextColumn, next),
			through(store.TaskRunsByNext, store.Range{}).inOrder())
	case prefect.TaskRunEndTimeDesc:
		end := func(r *prefect.TaskRun) prefect.Time { return r.EndTime }
		o = byTime(taskRunEndColumn, end)
		o.paths = ways(taskRunsByEnd(plan.End, true).inOrder())
		if !plan.End.IsBounded() {
			o.paths = append(o.paths, along(store.TaskRuns, store.Range{Desc: true}).without(taskRunEndColumn, end))
		}
	case prefect.TaskRunDurationAsc, prefect.TaskRunDurationDesc:
		o = &order[prefect.TaskRun]{desc: desc, columns: taskRunTimeColumns}
		o.place = func(r *prefect.TaskRun, k store.Key) store.Key {
			r.Compute(now)
			length := r.EstimatedRunTime
			if sort == prefect.TaskRunDurationAsc { // all that follows descends
				length = -length
			}
			return k.Time(prefect.Time(length)).Time(r.ExpectedStartTime).ID(r.ID)
		}
	default:
		o = &order[prefect.TaskRun]{desc: desc, place: func(r *prefect.TaskRun, k store.Key) store.Key { return k.ID(r.ID) }}
		o.paths = ways(along(store.TaskRuns, store.Range{Desc: true}).inOrder())
	}
	return o
}
