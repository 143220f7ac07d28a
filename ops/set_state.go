package ops

import (
	"context"

	"prefectd/prefect"
	"prefectd/store"
)

// SetFlowRunState proposes a state for a flow run.
type SetFlowRunState struct {
	RunID      prefect.ID
	State      prefect.StateCreate
	Force      bool
	APIVersion string
	Flow       *FlowRef
}

// Run answers an *Orchestration; 404 for an unknown run.
func (o *SetFlowRunState) Run(c *Context) (any, error) {
	run := flowRun(c.Tx, o.RunID)
	if run == nil {
		return nil, NotFoundModel("Flow run with id " + o.RunID.String() + " not found")
	}
	policy := coreFlowPolicy
	if o.Force {
		policy = minimalFlowPolicy
	}
	return c.orchestrateFlowRun(run, c.propose(&o.State, run.ID), policy, o.Flow)
}

func (c *Context) orchestrateFlowRun(run *prefect.FlowRun, proposed *prefect.State, policy []rule, flow *FlowRef) (*Orchestration, error) {
	t := &transition{
		c: c, flowRun: run, flow: flow, run: progressOfFlowRun(run), proposed: proposed,
		initial: stateOf(c.Tx, store.FlowRunStates, run.StateID),
	}
	return t.orchestrate(policy)
}

// SetTaskRunState proposes a state for a task run. Cached is what the cache
// holds for the proposal's key.
type SetTaskRunState struct {
	RunID  prefect.ID
	State  prefect.StateCreate
	Force  bool
	Cached *store.CachedState
}

// Run answers an *Orchestration; 404 for an unknown run.
func (o *SetTaskRunState) Run(c *Context) (any, error) {
	task := taskRun(c.Tx, o.RunID)
	if task == nil {
		return nil, taskRunNotFound(o.RunID)
	}
	return c.orchestrateTaskRun(task, c.propose(&o.State, task.ID), o.Force, o.Cached)
}

func taskRunNotFound(id prefect.ID) *Error {
	return NotFoundModel("Task run with id " + id.String() + " not found")
}

func (c *Context) orchestrateTaskRun(task *prefect.TaskRun, proposed *prefect.State, force bool, cached *store.CachedState) (*Orchestration, error) {
	policy := coreTaskPolicy
	switch {
	case proposed.Details.Deferred != nil && *proposed.Details.Deferred:
		policy = backgroundTaskPolicy
	case force:
		policy = minimalTaskPolicy
	}
	t := &transition{
		c: c, task: task, run: progressOfTaskRun(task), proposed: proposed, cached: cached,
		initial: stateOf(c.Tx, store.TaskRunStates, task.StateID),
		flowRun: flowRun(c.Tx, task.FlowRunID),
	}
	return t.orchestrate(policy)
}

// initialFlowRunState puts a new flow run in its first state and stores both.
func initialFlowRunState(c *Context, run *prefect.FlowRun, create *prefect.StateCreate, flow *FlowRef) (*prefect.State, error) {
	o, err := c.orchestrateFlowRun(run, c.propose(orPending(create), run.ID), minimalFlowPolicy, flow)
	if err != nil {
		return nil, err
	}
	return o.State, nil
}

// initialTaskRunState does the same for a task run.
func initialTaskRunState(c *Context, task *prefect.TaskRun, create *prefect.StateCreate) (*prefect.State, error) {
	o, err := c.orchestrateTaskRun(task, c.propose(orPending(create), task.ID), true, nil)
	if err != nil {
		return nil, err
	}
	if o.State == nil {
		// The run is there even if its state was refused.
		store.TaskRuns.Put(c.Tx, task)
	}
	return o.State, nil
}

func orPending(create *prefect.StateCreate) *prefect.StateCreate {
	if create == nil {
		return &prefect.StateCreate{Type: prefect.Pending}
	}
	return create
}

// mirror copies a subflow run's new state to the task run that it runs as.
func (t *transition) mirror() {
	if t.task != nil || t.flowRun.ParentTaskRunID.IsNull() {
		return
	}
	op := &MirrorSubflowState{TaskRunID: t.flowRun.ParentTaskRunID, FlowRunID: t.flowRun.ID, State: *t.proposed}
	if taskRun(t.c.Tx, op.TaskRunID) != nil {
		_, err := op.Run(t.c)
		t.fail(err)
		return
	}
	for _, group := range t.c.Groups.RunGroups() {
		if group != t.c.Group {
			t.fail(t.c.Send(group, op))
		}
	}
}

// MirrorSubflowState gives a subflow run's state to its parent task run; a group
// that doesn't hold that one ignores it.
type MirrorSubflowState struct {
	TaskRunID prefect.ID
	FlowRunID prefect.ID
	State     prefect.State
}

// Run answers nothing.
func (o *MirrorSubflowState) Run(c *Context) (any, error) {
	task := taskRun(c.Tx, o.TaskRunID)
	if task == nil {
		return nil, nil
	}
	task.SubflowRunID = o.FlowRunID
	s := o.State
	at := s.Timestamp
	s.ResultArtifact, s.Recorded = prefect.NoID, nil
	c.identify(&s, task.ID).Timestamp = at
	s.Details.ChildFlowRunID = o.FlowRunID
	s.Details.Deferred = new(bool)
	return c.orchestrateTaskRun(task, &s, true, nil)
}

// ReadFlowID reads of which flow a run is.
type ReadFlowID struct {
	RunID prefect.ID
}

// Read answers a prefect.ID, null for an unknown run.
func (q *ReadFlowID) Read(tx *store.Tx, _ prefect.Time) (any, error) {
	run := flowRun(tx, q.RunID)
	if run == nil {
		return prefect.NoID, nil
	}
	return run.FlowID, nil
}

// flowOfRun reads what a run's events tell of its flow.
func flowOfRun(ctx context.Context, b Backend, run prefect.ID) (*FlowRef, error) {
	flow, err := Ask[prefect.ID](ctx, b, b.Groups().Of(run), &ReadFlowID{RunID: run})
	if err != nil || flow.IsNull() {
		return nil, err
	}
	return Ask[*FlowRef](ctx, b, Coordination, &ReadFlowRef{ID: flow})
}

// ChangeFlowRunState proposes a state for a flow run where it lives.
func ChangeFlowRunState(ctx context.Context, b Backend, op SetFlowRunState) (*Orchestration, error) {
	if op.Flow == nil {
		flow, err := flowOfRun(ctx, b, op.RunID)
		if err != nil {
			return nil, err
		}
		op.Flow = flow
	}
	return Do[*Orchestration](ctx, b, b.Groups().Of(op.RunID), &op)
}

// ChangeTaskRunState proposes a state for a task run where it lives, with what
// the cache holds for it.
func ChangeTaskRunState(ctx context.Context, b Backend, op SetTaskRunState) (*Orchestration, error) {
	group, task, err := FindTaskRun(ctx, b, op.RunID)
	if err != nil {
		return nil, err
	}
	if task == nil {
		return nil, taskRunNotFound(op.RunID)
	}
	if d := &op.State.Details; op.State.Type == prefect.Running && usesCache(d) {
		home := b.Groups().Of(store.CacheHash(*d.CacheKey))
		op.Cached, err = Ask[*store.CachedState](ctx, b, home, &ReadCachedState{Key: *d.CacheKey})
		if err != nil {
			return nil, err
		}
	}
	return Do[*Orchestration](ctx, b, group, &op)
}
