package ops

import (
	"context"
	"math"

	"prefectd/prefect"
	"prefectd/store"
)

// ReadFlow reads one flow by its id.
type ReadFlow struct {
	ID prefect.ID
}

// Read answers a *prefect.Flow; 404 if there is none.
func (q *ReadFlow) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	return flowOr404(store.Flows.Get(tx, key(q.ID)))
}

// ReadFlowByName reads one flow by its name.
type ReadFlowByName struct {
	Name string
}

// Read answers a *prefect.Flow; 404 if there is none.
func (q *ReadFlowByName) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	return flowOr404(store.FlowsByName.Find(tx, store.Key{}.String(q.Name)))
}

func flowOr404(f *prefect.Flow) (any, error) {
	if f == nil {
		return nil, NotFound("Flow not found")
	}
	return f, nil
}

// FlowIDs lists the flows that pass a filter.
type FlowIDs struct {
	Filter *prefect.FlowFilter
}

// Read answers a []prefect.ID.
func (q *FlowIDs) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	ids := []prefect.ID{}
	searchFlows(tx, q.Filter).all(0, func(f *prefect.Flow) bool {
		ids = append(ids, f.ID)
		return true
	})
	return ids, nil
}

// searchFlows prepares the search for flows.
func searchFlows(tx *store.Tx, filter *prefect.FlowFilter) *search[prefect.Flow] {
	s := &search[prefect.Flow]{
		tx: tx, table: store.Flows, id: func(f *prefect.Flow) *prefect.ID { return &f.ID },
		match: withDeployed(tx, filter).Compile(), wholes: ways(along(store.Flows, store.Range{})),
		total: func() int { return store.Flows.Count(tx, store.Range{}) },
	}
	plan := s.match.Plan()
	if plan.IDs != nil {
		s.paths = append(s.paths, flowsByID(plan.IDs))
	}
	if plan.Names != nil {
		s.paths = append(s.paths, through(store.FlowsByName, each(plan.Names, textKey, prefect.Span{}, false)...))
	}
	return s
}

func flowsByID(ids []prefect.ID) *path[prefect.Flow] {
	return along(store.Flows, each(ids, key, prefect.Span{}, false)...)
}

// FindFlows finds flows.
type FindFlows struct {
	Filter *prefect.FlowFilter
	ByRuns bool             // only those in Flows
	Flows  []prefect.ID     // that have runs which match
	With   *DeploymentScope // only those with a deployment that matches, if not nil
	Sort   prefect.FlowSort
	Window
}

// limitToDeployed leaves the flows that have a deployment of a scope.
func limitToDeployed(s *search[prefect.Flow], scope *DeploymentScope) {
	ids, _ := searchDeployments(s.tx, scope).collectIDs(math.MaxInt, deploymentFlowColumn, func(d *prefect.Deployment) prefect.ID { return d.FlowID })
	in := setOfIDs(ids)
	s.limit(idColumn, func(f *prefect.Flow) bool { return in(f.ID) })
	s.paths = append(s.paths, flowsByID(ids))
}

// FoundFlows is a window of the flows that match.
type FoundFlows struct {
	Flows []*prefect.Flow
	Total int
}

// Read answers a FoundFlows.
func (q *FindFlows) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	s := searchFlows(tx, q.Filter)
	if q.ByRuns {
		in := setOfIDs(q.Flows)
		s.limit(idColumn, func(f *prefect.Flow) bool { return in(f.ID) })
		s.paths = append(s.paths, flowsByID(q.Flows))
	}
	if q.With != nil {
		limitToDeployed(s, q.With)
	}
	answer := FoundFlows{Flows: []*prefect.Flow{}}
	for _, f := range s.first(flowOrder(q.Sort), q.From, q.Limit) {
		answer.Flows = append(answer.Flows, store.Flows.Get(tx, key(f.ID)))
	}
	switch {
	case !q.Count:
	case s.isAll():
		answer.Total = s.total()
	default:
		answer.Total = s.count()
	}
	return answer, nil
}

