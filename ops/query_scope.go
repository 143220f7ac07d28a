package ops

import (
	"context"
	"slices"

	"prefectd/prefect"
	"prefectd/store"
)

// RunScope is what a query of runs is limited by, as a run group understands it:
// what lives elsewhere was looked up.
type RunScope struct {
	Nothing  bool         // no run can match
	ByFlow   bool         // only runs of Flows
	Flows    []prefect.ID // without repetition
	ByQueue  bool         // only runs in Queues
	Queues   []prefect.ID // without repetition
	FlowRuns *prefect.FlowRunFilter
	TaskRuns *prefect.TaskRunFilter

	ByDeployment bool         // only runs of Deployments
	Deployments  []prefect.ID // without repetition
}

// runScope looks up what a run group does not know.
func runScope(ctx context.Context, b Backend, f *prefect.FlowRunsScope) (s RunScope, err error) {
	s = RunScope{FlowRuns: f.FlowRuns, TaskRuns: f.TaskRuns}
	if f.Deployments != nil {
		s.ByDeployment = true
		if s.Deployments, err = Ask[[]prefect.ID](ctx, b, Coordination, &DeploymentIDs{Filter: f.Deployments}); err != nil {
			return s, err
		}
		s.Nothing = len(s.Deployments) == 0
	}
	if f.Flows != nil {
		if s.Flows, s.ByFlow, err = flowsOf(ctx, b, f.Flows); err != nil {
			return s, err
		}
		s.Nothing = s.Nothing || s.ByFlow && len(s.Flows) == 0
	}
	if f.WorkPools != nil || f.WorkPoolQueues != nil {
		if err := s.limitToQueues(ctx, b, f.WorkPools, f.WorkPoolQueues); err != nil {
			return s, err
		}
	}
	s.FlowRuns, err = withParents(ctx, b, f.FlowRuns)
	return s, err
}

// taskRunScope does the same for a query of task runs. An empty filter of what is
// above the flow run is still one: it leaves task runs inside of flow runs.
func taskRunScope(ctx context.Context, b Backend, f *prefect.TaskRunsScope) (RunScope, error) {
	s, err := runScope(ctx, b, &prefect.FlowRunsScope{FlowsScope: prefect.FlowsScope{
		Flows: f.Flows, FlowRuns: f.FlowRuns, TaskRuns: f.TaskRuns, Deployments: f.Deployments,
	}})
	if (f.Flows != nil || f.Deployments != nil) && s.FlowRuns == nil {
		s.FlowRuns = &prefect.FlowRunFilter{}
	}
	return s, err
}

// limitToQueues leaves the runs in the work queues that pass two filters: one of their
// pools, and one of their own.
func (s *RunScope) limitToQueues(ctx context.Context, b Backend, pools *prefect.WorkPoolFilter, queues *prefect.WorkQueueFilter) (err error) {
	s.ByQueue = true
	s.Queues, err = Ask[[]prefect.ID](ctx, b, Coordination, &QueueIDs{Pools: pools, Queues: queues})
	s.Nothing = s.Nothing || len(s.Queues) == 0
	return err
}

// flowsOf lists the flows that pass a filter; limited is false when all do, so
// that there is no need for a list.
func flowsOf(ctx context.Context, b Backend, f *prefect.FlowFilter) (ids []prefect.ID, limited bool, err error) {
	if f.Compile().Always() == prefect.Yes {
		return nil, false, nil
	}
	ids, err = Ask[[]prefect.ID](ctx, b, Coordination, &FlowIDs{Filter: f})
	return ids, true, err
}

// withDeployed fills in the flows that have deployments.
func withDeployed(tx *store.Tx, f *prefect.FlowFilter) *prefect.FlowFilter {
	if f == nil || f.Deployment == nil || f.Deployment.IsNull == nil {
		return f
	}
	filter, deployment := *f, *f.Deployment
	deployment.Flows = []prefect.ID{}
	for flow := range store.DeploymentsByFlow.Prefixes(tx, len(prefect.NoID)) {
		deployment.Flows = append(deployment.Flows, flow.IDAt(0))
	}
	filter.Deployment = &deployment
	return &filter
}

// withParents fills in the task runs of the parents that a filter asks for. They
// live with the parent, the runs that they started perhaps elsewhere.
func withParents(ctx context.Context, b Backend, f *prefect.FlowRunFilter) (*prefect.FlowRunFilter, error) {
	if f == nil || f.ParentFlowRunID == nil || len(f.ParentFlowRunID.Any) == 0 {
		return f, nil
	}
	answers, err := b.AskAll(ctx, groupsOf(b, f.ParentFlowRunID.Any), &TaskRunIDsOf{FlowRuns: f.ParentFlowRunID.Any})
	if err != nil {
		return nil, err
	}
	filter, parent := *f, *f.ParentFlowRunID
	parent.TaskRuns = []prefect.ID{}
	for _, a := range answers {
		ids, err := as[[]prefect.ID](a, nil)
		if err != nil {
			return nil, err
		}
		parent.TaskRuns = append(parent.TaskRuns, ids...)
	}
	filter.ParentFlowRunID = &parent
	return &filter, nil
}

// groupsOf lists the run groups that hold some flow runs.
func groupsOf(b Backend, ids []prefect.ID) []int {
	groups := make([]int, len(ids))
	for i, id := range ids {
		groups[i] = b.Groups().Of(id)
	}
	slices.Sort(groups)
	return slices.Compact(groups)
}

// groups lists the run groups where runs of the scope can be.
func (s *RunScope) groups(b Backend) []int {
	if s.FlowRuns != nil {
		if ids := s.FlowRuns.Compile().Plan().IDs; len(ids) > 0 {
			return groupsOf(b, ids)
		}
	}
	if s.TaskRuns != nil {
		if ids := s.TaskRuns.Compile().Plan().FlowRunIDs; len(ids) > 0 {
			return groupsOf(b, ids)
		}
	}
	return b.Groups().RunGroups()
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
