package ops

import (
	"context"
	"strings"

	"prefectd/prefect"
	"prefectd/store"
)

// RunScope is what a query of runs is limited by, as a run group understands it:
// what lives elsewhere was looked up.
type RunScope struct {
	Nothing  bool         // no run can match
	ByFlow   bool         // only runs of Flows
	Flows    []prefect.ID // without repetition
	FlowRuns *prefect.FlowRunFilter
	TaskRuns *prefect.TaskRunFilter
}

// runScope looks up what a run group does not know.
func runScope(ctx context.Context, b Backend, f *prefect.FlowRunsScope) (s RunScope, err error) {
	s = RunScope{FlowRuns: f.FlowRuns, TaskRuns: f.TaskRuns}
	if needsDeployment(f) {
		s.Nothing = true
		return s, nil
	}
	if f.Flows != nil {
		s.ByFlow = true
		s.Flows, err = Ask[[]prefect.ID](ctx, b, Coordination, &FlowIDs{Filter: withDeployed(f.Flows)})
		if err != nil {
			return s, err
		}
		s.Nothing = len(s.Flows) == 0
	}
	s.FlowRuns, err = withParents(ctx, b, f.FlowRuns)
	return s, err
}

// needsDeployment reports whether only runs of deployments or work pools can
// match. There are none, so no run does.
func needsDeployment(f *prefect.FlowRunsScope) bool {
	return f.Deployments != nil || f.WorkPools != nil || f.WorkPoolQueues != nil
}

// withParents fills in the task runs of the parents that a filter asks for.
func withParents(ctx context.Context, b Backend, f *prefect.FlowRunFilter) (*prefect.FlowRunFilter, error) {
	if f == nil || f.ParentFlowRunID == nil || len(f.ParentFlowRunID.Any) == 0 {
		return f, nil
	}
	parts, err := AskRuns[[]prefect.ID](ctx, b, &TaskRunIDsOf{FlowRuns: f.ParentFlowRunID.Any})
	if err != nil {
		return nil, err
	}
	filter, parent := *f, *f.ParentFlowRunID
	parent.TaskRuns = []prefect.ID{}
	for _, ids := range parts {
		parent.TaskRuns = append(parent.TaskRuns, ids...)
	}
	if len(parent.TaskRuns) == 0 {
		parent.Any = []prefect.ID{} // nothing runs inside of them
	}
	filter.ParentFlowRunID = &parent
	return &filter, nil
}

// TaskRunIDsOf lists the task runs of some flow runs.
type TaskRunIDsOf struct {
	FlowRuns []prefect.ID
}

// Read answers a []prefect.ID.
func (q *TaskRunIDsOf) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	ids := []prefect.ID{}
	for _, run := range q.FlowRuns {
		for e := range store.TaskRunsByKey.Entries(tx, store.Range{Prefix: key(run)}) {
			ids = append(ids, e.Primary.IDAt(0))
		}
	}
	return ids, nil
}

// flowRunSearch is the search for the flow runs of a scope.
func flowRunSearch(tx *store.Tx, s *RunScope, sort prefect.FlowRunSort) *search[prefect.FlowRun] {
	return &search[prefect.FlowRun]{
		match: s.FlowRuns.Compile(),
		also:  s.alsoFlowRun(tx),
		needs: prefect.ColumnSet(4, 5, 22, 23, 24, 25),
		full:  func(r *prefect.FlowRun) *prefect.FlowRun { return flowRun(tx, r.ID) },
		order: sort.Order(),
		keep: func(r *prefect.FlowRun) *prefect.FlowRun {
			return &prefect.FlowRun{
				ID: r.ID, Name: strings.Clone(r.Name), ExpectedStartTime: r.ExpectedStartTime,
				NextScheduledStartTime: r.NextScheduledStartTime, StartTime: r.StartTime, EndTime: r.EndTime,
			}
		},
	}
}

