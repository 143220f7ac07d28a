package ops

import (
	"sync"

	"prefectd/prefect"
	"prefectd/store"
)

// The columns of flow runs that paths and orders look at.
var (
	flowRunNameColumn       = prefect.ColumnSet(4)
	flowRunFlowColumn       = prefect.ColumnSet(5)
	flowRunDeploymentColumn = prefect.ColumnSet(7)
	flowRunQueueColumn      = prefect.ColumnSet(9)
	flowRunTagsColumn       = prefect.ColumnSet(16)
	flowRunParentColumn     = prefect.ColumnSet(18)
	flowRunStateColumn      = prefect.ColumnSet(19)
	flowRunStateNameColumn  = prefect.ColumnSet(20)
	flowRunExpectedColumn   = prefect.ColumnSet(22)
	flowRunNextColumn       = prefect.ColumnSet(23)
	flowRunStartColumns     = prefect.ColumnSet(22, 24)
	flowRunEndColumn        = prefect.ColumnSet(25)
	// Those of the estimates that change with time.
	flowRunTimeColumns = prefect.ColumnSet(19, 22, 24, 26, 32)
)

// searchFlowRuns prepares the search for the flow runs of a scope.
func searchFlowRuns(tx *store.Tx, scope *RunScope) *search[prefect.FlowRun] {
	s := &search[prefect.FlowRun]{
		tx: tx, table: store.FlowRuns, id: func(r *prefect.FlowRun) *prefect.ID { return &r.ID },
		match: scope.FlowRuns.Compile(), none: scope.Nothing,
	}
	plan := s.match.Plan()
	s.paths = flowRunPaths(tx, &plan)
	if scope.ByFlow {
		limitToFlows(s, scope.Flows)
	}
	if scope.ByQueue {
		limitToQueues(s, scope.Queues)
	}
	if scope.ByDeployment {
		limitToDeployments(s, scope.Deployments)
	}
	if !s.isNone() && scope.TaskRuns != nil {
		limitToTaskRuns(s, scope.TaskRuns)
	}
	s.wholes = ways(
		through(store.FlowRunsByName, store.Range{}).telling(flowRunNameColumn, nameOfFlowRun),
		through(store.FlowRunsByExpected, store.Range{}),
		along(store.FlowRuns, store.Range{}))
	s.total = sync.OnceValue(func() int { return store.FlowRuns.Count(tx, store.Range{}) })
	return s
}

// fewRanges is how many ranges are merged without hesitation, manyRanges how many
// are if that is less work than to look at all rows.
const (
	fewRanges  = 64
	manyRanges = 2000
)

// flowRunPaths are those that a filter implies, by what it asks for.
func flowRunPaths(tx *store.Tx, plan *prefect.Plan) (paths []*path[prefect.FlowRun]) {
	add := func(p *path[prefect.FlowRun]) { paths = append(paths, p) }
	if plan.IDs != nil {
		add(along(store.FlowRuns, each(plan.IDs, key, prefect.Span{}, false)...))
	}
	if plan.IdempotencyKeys != nil {
		add(through(store.FlowRunsByIdempotencyKey, idempotencyRanges(tx, plan.IdempotencyKeys)...))
	}
	if plan.ParentTaskRuns != nil {
		add(through(store.FlowRunsByParent, each(plan.ParentTaskRuns, key, prefect.Span{}, false)...).
			telling(flowRunParentColumn, func(e *store.Entry, r *prefect.FlowRun) bool {
				r.ParentTaskRunID = e.Key.IDAt(0)
				return true
			}))
	}
	if plan.DeploymentIDs != nil {
		add(flowRunsOfDeployments(plan.DeploymentIDs, plan.Start, false))
	}
	if p := flowRunsWithTags(plan, false); p != nil {
		add(p)
	}
	if plan.Names != nil {
		add(through(store.FlowRunsByName, each(plan.Names, textKey, prefect.Span{}, false)...).telling(flowRunNameColumn, nameOfFlowRun))
	}
	if plan.States != 0 || plan.Start.IsBounded() {
		add(through(store.FlowRunsByState, byState(plan.States, plan.Start, false)...))
	}
	if plan.Expected.IsBounded() {
		add(through(store.FlowRunsByExpected, within(nil, plan.Expected, false)))
	}
	if plan.Next.IsBounded() {
		add(flowRunsByNext(plan.Next))
	}
	if plan.End.IsBounded() {
		add(flowRunsByEnd(plan.End, false))
	}
	return paths
}

