package ops

import (
	"context"

	"prefectd/prefect"
	"prefectd/store"
)

// SetFlowRunState proposes a state for a flow run.
type SetFlowRunState struct {
	RunID  prefect.ID
	State  prefect.StateCreate
	Force  bool
	Client ClientInfo
	Around Surroundings
	Slot   DeploymentSlot // what the limit of its deployment gave
}

// Run answers an *Orchestration; 404 for an unknown run.
func (o *SetFlowRunState) Run(c *Context) (any, error) {
	run := flowRun(c.Tx, o.RunID)
	if run == nil {
		return nil, flowRunNotFound(o.RunID)
	}
	policy := coreFlowPolicy
	if o.Force {
		policy = minimalFlowPolicy
	}
	t := c.flowRunTransition(run, c.propose(&o.State, run.ID), o.Client, o.Around)
	t.deploymentSlot = o.Slot
	return t.orchestrate(policy)
}

func flowRunNotFound(id prefect.ID) *Error {
	return NotFoundModel("Flow run with id " + id.String() + " not found")
}

// orchestrateFlowRun takes a flow run to a state as far as a policy lets it.
func (c *Context) orchestrateFlowRun(run *prefect.FlowRun, proposed *prefect.State, policy []rule, client ClientInfo, around Surroundings) (*Orchestration, error) {
	return c.flowRunTransition(run, proposed, client, around).orchestrate(policy)
}

func (c *Context) flowRunTransition(run *prefect.FlowRun, proposed *prefect.State, client ClientInfo, around Surroundings) *transition {
	return &transition{
		c: c, client: client, flowRun: run, around: around, run: progressOfFlowRun(run), proposed: proposed,
		initial: stateOf(c.Tx, store.FlowRunStates, run.StateID),
	}
}

// SetTaskRunState proposes a state for a task run. Cached is what the cache
// holds for the proposal's key, Slots what the limits on its tags gave.
type SetTaskRunState struct {
	RunID  prefect.ID
	State  prefect.StateCreate
	Force  bool
	Cached *store.CachedState
	Slots  RunSlots
}

// Run answers an *Orchestration; 404 for an unknown run.
func (o *SetTaskRunState) Run(c *Context) (any, error) {
	task := taskRun(c.Tx, o.RunID)
	if task == nil {
		return nil, taskRunNotFound(o.RunID)
	}
	return c.orchestrateTaskRun(task, c.propose(&o.State, task.ID), o.Force, o.Cached, o.Slots)
}

func taskRunNotFound(id prefect.ID) *Error {
	return NotFoundModel("Task run with id " + id.String() + " not found")
}

// orchestrateTaskRun takes a task run to a state as far as its policy lets it; a
// deferred one has a policy of its own, whether it is forced or not.
func (c *Context) orchestrateTaskRun(task *prefect.TaskRun, proposed *prefect.State, force bool, cached *store.CachedState, slots RunSlots) (*Orchestration, error) {
	policy := coreTaskPolicy
	switch {
	case proposed.Details.Deferred != nil && *proposed.Details.Deferred:
		policy = backgroundTaskPolicy
	case force:
		policy = minimalTaskPolicy
	}
	t := &transition{
		c: c, task: task, run: progressOfTaskRun(task), proposed: proposed, cached: cached, slots: slots,
		initial: stateOf(c.Tx, store.TaskRunStates, task.StateID),
		flowRun: flowRun(c.Tx, task.FlowRunID),
	}
	return t.orchestrate(policy)
}

// initialFlowRunState puts a new flow run in its first state and stores both.
func initialFlowRunState(c *Context, run *prefect.FlowRun, create *prefect.StateCreate, around Surroundings) (*prefect.State, error) {
	o, err := c.orchestrateFlowRun(run, c.firstState(create, run.ID), minimalFlowPolicy, ClientInfo{}, around)
	if err != nil {
		return nil, err
	}
	return o.State, nil
}

// initialTaskRunState does the same for a task run.
func initialTaskRunState(c *Context, task *prefect.TaskRun, create *prefect.StateCreate) (*prefect.State, error) {
	o, err := c.orchestrateTaskRun(task, c.firstState(create, task.ID), true, nil, RunSlots{})
	if err != nil {
		return nil, err
	}
	return o.State, nil
}

func (c *Context) firstState(create *prefect.StateCreate, run prefect.ID) *prefect.State {
	if create == nil {
		return c.newState(run, prefect.Pending, prefect.Pending.Title())
	}
	return c.propose(create, run)
}

// ChangeFlowRunState proposes a state for a flow run where it lives. A parent task
// run has followed when it returns.
func ChangeFlowRunState(ctx context.Context, b Backend, op SetFlowRunState) (*Orchestration, error) {
	around, err := surroundingsOf(ctx, b, op.RunID)
	if err != nil {
		return nil, err
	}
	op.Around = around
	if err := takeDeploymentSlot(ctx, b, &op); err != nil {
		return nil, err
	}
	group := b.Groups().Of(op.RunID)
	o, err := Do[*Orchestration](ctx, b, group, &op)
	if err != nil {
		return nil, err
	}
	if err := settleDeploymentSlot(ctx, b, &op, o); err != nil {
		return nil, err
	}
	return o, settleParent(ctx, b, group, around)
}

// ChangeTaskRunState proposes a state for a task run where it lives, with what
// the cache holds for it. What it adds to the cache is there when it returns.
func ChangeTaskRunState(ctx context.Context, b Backend, op SetTaskRunState) (*Orchestration, error) {
	group, task, err := FindTaskRun(ctx, b, op.RunID)
	if err != nil {
		return nil, err
	}
	if task == nil {
		return nil, taskRunNotFound(op.RunID)
	}
	details := &op.State.Details
	if op.State.Type == prefect.Running && usesCache(details) {
		home := cacheGroup(b.Groups(), *details.CacheKey)
		op.Cached, err = Ask[*store.CachedState](ctx, b, home, &ReadCachedState{Key: *details.CacheKey})
		if err != nil {
			return nil, err
		}
	}
	touched, err := takeRunSlots(ctx, b, task, &op)
	if err != nil {
		return nil, err
	}
	o, err := Do[*Orchestration](ctx, b, group, &op)
	if err == nil && !op.Slots.Lease.IsNull() && (o.Status != accepted || o.State.Type != prefect.Running) {
		_, err = b.Do(ctx, Coordination, &ReleaseLease{ID: op.Slots.Lease})
	}
	if err == nil && touched {
		err = b.Settle(ctx, group)
	}
	if err == nil && op.State.Type == prefect.Completed && cacheable(o.State) && cacheGroup(b.Groups(), *o.State.Details.CacheKey) != group {
		err = b.Settle(ctx, group)
	}
	return o, err
}
