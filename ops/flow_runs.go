package ops

import (
	"context"
	"crypto/sha256"

	"prefectd/prefect"
	"prefectd/store"
)

// CreateFlowRun makes a flow run in its initial state, or answers the one with
// the same idempotency key unchanged.
type CreateFlowRun struct {
	ID   prefect.ID
	Body prefect.FlowRunCreate
	Flow FlowRef

	Deployment *DeploymentRef // that it is a run of, if any
	Queue      *QueueRef      // where it waits for a worker, if anywhere
	Parent     *TaskRunRef    // the task run that it runs as, if another group holds it
	CreatedBy  *prefect.CreatedBy
}

// Run answers an Upserted[prefect.FlowRun].
func (o *CreateFlowRun) Run(c *Context) (any, error) {
	body := &o.Body
	if body.IdempotencyKey != nil {
		found := store.FlowRunsByIdempotencyKey.Find(c.Tx, store.Key{}.ID(body.FlowID).String(*body.IdempotencyKey))
		if found != nil {
			return Upserted[prefect.FlowRun]{Object: completeFlowRun(c.Tx, found, c.Now)}, nil
		}
	}
	run := &prefect.FlowRun{
		ID: o.ID, Created: c.Now, Updated: c.Now,
		Name: c.runName(body.Name), FlowID: body.FlowID, DeploymentID: body.DeploymentID,
		WorkQueueName: body.WorkQueueName, FlowVersion: body.FlowVersion,
		Parameters: orObject(body.Parameters), Context: orObject(body.Context),
		IdempotencyKey: body.IdempotencyKey, EmpiricalPolicy: body.EmpiricalPolicy, Tags: body.Tags,
		Labels:          o.Flow.Labels.Merge(systemLabel("prefect.flow.id", body.FlowID), body.Labels),
		ParentTaskRunID: body.ParentTaskRunID, InfrastructureDocumentID: body.InfrastructureDocumentID,
		CreatedBy: o.CreatedBy, JobVariables: body.JobVariables,
	}
	if run.JobVariables == nil {
		run.JobVariables = prefect.JSON(`{}`)
	}
	if o.Deployment != nil {
		run.DeploymentVersion = o.Deployment.Version
		run.Labels = labelsOfRun(body.FlowID, o.Deployment).Merge(body.Labels)
	}
	if o.Queue != nil {
		run.WorkQueueID = o.Queue.ID
		waitsIn(run, o.Queue)
	}
	state, err := initialFlowRunState(c, run, body.State,
		Surroundings{Flow: &o.Flow, Deployment: o.Deployment, Queue: o.Queue, Parent: o.Parent})
	if err != nil {
		return nil, err
	}
	run.State = state
	run.Compute(c.Now)
	return Upserted[prefect.FlowRun]{run, true}, nil
}

// labelsOfRun are those that a flow run has from its deployment.
func labelsOfRun(flow prefect.ID, d *DeploymentRef) prefect.Labels {
	return d.Labels.Merge(systemLabel("prefect.flow.id", flow), systemLabel("prefect.deployment.id", d.ID))
}

// runName is the name that was sent, or a random one.
func (c *Context) runName(sent *string) string {
	if sent != nil && *sent != "" {
		return *sent
	}
	return prefect.RandomName(c.Rand.Uint64())
}

func orObject(v prefect.JSON) prefect.JSON {
	if prefect.IsNull(v) {
		return prefect.JSON(`{}`)
	}
	return v
}

// systemLabel is a label that the server sets: the id of an object above.
func systemLabel(name string, id prefect.ID) prefect.Labels {
	if id.IsNull() {
		return nil
	}
	return prefect.Labels{name: prefect.JSON(`"` + id.String() + `"`)}
}

// NewFlowRun creates a flow run in the group where it belongs.
func NewFlowRun(ctx context.Context, b Backend, body prefect.FlowRunCreate, by *prefect.CreatedBy) (Upserted[prefect.FlowRun], error) {
	var none Upserted[prefect.FlowRun]
	flow, err := Ask[*FlowRef](ctx, b, Coordination, &ReadFlowRef{ID: body.FlowID})
	if err != nil {
		return none, err
	}
	if flow == nil {
		return none, IntegrityConflict()
	}
	queue, err := queueOf(ctx, b, body.WorkPoolName, body.WorkQueueName)
	if err != nil {
		return none, err
	}
	deployment, err := deploymentOf(ctx, b, body.DeploymentID)
	if err != nil {
		return none, err
	}
	return newFlowRun(ctx, b, body, Surroundings{Flow: flow, Deployment: deployment, Queue: queue}, by)
}