// alsoFlowRun tests the flow of a run and whether one of its task runs passes.
func (s *RunScope) alsoFlowRun(tx *store.Tx) func(*prefect.FlowRun) bool {
	if !s.ByFlow && s.TaskRuns == nil {
		return nil
	}
	flows, tasks := setOfIDs(s.Flows), s.TaskRuns.Compile()
	return func(r *prefect.FlowRun) bool {
		return (!s.ByFlow || flows[r.FlowID]) && (s.TaskRuns == nil || hasTaskRun(tx, r.ID, tasks))
	}
}

func hasTaskRun(tx *store.Tx, run prefect.ID, m *prefect.Matcher[prefect.TaskRun]) bool {
	for task := range store.TaskRunsByKey.Rows(tx, store.Range{Prefix: key(run)}) {
		if m.Match(task, prefect.AllColumns) == prefect.Yes {
			return true
		}
	}
	return false
}

// fewKeys is how many keys an index is asked for one by one.
const fewKeys = 100

// flowRunCandidates chooses how to reach the runs of a scope.
func flowRunCandidates(tx *store.Tx, s *RunScope, m *prefect.Matcher[prefect.FlowRun], sort prefect.FlowRunSort) candidates[prefect.FlowRun] {
	plan := m.Plan()
	desc := strings.HasSuffix(string(sort), "_DESC")
	byStart := sort == prefect.FlowRunStartTimeDesc || sort == prefect.FlowRunStartTimeAsc
	through := func(ix *store.Index[prefect.FlowRun], skip int, ordered bool, ranges []store.Range) candidates[prefect.FlowRun] {
		return candidates[prefect.FlowRun]{indexed(tx, ix, ix.Merged(tx, skip, ranges...)), ordered}
	}
	switch {
	case plan.IDs != nil:
		return candidates[prefect.FlowRun]{rows: rowsByID(tx, store.FlowRuns, plan.IDs)}
	case plan.ParentTaskRuns != nil:
		return through(store.FlowRunsByParent, 16, false, prefixes(plan.ParentTaskRuns, false))
	case plan.DeploymentIDs != nil:
		return through(store.FlowRunsByDeployment, 16, byStart, prefixes(plan.DeploymentIDs, desc))
	case s.ByFlow && len(s.Flows) <= fewKeys:
		return through(store.FlowRunsByFlow, 16, byStart, prefixes(s.Flows, desc))
	case len(plan.AllTags) > 0:
		return through(store.FlowRunsByTag, 0, byStart, []store.Range{{Prefix: store.Key{}.String(plan.AllTags[0]), Desc: desc}})
	}
	return flowRunsInOrder(tx, m, sort, desc)
}

// flowRunsInOrder walks the index of an order, or the one that decides the filter
// best.
func flowRunsInOrder(tx *store.Tx, m *prefect.Matcher[prefect.FlowRun], sort prefect.FlowRunSort, desc bool) candidates[prefect.FlowRun] {
	plan, ix := m.Plan(), store.FlowRunsByExpected
	byExpected := func(desc, ordered bool) candidates[prefect.FlowRun] {
		entries := ix.Entries(tx, within(nil, plan.Expected, desc))
		return candidates[prefect.FlowRun]{covered(ix, entries, func(r *prefect.FlowRun, id prefect.ID) { r.ID = id }), ordered}
	}
	switch sort {
	case prefect.FlowRunStartTimeAsc, prefect.FlowRunStartTimeDesc:
		return flowRunsByState(tx, plan, desc)
	case prefect.FlowRunExpectedStartAsc, prefect.FlowRunExpectedStartDesc:
		return byExpected(desc, true)
	case prefect.FlowRunNameAsc, prefect.FlowRunNameDesc:
		if names := store.FlowRunsByName; m.Always() == prefect.Yes {
			return candidates[prefect.FlowRun]{indexed(tx, names, names.Entries(tx, store.Range{Desc: desc})), true}
		}
	case prefect.FlowRunNextStartAsc, prefect.FlowRunEndTimeDesc:
	default:
		if m.Always() == prefect.Yes || m.Columns()&^(ix.Cover|idColumn) != 0 {
			return candidates[prefect.FlowRun]{tableRows(tx, store.FlowRuns, true), true}
		}
	}
	if plan.States != 0 || plan.Start.IsBounded() {
		c := flowRunsByState(tx, plan, false)
		c.ordered = false
		return c
	}
	return byExpected(false, false)
}