// flowOrder is an order of flows. Only that of their names has an index; names are
// unique.
func flowOrder(sort prefect.FlowSort) *order[prefect.Flow] {
	byTime := func(column int, get func(*prefect.Flow) prefect.Time) *order[prefect.Flow] {
		return &order[prefect.Flow]{desc: true, columns: prefect.ColumnSet(column), place: func(f *prefect.Flow, k store.Key) store.Key {
			return k.Time(get(f)).ID(f.ID)
		}}
	}
	switch sort {
	case prefect.FlowCreatedDesc:
		return byTime(2, func(f *prefect.Flow) prefect.Time { return f.Created })
	case prefect.FlowUpdatedDesc:
		return byTime(3, func(f *prefect.Flow) prefect.Time { return f.Updated })
	}
	desc := sort == prefect.FlowNameDesc
	name := prefect.ColumnSet(4)
	return &order[prefect.Flow]{
		desc: desc, columns: name,
		place: func(f *prefect.Flow, k store.Key) store.Key { return k.String(f.Name) },
		paths: ways(through(store.FlowsByName, store.Range{Desc: desc}).inOrder().
			telling(name, func(e *store.Entry, f *prefect.Flow) (ok bool) {
				f.Name, ok = e.Key.StringAt(0)
				return ok
			})),
	}
}

// FlowIDsOfRuns lists the flows of the runs that match.
type FlowIDsOfRuns struct {
	Scope RunScope
}

// Read answers a []prefect.ID without repetition.
func (q *FlowIDsOfRuns) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	s, ids := searchFlowRuns(tx, &q.Scope), []prefect.ID{}
	if s.isAll() {
		for flow := range store.FlowRunsByFlow.Prefixes(tx, len(prefect.NoID)) {
			ids = append(ids, flow.IDAt(0))
		}
		return ids, nil
	}
	seen := map[prefect.ID]bool{}
	s.all(flowRunFlowColumn, func(r *prefect.FlowRun) bool {
		if !seen[r.FlowID] {
			seen[r.FlowID] = true
			ids = append(ids, r.FlowID)
		}
		return true
	})
	return ids, nil
}

// ListFlows reads a window of the flows that match.
func ListFlows(ctx context.Context, b Backend, f *prefect.FlowsScope, sort prefect.FlowSort, limit, offset int) ([]*prefect.Flow, error) {
	found, err := findFlows(ctx, b, f, sort, Window{From: offset, Limit: limit})
	return found.Flows, err
}

// PageFlows does the same, and counts all that match.
func PageFlows(ctx context.Context, b Backend, f *prefect.FlowsScope, sort prefect.FlowSort, limit, offset int) ([]*prefect.Flow, int, error) {
	found, err := findFlows(ctx, b, f, sort, Window{From: offset, Limit: limit, Count: true})
	return found.Flows, found.Total, err
}

// CountFlows counts the flows that match.
func CountFlows(ctx context.Context, b Backend, f *prefect.FlowsScope) (int, error) {
	found, err := findFlows(ctx, b, f, "", Window{Count: true})
	return found.Total, err
}

func findFlows(ctx context.Context, b Backend, f *prefect.FlowsScope, sort prefect.FlowSort, w Window) (FoundFlows, error) {
	none := FoundFlows{Flows: []*prefect.Flow{}}
	q := &FindFlows{Filter: f.Flows, Sort: sort, Window: w}
	if f.Deployments != nil || f.WorkPools != nil { // a flow is in a pool by its deployments
		q.With = &DeploymentScope{Deployments: f.Deployments, Pools: f.WorkPools}
	}
	if f.FlowRuns == nil && f.TaskRuns == nil {
		return Ask[FoundFlows](ctx, b, Coordination, q)
	}
	scope, err := runScope(ctx, b, &prefect.FlowRunsScope{FlowsScope: prefect.FlowsScope{Flows: f.Flows, FlowRuns: f.FlowRuns, TaskRuns: f.TaskRuns}})
	if err != nil || scope.Nothing {
		return none, err
	}
	parts, err := askEach[[]prefect.ID](ctx, b, scope.groups(b), &FlowIDsOfRuns{scope})
	if err != nil {
		return none, err
	}
	q.ByRuns, q.Flows = true, distinctIDs(parts)
	return Ask[FoundFlows](ctx, b, Coordination, q)
}
