package ops

import (
	"context"
	"sync"

	"prefectd/prefect"
	"prefectd/store"
)

// Surroundings is what the events of a flow run tell of the objects around it, as
// far as the run's group does not hold them.
type Surroundings struct {
	Flow       *FlowRef       // nil if it is gone
	Deployment *DeploymentRef // nil if the run has none, or it is gone
	// DeploymentID is null if the run has none.
	DeploymentID prefect.ID
	Queue        *QueueRef   // nil if the run waits in none
	Parent       *TaskRunRef // the task run that the run runs as, if another group holds it
}

// TaskRunRef is what a subflow run needs to know of the task run that it runs as.
type TaskRunRef struct {
	ID        prefect.ID
	FlowRunID prefect.ID
	Name      string
	Tags      []string
}

func refOfTaskRun(task *prefect.TaskRun) *TaskRunRef {
	if task == nil {
		return nil
	}
	return &TaskRunRef{ID: task.ID, FlowRunID: task.FlowRunID, Name: task.Name, Tags: task.Tags}
}

// slot is the one whose group holds the task run.
func (r *TaskRunRef) slot() byte {
	if r.FlowRunID.IsNull() {
		return r.ID.Slot()
	}
	return r.FlowRunID.Slot()
}

// FlowRunLinks are the ids of what a flow run refers to in other groups.
type FlowRunLinks struct {
	Flow       prefect.ID
	Deployment prefect.ID // null for none
	Queue      prefect.ID // null for none
	Parent     prefect.ID // null if the task run is in the run's group
}

// ReadFlowRunLinks reads them of one run.
type ReadFlowRunLinks struct {
	RunID prefect.ID
}

// Read answers a *FlowRunLinks, nil for an unknown run.
func (q *ReadFlowRunLinks) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	run := flowRun(tx, q.RunID)
	if run == nil {
		return (*FlowRunLinks)(nil), nil
	}
	links := &FlowRunLinks{Flow: run.FlowID, Deployment: run.DeploymentID, Queue: run.WorkQueueID}
	if !store.TaskRuns.Has(tx, key(run.ParentTaskRunID)) {
		links.Parent = run.ParentTaskRunID
	}
	return links, nil
}

// surroundingsOf reads what is around a flow run, or remembers it: a change of a
// name or tag may show late in the run's events.
func surroundingsOf(ctx context.Context, b Backend, run prefect.ID) (Surroundings, error) {
	if around, ok := b.Known().get(run, b.Now()); ok {
		return around, nil
	}
	var around Surroundings
	links, err := Ask[*FlowRunLinks](ctx, b, b.Groups().Of(run), &ReadFlowRunLinks{RunID: run})
	if err != nil || links == nil {
		return around, err
	}
	if around.Flow, err = Ask[*FlowRef](ctx, b, Coordination, &ReadFlowRef{ID: links.Flow}); err != nil {
		return around, err
	}
	around.DeploymentID = links.Deployment
	if around.Deployment, err = deploymentOf(ctx, b, links.Deployment); err != nil {
		return around, err
	}
	if !links.Queue.IsNull() {
		refs, err := Ask[map[prefect.ID]*QueueRef](ctx, b, Coordination, &ReadQueueRefs{IDs: []prefect.ID{links.Queue}})
		if err != nil {
			return around, err
		}
		around.Queue = refs[links.Queue]
	}
	if around.Parent, err = parentOf(ctx, b, links.Parent); err != nil {
		return around, err
	}
	b.Known().put(run, around, b.Now())
	return around, nil
}

// parentOf looks up the task run that a flow run runs as; nil if there is none.
func parentOf(ctx context.Context, b Backend, id prefect.ID) (*TaskRunRef, error) {
	if id.IsNull() {
		return nil, nil
	}
	_, task, err := FindTaskRun(ctx, b, id)
	return refOfTaskRun(task), err
}

// settleParent returns when the parent task run of a flow run in a group has
// followed its change of state.
func settleParent(ctx context.Context, b Backend, group int, around Surroundings) error {
	if around.Parent == nil {
		return nil
	}
	return b.Settle(ctx, group)
}

// Known remembers the surroundings of the flow runs that changed state lately. The
// zero value is ready; it is safe for concurrent use.
type Known struct {
	mu   sync.Mutex
	runs map[prefect.ID]knownRun
}

type knownRun struct {
	around Surroundings
	until  prefect.Time
}

// How many runs are remembered, and for how long.
const (
	knownRuns = 1000
	knownFor  = 5 * prefect.Minute
)

func (k *Known) get(run prefect.ID, now prefect.Time) (Surroundings, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	found, ok := k.runs[run]
	return found.around, ok && now < found.until
}

// put remembers a run; if there are too many, it forgets all of them.
func (k *Known) put(run prefect.ID, around Surroundings, now prefect.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.runs == nil || len(k.runs) >= knownRuns {
		k.runs = make(map[prefect.ID]knownRun)
	}
	k.runs[run] = knownRun{around, now.Add(knownFor)}
}
