package ops

import (
	"context"

	"prefectd/prefect"
	"prefectd/store"
)

// CreateTaskRun makes a task run in its initial state, or answers the one with
// the same keys unchanged.
type CreateTaskRun struct {
	ID   prefect.ID
	Body prefect.TaskRunCreate
}

// Run answers an Upserted[prefect.TaskRun]; 409 for an unknown flow run.
func (o *CreateTaskRun) Run(c *Context) (any, error) {
	body := &o.Body
	if found := taskRunByKey(c.Tx, body.FlowRunID, body.TaskKey, body.DynamicKey); found != nil {
		return Upserted[prefect.TaskRun]{Object: completeTaskRun(c.Tx, found, c.Now)}, nil
	}
	var labels prefect.Labels
	if !body.FlowRunID.IsNull() {
		run := flowRun(c.Tx, body.FlowRunID)
		if run == nil {
			return nil, IntegrityConflict()
		}
		labels = run.Labels.Merge(systemLabel("prefect.flow-run.id", run.ID))
	}
	if taskRun(c.Tx, o.ID) != nil {
		return nil, IntegrityConflict()
	}
	task := &prefect.TaskRun{
		ID: o.ID, Created: c.Now, Updated: c.Now,
		Name: c.runName(body.Name), FlowRunID: body.FlowRunID, TaskKey: body.TaskKey, DynamicKey: body.DynamicKey,
		CacheKey: body.CacheKey, CacheExpiration: body.CacheExpiration, TaskVersion: body.TaskVersion,
		EmpiricalPolicy: body.EmpiricalPolicy, Tags: body.Tags, Labels: labels.Merge(body.Labels), TaskInputs: body.TaskInputs,
	}
	state, err := initialTaskRunState(c, task, body.State)
	if err != nil {
		return nil, err
	}
	task.State = state
	task.Compute(c.Now)
	return Upserted[prefect.TaskRun]{task, true}, nil
}

// NewTaskRun creates a task run in the group where it belongs.
func NewTaskRun(ctx context.Context, b Backend, body prefect.TaskRunCreate) (Upserted[prefect.TaskRun], error) {
	id := body.ID
	if id.IsNull() {
		slot := body.FlowRunID.Slot()
		if body.FlowRunID.IsNull() {
			slot = keySlot(prefect.NoID, body.TaskKey+"\x00"+body.DynamicKey)
		}
		id = b.NewID().WithSlot(slot)
	}
	home := id
	if !body.FlowRunID.IsNull() {
		home = body.FlowRunID
	}
	return Do[Upserted[prefect.TaskRun]](ctx, b, b.Groups().Of(home), &CreateTaskRun{ID: id, Body: body})
}

// ReadTaskRun reads one task run.
type ReadTaskRun struct {
	ID prefect.ID
}

// Read answers a *prefect.TaskRun, nil if this group doesn't hold it.
func (q *ReadTaskRun) Read(tx *store.Tx, now prefect.Time) (any, error) {
	task := taskRun(tx, q.ID)
	if task == nil {
		return task, nil
	}
	return completeTaskRun(tx, task, now), nil
}

// FindTaskRun looks a task run up in every run group, because its id doesn't say
// where its flow run lives. The run is nil if there is none.
func FindTaskRun(ctx context.Context, b Backend, id prefect.ID) (group int, task *prefect.TaskRun, err error) {
	parts, err := AskRuns[*prefect.TaskRun](ctx, b, &ReadTaskRun{ID: id})
	if err != nil {
		return 0, nil, err
	}
	for i, task := range parts {
		if task != nil {
			return b.Groups().RunGroups()[i], task, nil
		}
	}
	return 0, nil, nil
}

// UpdateTaskRun changes what was sent of a task run.
type UpdateTaskRun struct {
	ID     prefect.ID
	Update prefect.TaskRunUpdate
}

// Run answers nothing; 404 for an unknown run.
func (o *UpdateTaskRun) Run(c *Context) (any, error) {
	task := taskRun(c.Tx, o.ID)
	if task == nil {
		return nil, NotFound("Task run not found")
	}
	if o.Update.Name.Set {
		task.Name = c.runName(o.Update.Name.Value)
	}
	task.Updated = c.Now
	store.TaskRuns.Put(c.Tx, task)
	return nil, nil
}

// ChangeTaskRun updates a task run wherever it is.
func ChangeTaskRun(ctx context.Context, b Backend, id prefect.ID, update prefect.TaskRunUpdate) error {
	group, task, err := FindTaskRun(ctx, b, id)
	if err != nil {
		return err
	}
	if task == nil {
		return NotFound("Task run not found")
	}
	_, err = b.Do(ctx, group, &UpdateTaskRun{ID: id, Update: update})
	return err
}

// DeleteTaskRun removes a task run with its states.
type DeleteTaskRun struct {
	ID prefect.ID
}

// Run answers nothing; 404 for an unknown run.
func (o *DeleteTaskRun) Run(c *Context) (any, error) {
	task := taskRun(c.Tx, o.ID)
	if task == nil {
		return nil, NotFound("Task not found")
	}
	return nil, c.removeTaskRun(task)
}

// removeTaskRun deletes a task run and cuts the links of the flow runs that ran as it.
func (c *Context) removeTaskRun(task *prefect.TaskRun) error {
	if len(task.Tags) > 0 && holdsSlots.has(task.StateType) {
		if err := c.Send(Coordination, &EndRunSlots{RunID: task.ID}); err != nil {
			return err
		}
	}
	deleteStates(c.Tx, store.TaskRunStates, task.StateID)
	store.TaskRuns.Delete(c.Tx, key(task.ID))
	store.TaskQueue.Delete(c.Tx, key(task.ID))
	for _, run := range subflowRuns(c.Tx, task) {
		if err := c.runOrSend(c.Groups.Of(run), &DetachFlowRun{ID: run, Parent: task.ID}); err != nil {
			return err
		}
	}
	return nil
}

// RemoveTaskRun deletes a task run wherever it is.
func RemoveTaskRun(ctx context.Context, b Backend, id prefect.ID) error {
	group, task, err := FindTaskRun(ctx, b, id)
	if err != nil {
		return err
	}
	if task == nil {
		return NotFound("Task not found")
	}
	_, err = b.Do(ctx, group, &DeleteTaskRun{ID: id})
	return err
}

// DetachFlowRun cuts a subflow run from a parent task run that is gone.
type DetachFlowRun struct {
	ID     prefect.ID
	Parent prefect.ID
}

// Run answers nothing.
func (o *DetachFlowRun) Run(c *Context) (any, error) {
	run := flowRun(c.Tx, o.ID)
	if run == nil || run.ParentTaskRunID != o.Parent {
		return nil, nil
	}
	run.ParentTaskRunID = prefect.NoID
	store.FlowRuns.Put(c.Tx, run)
	return nil, nil
}