func nameOfFlowRun(e *store.Entry, r *prefect.FlowRun) (ok bool) {
	r.Name, ok = e.Key.StringAt(0)
	return ok
}

// idempotencyRanges finds the keys of all flows: the index has the flow first.
func idempotencyRanges(tx *store.Tx, keys []string) (ranges []store.Range) {
	for flow := range store.FlowRunsByIdempotencyKey.Prefixes(tx, len(prefect.NoID)) {
		for _, k := range keys {
			ranges = append(ranges, store.Range{Prefix: store.Key{}.ID(flow.IDAt(0)).String(k)})
		}
	}
	return ranges
}

func flowRunsOfDeployments(deployments []prefect.ID, span prefect.Span, desc bool) *path[prefect.FlowRun] {
	return through(store.FlowRunsByDeployment, each(deployments, key, span, desc)...).
		telling(flowRunDeploymentColumn, func(e *store.Entry, r *prefect.FlowRun) bool {
			r.DeploymentID = e.Key.IDAt(0)
			return true
		})
}

// flowRunsWithTags is the path along the runs that have one tag of a filter, or one
// of several. When that is all that the filter asks of tags, their column is known
// well enough: any tag that lets a run pass does.
func flowRunsWithTags(plan *prefect.Plan, desc bool) *path[prefect.FlowRun] {
	var tags []string
	switch {
	case len(plan.AllTags) > 0:
		tags = plan.AllTags[:1]
	case plan.AnyTags != nil:
		tags = plan.AnyTags
	default:
		return nil
	}
	p := through(store.FlowRunsByTag, each(tags, textKey, plan.Start, desc)...)
	p.repeats = len(tags) > 1
	if len(plan.AllTags) == 0 || len(plan.AllTags) == 1 && plan.AnyTags == nil {
		p.telling(flowRunTagsColumn, func(_ *store.Entry, r *prefect.FlowRun) bool {
			r.Tags = tags
			return true
		})
	}
	return p
}

func flowRunsByNext(span prefect.Span) *path[prefect.FlowRun] {
	return through(store.FlowRunsByNext, within(nil, span, false)).
		telling(flowRunNextColumn, func(e *store.Entry, r *prefect.FlowRun) bool {
			r.NextScheduledStartTime = e.Key.TimeAt(0)
			return true
		})
}

func flowRunsByEnd(span prefect.Span, desc bool) *path[prefect.FlowRun] {
	return through(store.FlowRunsByEnd, within(nil, span, desc)).
		telling(flowRunEndColumn, func(e *store.Entry, r *prefect.FlowRun) bool {
			r.EndTime = e.Key.TimeAt(0)
			return true
		})
}

func flowRunsOfFlows(flows []prefect.ID, span prefect.Span, desc bool) *path[prefect.FlowRun] {
	return through(store.FlowRunsByFlow, each(flows, key, span, desc)...).
		telling(flowRunFlowColumn, func(e *store.Entry, r *prefect.FlowRun) bool {
			r.FlowID = e.Key.IDAt(0)
			return true
		})
}

func flowRunsOfQueues(queues []prefect.ID) *path[prefect.FlowRun] {
	return through(store.FlowRunsByQueue, each(queues, key, prefect.Span{}, false)...).
		telling(flowRunQueueColumn, func(e *store.Entry, r *prefect.FlowRun) bool {
			r.WorkQueueID = e.Key.IDAt(0)
			return true
		})
}