// flowRunsByState walks the runs of the wanted states by start. A run without a
// state has type 0.
func flowRunsByState(tx *store.Tx, plan prefect.Plan, desc bool) candidates[prefect.FlowRun] {
	ix := store.FlowRunsByState
	var ranges []store.Range
	for t := range len(prefect.StateTypes) + 1 {
		if plan.States == 0 || plan.States.Has(prefect.StateType(t)) {
			ranges = append(ranges, within(store.Key{}.Byte(byte(t)), plan.Start, desc))
		}
	}
	rows := covered(ix, ix.Merged(tx, 1, ranges...), func(r *prefect.FlowRun, id prefect.ID) { r.ID = id })
	return candidates[prefect.FlowRun]{rows, true}
}

// FindFlowRuns finds the first flow runs of a group in an order.
type FindFlowRuns struct {
	Scope RunScope
	Sort  prefect.FlowRunSort
	Most  int
}

// Read answers a []*prefect.FlowRun with id and what the orders look at.
func (q *FindFlowRuns) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	s := flowRunSearch(tx, &q.Scope, q.Sort)
	return s.first(flowRunCandidates(tx, &q.Scope, s.match, q.Sort), q.Most), nil
}

// ReadFlowRuns reads flow runs by id.
type ReadFlowRuns struct {
	IDs []prefect.ID
}

// Read answers a []*prefect.FlowRun, without those that the group does not hold.
func (q *ReadFlowRuns) Read(tx *store.Tx, now prefect.Time) (any, error) {
	runs := []*prefect.FlowRun{}
	for _, id := range q.IDs {
		if r := flowRun(tx, id); r != nil {
			runs = append(runs, completeFlowRun(tx, r, now))
		}
	}
	return runs, nil
}

// ListFlowRuns reads a window of the flow runs that match.
func ListFlowRuns(ctx context.Context, b Backend, f *prefect.FlowRunsScope, sort prefect.FlowRunSort, limit, offset int) ([]*prefect.FlowRun, error) {
	scope, err := runScope(ctx, b, f)
	if err != nil || scope.Nothing || limit == 0 {
		return []*prefect.FlowRun{}, err
	}
	parts, err := AskRuns[[]*prefect.FlowRun](ctx, b, &FindFlowRuns{scope, sort, offset + limit})
	if err != nil {
		return nil, err
	}
	page := mergeWindow(parts, sort.Order(), limit, offset)
	ids := make([]prefect.ID, len(page))
	for i, r := range page {
		ids[i] = r.ID
	}
	rows, err := AskRuns[[]*prefect.FlowRun](ctx, b, &ReadFlowRuns{ids})
	if err != nil {
		return nil, err
	}
	return inOrder(ids, rows, func(r *prefect.FlowRun) prefect.ID { return r.ID }), nil
}

// CountFlowRunsIn counts the flow runs of a group that match.
type CountFlowRunsIn struct {
	Scope RunScope
}

// Read answers an int.
func (q *CountFlowRunsIn) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	s := flowRunSearch(tx, &q.Scope, prefect.FlowRunStartTimeAsc)
	if s.also == nil && s.match.Always() == prefect.Yes {
		return store.FlowRuns.Count(tx, store.Range{}), nil
	}
	return s.count(flowRunCandidates(tx, &q.Scope, s.match, prefect.FlowRunStartTimeAsc)), nil
}

// CountFlowRuns counts the flow runs that match.
func CountFlowRuns(ctx context.Context, b Backend, f *prefect.FlowRunsScope) (int, error) {
	scope, err := runScope(ctx, b, f)
	if err != nil || scope.Nothing {
		return 0, err
	}
	return sum(AskRuns[int](ctx, b, &CountFlowRunsIn{scope}))
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
