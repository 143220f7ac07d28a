package ops

import (
	"context"
	"slices"

	"prefectd/prefect"
	"prefectd/store"
)

// The columns of deployments that joins and orders look at.
var (
	deploymentNameColumn    = prefect.ColumnSet(4)
	deploymentFlowColumn    = prefect.ColumnSet(7)
	deploymentQueueIDColumn = prefect.ColumnSet(16)
)

// completeDeployment fills what a deployment answers beyond its row: the names of where
// its runs wait, and its limit.
func completeDeployment(tx *store.Tx, d *prefect.Deployment, now prefect.Time) *prefect.Deployment {
	d.Schedules = lastChangedFirst(d.Schedules)
	d.GlobalConcurrencyLimit = limitOfDeployment(tx, d.ConcurrencyLimitID, now)
	if queue := refOfQueue(tx, store.WorkQueues.Get(tx, key(d.WorkQueueID))); queue != nil {
		d.WorkQueueName, d.WorkPoolName = &queue.Name, &queue.PoolName
	}
	return d
}

// ReadDeployment reads one deployment by its id.
type ReadDeployment struct {
	ID prefect.ID
}

// Read answers a *prefect.Deployment; 404 if there is none.
func (q *ReadDeployment) Read(tx *store.Tx, now prefect.Time) (any, error) {
	d, err := findDeployment(tx, q.ID, "")
	if err != nil {
		return nil, err
	}
	return completeDeployment(tx, d, now), nil
}

// ReadDeploymentByName reads one deployment by its name and that of its flow.
type ReadDeploymentByName struct {
	Flow, Name string
}

// Read answers a *prefect.Deployment; 404 if there is none.
func (q *ReadDeploymentByName) Read(tx *store.Tx, now prefect.Time) (any, error) {
	if f := store.FlowsByName.Find(tx, textKey(q.Flow)); f != nil {
		if d := store.DeploymentsByFlow.Find(tx, key(f.ID).String(q.Name)); d != nil {
			return completeDeployment(tx, d, now), nil
		}
	}
	return nil, NotFound("Deployment not found")
}

// DeploymentScope is what a query of deployments is limited by: which runs there are was
// looked up.
type DeploymentScope struct {
	Deployments *prefect.DeploymentFilter
	Flows       *prefect.FlowFilter
	Pools       *prefect.WorkPoolFilter
	Queues      *prefect.WorkQueueFilter
	ByRuns      bool         // only those in WithRuns
	WithRuns    []prefect.ID // that have runs which match
}

// searchDeployments prepares the search for the deployments of a scope.
func searchDeployments(tx *store.Tx, scope *DeploymentScope) *search[prefect.Deployment] {
	s := &search[prefect.Deployment]{
		tx: tx, table: store.Deployments, id: func(d *prefect.Deployment) *prefect.ID { return &d.ID },
		match: withFlowNames(tx, scope.Deployments).Compile(), wholes: ways(along(store.Deployments, store.Range{})),
		total: func() int { return store.Deployments.Count(tx, store.Range{}) },
	}
	plan := s.match.Plan()
	if plan.IDs != nil {
		s.paths = append(s.paths, deploymentsByID(plan.IDs))
	}
	if plan.Names != nil {
		s.paths = append(s.paths, through(store.DeploymentsByName, each(plan.Names, textKey, prefect.Span{}, false)...))
	}
	if scope.ByRuns {
		in := setOfIDs(scope.WithRuns)
		s.limit(idColumn, func(d *prefect.Deployment) bool { return in(d.ID) })
		s.paths = append(s.paths, deploymentsByID(scope.WithRuns))
	}
	if scope.Flows != nil {
		limitToFlowsOf(s, scope.Flows)
	}
	if scope.Pools != nil || scope.Queues != nil {
		queues := queuesThatPass(tx, scope.Pools, scope.Queues)
		in := setOfIDs(queues)
		s.limit(deploymentQueueIDColumn, func(d *prefect.Deployment) bool { return in(d.WorkQueueID) })
		s.paths = append(s.paths, through(store.DeploymentsByQueue, each(queues, key, prefect.Span{}, false)...))
	}
	return s
}

func deploymentsByID(ids []prefect.ID) *path[prefect.Deployment] {
	return along(store.Deployments, each(ids, key, prefect.Span{}, false)...)
}

// limitToFlowsOf leaves the deployments of the flows that pass a filter.
func limitToFlowsOf(s *search[prefect.Deployment], filter *prefect.FlowFilter) {
	flows := searchFlows(s.tx, filter)
	if flows.isAll() {
		return
	}
	var ids []prefect.ID
	flows.all(0, func(f *prefect.Flow) bool {
		ids = append(ids, f.ID)
		return true
	})
	in := setOfIDs(ids)
	s.limit(deploymentFlowColumn, func(d *prefect.Deployment) bool { return in(d.FlowID) })
	s.paths = append(s.paths, through(store.DeploymentsByFlow, each(ids, key, prefect.Span{}, false)...))
}