// flowRunOrder is an order of flow runs.
func flowRunOrder(s *search[prefect.FlowRun], scope *RunScope, sort prefect.FlowRunSort) *order[prefect.FlowRun] {
	desc := descends(string(sort))
	byTime := func(columns prefect.Columns, get func(*prefect.FlowRun) prefect.Time) *order[prefect.FlowRun] {
		return &order[prefect.FlowRun]{desc: desc, columns: columns, place: func(r *prefect.FlowRun, k store.Key) store.Key {
			return k.Time(get(r)).ID(r.ID)
		}}
	}
	plan := s.match.Plan()
	var o *order[prefect.FlowRun]
	switch sort {
	case prefect.FlowRunStartTimeAsc, prefect.FlowRunStartTimeDesc:
		o = byTime(flowRunStartColumns, (*prefect.FlowRun).Start)
		o.paths = ways(flowRunsByStart(s, scope, &plan, desc).inOrder())
	case prefect.FlowRunExpectedStartAsc, prefect.FlowRunExpectedStartDesc:
		o = byTime(flowRunExpectedColumn, func(r *prefect.FlowRun) prefect.Time { return r.ExpectedStartTime })
		o.paths = ways(through(store.FlowRunsByExpected, within(nil, plan.Expected, desc)).inOrder())
	case prefect.FlowRunNameAsc, prefect.FlowRunNameDesc:
		o = &order[prefect.FlowRun]{desc: desc, columns: flowRunNameColumn}
		o.place = func(r *prefect.FlowRun, k store.Key) store.Key { return k.String(r.Name).ID(r.ID) }
		o.paths = ways(through(store.FlowRunsByName, store.Range{Desc: desc}).telling(flowRunNameColumn, nameOfFlowRun).inOrder())
	case prefect.FlowRunNextStartAsc:
		next := func(r *prefect.FlowRun) prefect.Time { return r.NextScheduledStartTime }
		o = byTime(flowRunNextColumn, next)
		if !plan.Next.IsBounded() {
			o.paths = ways(along(store.FlowRuns, store.Range{}).without(flowRunNextColumn, next))
		}
		o.paths = append(o.paths, flowRunsByNext(plan.Next).inOrder())
	case prefect.FlowRunEndTimeDesc:
		end := func(r *prefect.FlowRun) prefect.Time { return r.EndTime }
		o = byTime(flowRunEndColumn, end)
		o.paths = ways(flowRunsByEnd(plan.End, true).inOrder())
		if !plan.End.IsBounded() {
			o.paths = append(o.paths, along(store.FlowRuns, store.Range{Desc: true}).without(flowRunEndColumn, end))
		}
	default:
		o = &order[prefect.FlowRun]{desc: desc, place: func(r *prefect.FlowRun, k store.Key) store.Key { return k.ID(r.ID) }}
		o.paths = ways(along(store.FlowRuns, store.Range{Desc: true}).inOrder())
	}
	return o
}

// flowRunsByStart chooses among the indexes that have the runs by start: one that
// decides without the row, if any does.
func flowRunsByStart(s *search[prefect.FlowRun], scope *RunScope, plan *prefect.Plan, desc bool) *path[prefect.FlowRun] {
	var narrow []*path[prefect.FlowRun]
	if p := flowRunsWithTags(plan, desc); p != nil {
		narrow = append(narrow, p)
	}
	if plan.DeploymentIDs != nil && len(plan.DeploymentIDs) <= fewRanges {
		narrow = append(narrow, flowRunsOfDeployments(plan.DeploymentIDs, plan.Start, desc))
	}
	if scope.ByDeployment && len(scope.Deployments) <= fewRanges {
		narrow = append(narrow, flowRunsOfDeployments(scope.Deployments, plan.Start, desc))
	}
	if scope.ByFlow && len(scope.Flows) <= fewRanges {
		narrow = append(narrow, flowRunsOfFlows(scope.Flows, plan.Start, desc))
	}
	wide := through(store.FlowRunsByState, byState(plan.States, plan.Start, desc)...)
	for _, p := range append(narrow, wide) {
		if s.decidedBy(p) {
			return p
		}
	}
	return append(narrow, wide)[0]
}
