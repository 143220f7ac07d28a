package ops

import (
	"math"

	"prefectd/prefect"
	"prefectd/store"
)

// Filters of one kind of run limit queries of the other. Both live in one group.

// fewRuns is up to how many runs a filter of the other kind is worth a list of
// what it finds; when there are more, each run is looked at when it comes.
const fewRuns = 1000

// limitToFlows leaves the runs of some flows.
func limitToFlows(s *search[prefect.FlowRun], flows []prefect.ID) {
	in := setOfIDs(flows)
	s.limit(flowRunFlowColumn, func(r *prefect.FlowRun) bool { return in(r.FlowID) })
	if len(flows) <= manyRanges {
		s.paths = append(s.paths, flowRunsOfFlows(flows, s.match.Plan().Start, false))
	}
}

// limitToQueues leaves the runs in some work queues.
func limitToQueues(s *search[prefect.FlowRun], queues []prefect.ID) {
	in := setOfIDs(queues)
	s.limit(flowRunQueueColumn, func(r *prefect.FlowRun) bool { return in(r.WorkQueueID) })
	if len(queues) <= manyRanges {
		s.paths = append(s.paths, flowRunsOfQueues(queues))
	}
}

// limitToDeployments leaves the runs of some deployments.
func limitToDeployments(s *search[prefect.FlowRun], deployments []prefect.ID) {
	in := setOfIDs(deployments)
	s.limit(flowRunDeploymentColumn, func(r *prefect.FlowRun) bool { return in(r.DeploymentID) })
	if len(deployments) <= manyRanges {
		plan := s.match.Plan()
		s.paths = append(s.paths, flowRunsOfDeployments(deployments, plan.Start, false))
	}
}

// limitToTaskRuns leaves the flow runs that have a task run which passes a filter.
func limitToTaskRuns(s *search[prefect.FlowRun], filter *prefect.TaskRunFilter) {
	tasks := searchTaskRuns(s.tx, &RunScope{TaskRuns: filter}, false)
	if ids, all := tasks.collectIDs(fewRuns, taskRunFlowRunColumn, func(r *prefect.TaskRun) prefect.ID { return r.FlowRunID }); all {
		in := setOfIDs(ids)
		s.limit(idColumn, func(r *prefect.FlowRun) bool { return in(r.ID) })
		s.paths = append(s.paths, along(store.FlowRuns, each(ids, key, prefect.Span{}, false)...))
		return
	}
	some := taskRunsOfFlowRuns(nil)
	w := tasks.along(some, nil, 0)
	s.exists = func(r *prefect.FlowRun) bool {
		w.entries, w.visited = some.open(s.tx, store.Range{Prefix: key(r.ID)}), 0
		return w.next(math.MaxInt) == arrived
	}
}

// limitToFlowRuns leaves the task runs inside of flow runs that pass.
func limitToFlowRuns(s *search[prefect.TaskRun], scope *RunScope, counting bool) {
	runs := searchFlowRuns(s.tx, &RunScope{
		ByFlow: scope.ByFlow, Flows: scope.Flows, ByQueue: scope.ByQueue, Queues: scope.Queues, FlowRuns: scope.FlowRuns,
		ByDeployment: scope.ByDeployment, Deployments: scope.Deployments,
	})
	if runs.isAll() {
		s.limit(taskRunFlowRunColumn, func(r *prefect.TaskRun) bool { return !r.FlowRunID.IsNull() })
		return
	}
	most := fewRuns
	switch {
	case runs.match.Plan().IDs != nil:
		most = math.MaxInt
	case counting && len(s.paths) == 0: // rather look for the task runs of many runs than at all of them
		most = max(most, s.total()/4)
	}
	if ids, all := runs.collectIDs(most, idColumn, func(r *prefect.FlowRun) prefect.ID { return r.ID }); all {
		in := setOfIDs(ids)
		s.limit(taskRunFlowRunColumn, func(r *prefect.TaskRun) bool { return in(r.FlowRunID) })
		s.paths = append(s.paths, taskRunsOfFlowRuns(ids))
		return
	}
	w := runs.along(along(store.FlowRuns), nil, 0)
	known := map[prefect.ID]bool{}
	s.tests |= taskRunFlowRunColumn
	s.exists = func(r *prefect.TaskRun) bool {
		passes, seen := known[r.FlowRunID]
		if !seen {
			passes = w.has(r.FlowRunID[:])
			known[r.FlowRunID] = passes
		}
		return passes
	}
}

// collectIDs lists what the rows that pass refer to; it is not all when more than
// so many rows pass.
func (s *search[T]) collectIDs(most int, want prefect.Columns, get func(*T) prefect.ID) (ids []prefect.ID, all bool) {
	seen, rows := map[prefect.ID]bool{}, 0
	s.all(want, func(row *T) bool {
		if id := get(row); !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
		rows++
		return rows <= most
	})
	return ids, rows <= most
}

// setOfIDs makes the test of a set.
func setOfIDs(ids []prefect.ID) func(prefect.ID) bool {
	if len(ids) == 1 {
		only := ids[0]
		return func(id prefect.ID) bool { return id == only }
	}
	set := make(map[prefect.ID]struct{}, len(ids))
	for _, id := range ids {
		set[id] = struct{}{}
	}
	return func(id prefect.ID) bool {
		_, ok := set[id]
		return ok
	}
}