// withFlowNames fills in the flows whose names a filter asks for.
func withFlowNames(tx *store.Tx, f *prefect.DeploymentFilter) *prefect.DeploymentFilter {
	if f == nil || f.FlowOrDeploymentName == nil || f.FlowOrDeploymentName.Like == "" {
		return f
	}
	filter, either := *f, *f.FlowOrDeploymentName
	either.Flows = []prefect.ID{}
	searchFlows(tx, &prefect.FlowFilter{Name: &prefect.FilterName{Like: either.Like}}).all(0, func(f *prefect.Flow) bool {
		either.Flows = append(either.Flows, f.ID)
		return true
	})
	filter.FlowOrDeploymentName = &either
	return &filter
}

// FindDeployments finds deployments.
type FindDeployments struct {
	Scope DeploymentScope
	Sort  prefect.DeploymentSort
	Window
}

// FoundDeployments is a window of the deployments that match.
type FoundDeployments struct {
	Deployments []*prefect.Deployment
	Total       int
}

// Read answers a FoundDeployments.
func (q *FindDeployments) Read(tx *store.Tx, now prefect.Time) (any, error) {
	s := searchDeployments(tx, &q.Scope)
	answer := FoundDeployments{Deployments: []*prefect.Deployment{}}
	for _, f := range s.first(deploymentOrder(q.Sort), q.From, q.Limit) {
		answer.Deployments = append(answer.Deployments, completeDeployment(tx, deployment(tx, f.ID), now))
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

// deploymentOrder is an order of deployments. Only that of their names has an index.
func deploymentOrder(sort prefect.DeploymentSort) *order[prefect.Deployment] {
	byTime := func(column int, get func(*prefect.Deployment) prefect.Time) *order[prefect.Deployment] {
		return &order[prefect.Deployment]{desc: true, columns: prefect.ColumnSet(column), place: func(d *prefect.Deployment, k store.Key) store.Key {
			return k.Time(get(d)).ID(d.ID)
		}}
	}
	switch sort {
	case prefect.DeploymentCreatedDesc:
		return byTime(2, func(d *prefect.Deployment) prefect.Time { return d.Created })
	case prefect.DeploymentUpdatedDesc:
		return byTime(3, func(d *prefect.Deployment) prefect.Time { return d.Updated })
	}
	desc := sort == prefect.DeploymentNameDesc
	return &order[prefect.Deployment]{
		desc: desc, columns: deploymentNameColumn,
		place: func(d *prefect.Deployment, k store.Key) store.Key { return k.String(d.Name).ID(d.ID) },
		paths: ways(through(store.DeploymentsByName, store.Range{Desc: desc}).inOrder().
			telling(deploymentNameColumn, func(e *store.Entry, d *prefect.Deployment) (ok bool) {
				d.Name, ok = e.Key.StringAt(0)
				return ok
			})),
	}
}

// DeploymentIDs lists the deployments that pass a filter.
type DeploymentIDs struct {
	Filter *prefect.DeploymentFilter
}

// Read answers a []prefect.ID.
func (q *DeploymentIDs) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	ids := []prefect.ID{}
	searchDeployments(tx, &DeploymentScope{Deployments: q.Filter}).all(0, func(d *prefect.Deployment) bool {
		ids = append(ids, d.ID)
		return true
	})
	return ids, nil
}

// DeploymentIDsOfRuns lists the deployments of the runs that match.
type DeploymentIDsOfRuns struct {
	Scope RunScope
}

// Read answers a []prefect.ID without repetition.
func (q *DeploymentIDsOfRuns) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	s, ids := searchFlowRuns(tx, &q.Scope), []prefect.ID{}
	if s.isAll() {
		for id := range store.FlowRunsByDeployment.Prefixes(tx, len(prefect.NoID)) {
			ids = append(ids, id.IDAt(0))
		}
		return ids, nil
	}
	seen := map[prefect.ID]bool{prefect.NoID: true}
	s.all(flowRunDeploymentColumn, func(r *prefect.FlowRun) bool {
		if !seen[r.DeploymentID] {
			seen[r.DeploymentID] = true
			ids = append(ids, r.DeploymentID)
		}
		return true
	})
	return ids, nil
}

// CountDeploymentsOf counts the deployments of each of some flows.
type CountDeploymentsOf struct {
	Flows []prefect.ID
}

