package ops

import (
	"context"
	"slices"

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

// withDeployed fills in the flows that have deployments: none.
func withDeployed(f *prefect.FlowFilter) *prefect.FlowFilter {
	if f == nil || f.Deployment == nil {
		return f
	}
	filter, deployment := *f, *f.Deployment
	deployment.Flows = []prefect.ID{}
	filter.Deployment = &deployment
	return &filter
}

// FlowIDs lists the flows that pass a filter.
type FlowIDs struct {
	Filter *prefect.FlowFilter
}

// Read answers a []prefect.ID.
func (q *FlowIDs) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	ids := []prefect.ID{}
	for _, f := range matchingFlows(tx, q.Filter) {
		ids = append(ids, f.ID)
	}
	return ids, nil
}

func matchingFlows(tx *store.Tx, filter *prefect.FlowFilter) []*prefect.Flow {
	m, flows := filter.Compile(), []*prefect.Flow{}
	rows := tableRows(tx, store.Flows, false)
	if ids := m.Plan().IDs; ids != nil {
		rows = rowsByID(tx, store.Flows, ids)
	}
	for f := range rows {
		if m.Match(f, prefect.AllColumns) == prefect.Yes {
			flows = append(flows, f)
		}
	}
	return flows
}

// FindFlows finds flows.
type FindFlows struct {
	Filter *prefect.FlowFilter
	ByRuns bool         // only those in Flows
	Flows  []prefect.ID // that have runs which match
	Sort   prefect.FlowSort
	Limit  int
	Offset int
}

// FoundFlows is a window of the flows that match, and the number of them all.
type FoundFlows struct {
	Flows []*prefect.Flow
	Total int
}

// Read answers a FoundFlows.
func (q *FindFlows) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	flows := matchingFlows(tx, q.Filter)
	if q.ByRuns {
		in := setOfIDs(q.Flows)
		flows = slices.DeleteFunc(flows, func(f *prefect.Flow) bool { return !in[f.ID] })
	}
	slices.SortFunc(flows, q.Sort.Order())
	from := min(q.Offset, len(flows))
	return FoundFlows{flows[from:min(from+q.Limit, len(flows))], len(flows)}, nil
}

// FlowIDsOfRuns lists the flows of the runs that match.
type FlowIDsOfRuns struct {
	Scope RunScope
}

// Read answers a []prefect.ID without repetition.
func (q *FlowIDsOfRuns) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	const sort = prefect.FlowRunStartTimeAsc
	s := flowRunSearch(tx, &q.Scope, sort)
	seen, ids := map[prefect.ID]bool{}, []prefect.ID{}
	for r := range s.each(flowRunCandidates(tx, &q.Scope, s.match, sort)) {
		if !seen[r.FlowID] {
			seen[r.FlowID] = true
			ids = append(ids, r.FlowID)
		}
	}
	return ids, nil
}

// SearchFlows reads a window of the flows that match, and counts them all.
func SearchFlows(ctx context.Context, b Backend, f *prefect.FlowsScope, sort prefect.FlowSort, limit, offset int) (FoundFlows, error) {
	none := FoundFlows{Flows: []*prefect.Flow{}}
	if needsDeployment(&prefect.FlowRunsScope{FlowsScope: *f}) {
		return none, nil
	}
	q := &FindFlows{Filter: withDeployed(f.Flows), Sort: sort, Limit: limit, Offset: offset}
	if f.FlowRuns != nil || f.TaskRuns != nil {
		runs, err := withParents(ctx, b, f.FlowRuns)
		if err != nil {
			return none, err
		}
		parts, err := AskRuns[[]prefect.ID](ctx, b, &FlowIDsOfRuns{RunScope{FlowRuns: runs, TaskRuns: f.TaskRuns}})
		if err != nil {
			return none, err
		}
		q.ByRuns, q.Flows = true, slices.Concat(parts...)
	}
	return Ask[FoundFlows](ctx, b, Coordination, q)
}

// ListFlows reads a window of the flows that match.
func ListFlows(ctx context.Context, b Backend, f *prefect.FlowsScope, sort prefect.FlowSort, limit, offset int) ([]*prefect.Flow, error) {
	found, err := SearchFlows(ctx, b, f, sort, limit, offset)
	return found.Flows, err
}