// newFlowRun creates a flow run in the group where it belongs; of what is around it, the
// parent is looked up.
func newFlowRun(ctx context.Context, b Backend, body prefect.FlowRunCreate, around Surroundings, by *prefect.CreatedBy) (Upserted[prefect.FlowRun], error) {
	var none Upserted[prefect.FlowRun]
	parent, err := parentOf(ctx, b, body.ParentTaskRunID)
	if err != nil {
		return none, err
	}
	id := b.NewID()
	switch {
	case body.IdempotencyKey != nil:
		id = id.WithSlot(keySlot(body.FlowID, *body.IdempotencyKey))
	case parent != nil:
		// A subflow run lives with its parent, so that the parent's task run
		// follows in the same entry.
		id = id.WithSlot(parent.slot())
	}
	group := b.Groups().Of(id)
	if parent != nil && b.Groups().OfSlot(parent.slot()) == group {
		parent = nil
	}
	around.Parent, around.DeploymentID = parent, body.DeploymentID
	made, err := Do[Upserted[prefect.FlowRun]](ctx, b, group, &CreateFlowRun{
		ID: id, Body: body, Flow: *around.Flow, Deployment: around.Deployment, Queue: around.Queue, Parent: parent, CreatedBy: by,
	})
	if err != nil {
		return none, err
	}
	if !made.Created {
		return made, nameQueues(ctx, b, []*prefect.FlowRun{made.Object})
	}
	b.Known().put(id, around, b.Now())
	return made, settleParent(ctx, b, group, around)
}

// queueOf looks up the work queue that a run is to wait in; without a pool there is none.
func queueOf(ctx context.Context, b Backend, pool, queue *string) (*QueueRef, error) {
	if pool == nil {
		return nil, nil
	}
	return Ask[*QueueRef](ctx, b, Coordination, &FindQueueRef{Pool: *pool, Queue: queue})
}

// keySlot puts all runs below an object that have one key in one slot, so that one
// group can tell whether there is one.
func keySlot(below prefect.ID, key string) byte {
	sum := sha256.Sum256(append(below[:], key...))
	return sum[0]
}

// UpdateFlowRun changes what was sent of a flow run.
type UpdateFlowRun struct {
	ID     prefect.ID
	Update prefect.FlowRunUpdate
}

// Run answers nothing; 404 for an unknown run.
func (o *UpdateFlowRun) Run(c *Context) (any, error) {
	run := flowRun(c.Tx, o.ID)
	if run == nil {
		return nil, NotFound("Flow run not found")
	}
	u := &o.Update
	if u.JobVariables.Set {
		if err := checkJobVariablesUpdate(run); err != nil {
			return nil, err
		}
		run.JobVariables = u.JobVariables.Value
	}
	if u.Name.Set {
		run.Name = c.runName(u.Name.Value)
	}
	if u.FlowVersion.Set {
		run.FlowVersion = u.FlowVersion.Value
	}
	if u.Parameters.Set {
		run.Parameters = orObject(u.Parameters.Value)
	}
	if u.EmpiricalPolicy.Set {
		run.EmpiricalPolicy = u.EmpiricalPolicy.Value
	}
	if u.Tags.Set {
		run.Tags = u.Tags.Value
	}
	if u.InfrastructurePID.Set {
		run.InfrastructurePID = u.InfrastructurePID.Value
	}
	run.Updated = c.Now
	store.FlowRuns.Put(c.Tx, run)
	return nil, nil
}

// checkJobVariablesUpdate refuses job variables for a run that has left its
// queue, or that has no deployment to take them.
func checkJobVariablesUpdate(run *prefect.FlowRun) error {
	if run.StateType != prefect.Scheduled {
		return BadRequest("Job variables for a flow run in state " + run.StateType.String() + " cannot be updated")
	}
	return BadRequest("A deployment for the flow run could not be found")
}