// Read answers a map[prefect.ID]int.
func (q *CountDeploymentsOf) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	counts := zeros(q.Flows)
	for id := range counts {
		counts[id] = store.DeploymentsByFlow.Count(tx, store.Range{Prefix: key(id)})
	}
	return counts, nil
}

// CheckQueues lists the work queues whose filter a deployment passes; those without one
// take every deployment.
type CheckQueues struct {
	DeploymentID prefect.ID
}

// Read answers a []*prefect.WorkQueue; 404 for an unknown deployment.
func (q *CheckQueues) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	d, err := findDeployment(tx, q.DeploymentID, "")
	if err != nil {
		return nil, err
	}
	list := []*prefect.WorkQueue{}
	for queue := range store.WorkQueues.Rows(tx, store.Range{}) {
		if takes(queue.Filter, d) {
			list = append(list, queue)
		}
	}
	return list, nil
}

// takes reports whether the filter of a work queue lets a deployment pass.
func takes(f *prefect.QueueFilter, d *prefect.Deployment) bool {
	if f == nil {
		return true
	}
	lacks := slices.ContainsFunc(f.Tags, func(tag string) bool { return !slices.Contains(d.Tags, tag) })
	return !lacks && (len(f.DeploymentIDs) == 0 || slices.Contains(f.DeploymentIDs, d.ID))
}

// ListDeployments reads a window of the deployments that match.
func ListDeployments(ctx context.Context, b Backend, f *prefect.DeploymentsScope, sort prefect.DeploymentSort, limit, offset int) ([]*prefect.Deployment, error) {
	found, err := findDeployments(ctx, b, f, sort, Window{From: offset, Limit: limit})
	return found.Deployments, err
}

// PageDeployments does the same, and counts all that match.
func PageDeployments(ctx context.Context, b Backend, f *prefect.DeploymentsScope, sort prefect.DeploymentSort, limit, offset int) ([]*prefect.Deployment, int, error) {
	found, err := findDeployments(ctx, b, f, sort, Window{From: offset, Limit: limit, Count: true})
	return found.Deployments, found.Total, err
}

// CountDeployments counts the deployments that match.
func CountDeployments(ctx context.Context, b Backend, f *prefect.DeploymentsScope) (int, error) {
	found, err := findDeployments(ctx, b, f, "", Window{Count: true})
	return found.Total, err
}

func findDeployments(ctx context.Context, b Backend, f *prefect.DeploymentsScope, sort prefect.DeploymentSort, w Window) (FoundDeployments, error) {
	q := &FindDeployments{Sort: sort, Window: w, Scope: DeploymentScope{
		Deployments: f.Deployments, Flows: f.Flows, Pools: f.WorkPools, Queues: f.WorkPoolQueues,
	}}
	if f.FlowRuns != nil || f.TaskRuns != nil {
		scope, err := runScope(ctx, b, &prefect.FlowRunsScope{FlowsScope: prefect.FlowsScope{FlowRuns: f.FlowRuns, TaskRuns: f.TaskRuns}})
		if err != nil {
			return FoundDeployments{}, err
		}
		parts, err := askEach[[]prefect.ID](ctx, b, scope.groups(b), &DeploymentIDsOfRuns{scope})
		if err != nil {
			return FoundDeployments{}, err
		}
		q.Scope.ByRuns, q.Scope.WithRuns = true, distinctIDs(parts)
	}
	return Ask[FoundDeployments](ctx, b, Coordination, q)
}

// distinctIDs joins lists of ids, in their order and without repetition.
func distinctIDs(parts [][]prefect.ID) []prefect.ID {
	ids := slices.Concat(parts...)
	slices.SortFunc(ids, prefect.ID.Compare)
	return slices.Compact(ids)
}

// ScheduledRuns lists the runs of some deployments that are scheduled, the next first.
func ScheduledRuns(ctx context.Context, b Backend, q *prefect.ScheduledRunsQuery, limit int) ([]*prefect.FlowRun, error) {
	scope := &prefect.FlowRunsScope{FlowsScope: prefect.FlowsScope{
		Deployments: &prefect.DeploymentFilter{ID: &prefect.FilterIDNot{Any: q.DeploymentIDs}},
		FlowRuns: &prefect.FlowRunFilter{
			NextScheduledStartTime: &prefect.FilterTime{Before: q.ScheduledBefore},
			State: &prefect.FlowRunFilterState{Type: &prefect.FlowRunFilterStateType{
				Any: []prefect.StateType{prefect.Scheduled},
			}},
		},
	}}
	return ListFlowRuns(ctx, b, scope, prefect.FlowRunNextStartAsc, limit, 0)
}