// LabelFlowRun merges labels into those of a flow run.
type LabelFlowRun struct {
	ID     prefect.ID
	Labels prefect.Labels
}

// Run answers nothing; 404 for an unknown run.
func (o *LabelFlowRun) Run(c *Context) (any, error) {
	run := flowRun(c.Tx, o.ID)
	if run == nil {
		return nil, NotFoundModel("Flow run with id " + o.ID.String() + " not found")
	}
	run.Labels, run.Updated = run.Labels.Merge(o.Labels), c.Now
	store.FlowRuns.Put(c.Tx, run)
	return nil, nil
}

// DeleteFlowRun removes a flow run with everything below it. What is too much
// for one step follows by messages of the group to itself.
type DeleteFlowRun struct {
	ID prefect.ID
}

// Run answers whether the run existed.
func (o *DeleteFlowRun) Run(c *Context) (any, error) {
	run := flowRun(c.Tx, o.ID)
	if run == nil {
		return false, nil
	}
	_, err := c.deleteFlowRun(run, c.deletion())
	return true, err
}

// deleteFlowRun removes a flow run and answers whether some of what was below it
// is left to a message.
func (c *Context) deleteFlowRun(run *prefect.FlowRun, d deletion) (more bool, err error) {
	if s := stateOf(c.Tx, store.FlowRunStates, run.StateID); s != nil {
		if err := c.releaseDeploymentSlot(s); err != nil {
			return false, err
		}
	}
	deleteStates(c.Tx, store.FlowRunStates, run.StateID)
	store.FlowRuns.Delete(c.Tx, key(run.ID))
	store.CancelledRuns.Delete(c.Tx, key(run.ID))
	for in := range store.FlowRunInputsByKey.Rows(c.Tx, store.Range{Prefix: key(run.ID)}) {
		store.FlowRunInputs.Delete(c.Tx, key(in.ID))
	}
	return c.sweep(run.ID, d)
}

// SweepFlowRun removes what a deleted flow run left, a step at a time.
type SweepFlowRun struct {
	ID prefect.ID
}

// Run answers nothing.
func (o *SweepFlowRun) Run(c *Context) (any, error) {
	_, err := c.sweep(o.ID, c.deletion())
	return nil, err
}

func (c *Context) sweep(id prefect.ID, d deletion) (more bool, err error) {
	for task := range store.TaskRunsByKey.Rows(c.Tx, store.Range{Prefix: key(id)}) {
		if d.full() {
			return true, c.Send(c.Group, &SweepFlowRun{ID: id})
		}
		if err := c.removeTaskRun(task); err != nil {
			return false, err
		}
	}
	if deleteLogs(d, store.Range{Prefix: key(id)}) {
		return true, c.Send(c.Group, &SweepFlowRun{ID: id})
	}
	return false, nil
}

// RemoveFlowRun deletes a flow run and returns when everything below it is gone.
func RemoveFlowRun(ctx context.Context, b Backend, id prefect.ID) error {
	group := b.Groups().Of(id)
	existed, err := Do[bool](ctx, b, group, &DeleteFlowRun{ID: id})
	if err != nil {
		return err
	}
	if !existed {
		return NotFound("Flow run not found")
	}
	return b.Settle(ctx, group)
}

// DeleteFlowRunsOf removes the runs of a deleted flow, a step at a time.
type DeleteFlowRunsOf struct {
	FlowID prefect.ID
}

// Run answers nothing.
func (o *DeleteFlowRunsOf) Run(c *Context) (any, error) {
	d := c.deletion()
	for run := range store.FlowRunsByFlow.Rows(c.Tx, store.Range{Prefix: key(o.FlowID)}) {
		if d.full() {
			return nil, c.Send(c.Group, o)
		}
		if _, err := c.deleteFlowRun(run, d); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// deleteStates removes a run's chain of states, with the data they kept.
func deleteStates(tx *store.Tx, table *store.Table[prefect.State], newest prefect.ID) {
	for s := range statesBack(tx, table, newest) {
		if !s.ResultArtifact.IsNull() {
			store.Artifacts.Delete(tx, key(s.ResultArtifact))
		}
		table.Delete(tx, key(s.ID))
	}
}
