package ops

import (
	"context"

	"prefectd/prefect"
	"prefectd/store"
)

// Deployments live in the coordination group, the runs that they cause in the run groups.
// What an operation on a deployment does to runs goes through the outbox, and so do the
// runs that the scheduler makes: their order holds.

// deployment reads a deployment's row; nil if there is none.
func deployment(tx *store.Tx, id prefect.ID) *prefect.Deployment {
	return store.Deployments.Get(tx, key(id))
}

// findDeployment reads a deployment; 404 if there is none. Some routes end the text with
// a full stop.
func findDeployment(tx *store.Tx, id prefect.ID, stop string) (*prefect.Deployment, error) {
	if d := deployment(tx, id); d != nil {
		return d, nil
	}
	return nil, NotFound("Deployment not found" + stop)
}

// CreateDeployment makes a deployment, or changes the one of that flow and name.
type CreateDeployment struct {
	Body prefect.DeploymentCreate
	By   *prefect.CreatedBy
}

// Run answers an Upserted[prefect.Deployment]; 404 for an unknown work pool or limit, 409
// for an unknown flow or block, 422 for job variables that the pool does not allow.
func (o *CreateDeployment) Run(c *Context) (any, error) {
	body := &o.Body
	flow := store.Flows.Get(c.Tx, key(body.FlowID))
	d := store.DeploymentsByFlow.Find(c.Tx, key(body.FlowID).String(body.Name))
	var before *prefect.Deployment
	if created := d == nil; created {
		d = &prefect.Deployment{
			ID: c.freshID(), Created: c.Now, Name: body.Name, FlowID: body.FlowID,
			JobVariables: prefect.JSON(`{}`), ParameterOpenAPISchema: prefect.JSON(`{}`), PullSteps: prefect.JSON(`[]`),
			Status: prefect.NotReady, EnforceParameterSchema: true, CreatedBy: o.By, UpdatedBy: o.By,
		}
	} else {
		before = deployment(c.Tx, d.ID)
	}
	d.Updated, d.Parameters = c.Now, body.Parameters
	if body.EnforceParameterSchema.Set {
		d.EnforceParameterSchema = body.EnforceParameterSchema.Value
	}
	if body.JobVariables.Set {
		d.JobVariables = body.JobVariables.Value
	}
	if err := o.settle(c, d); err != nil {
		return nil, err
	}
	if flow == nil {
		return nil, IntegrityConflict()
	}
	d.Labels = flow.Labels.Merge(systemLabel("prefect.flow.id", flow.ID), body.Labels)
	if err := c.putSchedulesOf(d, body.Schedules); err != nil {
		return nil, err
	}
	if err := c.replaceDeployment(before, d); err != nil {
		return nil, err
	}
	return Upserted[prefect.Deployment]{completeDeployment(c.Tx, d, c.Now), before == nil}, nil
}

// settle sets the fields that creating and updating have in common.
func (o *CreateDeployment) settle(c *Context, d *prefect.Deployment) error {
	fields := &o.Body.DeploymentFields
	if err := c.checkPool(fields, d.JobVariables, o.Body.JobVariables.Set); err != nil {
		return err
	}
	if err := fields.Apply(d); err != nil {
		return err
	}
	if err := c.limitRunsOf(d, fields); err != nil {
		return err
	}
	if err := c.enqueueDeployment(d, fields); err != nil {
		return err
	}
	return c.checkBlocks(fields)
}

// checkPool refuses an unknown work pool, and job variables that it does not allow.
func (c *Context) checkPool(f *prefect.DeploymentFields, variables prefect.JSON, check bool) error {
	name := text(f.WorkPoolName.Value)
	if name == "" || name == prefect.DefaultAgentPool {
		return nil
	}
	pool, err := findWorkPool(c.Tx, name)
	if err != nil || !check || isEmpty(variables) {
		return err
	}
	return asRefusal(checkJobVariables(pool.BaseJobTemplate, false, variables), Unprocessable, "Error creating deployment: ")
}

// checkBlocks refuses references to blocks that there are not.
func (c *Context) checkBlocks(f *prefect.DeploymentFields) error {
	missing := func(kind string, id prefect.ID) error {
		return Conflict("Error creating deployment. Could not find " + kind + " block with id: " + id.String() +
			". This usually occurs when applying a deployment specification that was built against a different Prefect database / workspace.")
	}
	if id := f.InfrastructureDocumentID.Value; !id.IsNull() && !store.BlockDocuments.Has(c.Tx, key(id)) {
		return missing("infrastructure", id)
	}
	if id := f.StorageDocumentID.Value; !id.IsNull() && !store.BlockDocuments.Has(c.Tx, key(id)) {
		return missing("storage", id)
	}
	return nil
}

// enqueueDeployment sets the work queue in which a deployment's runs wait: that of the
// names that were sent. A queue that its pool does not have is made.
func (c *Context) enqueueDeployment(d *prefect.Deployment, f *prefect.DeploymentFields) error {
	ensure := &EnsureQueue{}
	if name := f.WorkPoolName.Value; text(name) != "" && *name != prefect.DefaultAgentPool {
		ensure.Pool = name
	}
	if name := f.WorkQueueName.Value; text(name) != "" {
		ensure.Queue = name
	}
	switch {
	case f.WorkPoolName.Set && f.WorkPoolName.Value == nil:
		d.WorkQueueID = prefect.NoID
		return nil
	case text(f.WorkPoolName.Value) == "" && ensure.Queue == nil:
		return nil
	}
	queue, err := as[*QueueRef](ensure.Run(c))
	if err == nil && queue != nil {
		d.WorkQueueID = queue.ID
	}
	return err
}

// replaceDeployment stores a deployment that was made or changed, tells of it, and has its
// future runs made anew.
func (c *Context) replaceDeployment(before, d *prefect.Deployment) error {
	store.Deployments.Put(c.Tx, d)
	if before == nil {
		c.emitDeployment("created", d)
	} else {
		if err := c.removeScheduledRuns(&RemoveScheduledRuns{DeploymentID: d.ID, Auto: true, After: c.Now}); err != nil {
			return err
		}
		if err := c.emitDeploymentUpdate(before, d); err != nil {
			return err
		}
	}
	c.reschedule(d)
	return nil
}

// UpdateDeployment changes what was sent of a deployment.
type UpdateDeployment struct {
	ID     prefect.ID
	Update prefect.DeploymentUpdate
}

// Run answers nothing; 404 for an unknown deployment, work pool or limit, 422 for
// schedules that cannot be told apart, 409 for parameters or job variables that are not
// allowed.
func (o *UpdateDeployment) Run(c *Context) (any, error) {
	d, err := findDeployment(c.Tx, o.ID, ".")
	if err != nil {
		return nil, err
	}
	before := deployment(c.Tx, o.ID)
	u := &o.Update
	if u.Schedules.Set {
		if err := c.patchSchedulesOf(d, u.Schedules.Value); err != nil {
			return nil, err
		}
	}
	if u.EnforceParameterSchema.Set {
		if u.EnforceParameterSchema.Value == nil {
			return nil, IntegrityConflict()
		}
		d.EnforceParameterSchema = *u.EnforceParameterSchema.Value
	}
	if err := o.checkVariables(c); err != nil {
		return nil, err
	}
	if !prefect.IsNull(u.JobVariables.Value) {
		d.JobVariables = u.JobVariables.Value
	}
	if err := u.DeploymentFields.Apply(d); err != nil {
		return nil, err
	}
	if err := o.setParameters(c, d, before); err != nil {
		return nil, err
	}
	if err := c.limitRunsOf(d, &u.DeploymentFields); err != nil {
		return nil, err
	}
	if err := c.enqueueDeployment(d, &u.DeploymentFields); err != nil {
		return nil, err
	}
	d.Updated = c.Now
	return nil, c.replaceDeployment(before, d)
}

// checkVariables looks at job variables that were sent along with a work pool.
func (o *UpdateDeployment) checkVariables(c *Context) error {
	name := text(o.Update.WorkPoolName.Value)
	if name == "" || name == prefect.DefaultAgentPool {
		return nil
	}
	pool, err := findWorkPool(c.Tx, name)
	if err != nil || prefect.IsNull(o.Update.JobVariables.Value) {
		return err
	}
	return asRefusal(pythonError(checkJobVariables(pool.BaseJobTemplate, false, o.Update.JobVariables.Value)), Conflict, "Error creating deployment: ")
}

// setParameters sets the parameters that were sent, with placeholders filled in. The
// deployment's parameters must conform to its schema, also if only that was sent.
func (o *UpdateDeployment) setParameters(c *Context, d, before *prefect.Deployment) error {
	if sent := o.Update.Parameters.Value; !prefect.IsNull(sent) {
		from, err := c.sourcesFor(sent)
		if err != nil {
			return err
		}
		hydrated, err := hydrate(sent, from, "Error hydrating deployment parameters: ")
		if err != nil {
			return err
		}
		d.Parameters = hydrated
	}
	if !d.EnforceParameterSchema {
		return nil
	}
	schema := d.ParameterOpenAPISchema
	if isEmpty(schema) {
		schema = before.ParameterOpenAPISchema
	}
	return checkParameters(d.Parameters, schema, false, "Error updating deployment: ")
}

// PauseDeployment stops the schedules of a deployment, or sets them going again.
type PauseDeployment struct {
	ID     prefect.ID
	Paused bool
}

// Run answers nothing; 404 for an unknown deployment.
func (o *PauseDeployment) Run(c *Context) (any, error) {
	d, err := findDeployment(c.Tx, o.ID, "")
	if err != nil {
		return nil, err
	}
	if d.Paused != o.Paused {
		d.Paused, d.Updated = o.Paused, c.Now
		store.Deployments.Put(c.Tx, d)
		c.reschedule(d)
	}
	if !o.Paused {
		return nil, nil
	}
	return nil, c.removeScheduledRuns(&RemoveScheduledRuns{DeploymentID: d.ID, Auto: true})
}

// DeleteDeployment removes a deployment with its schedules, its own limit and the runs
// that have not begun.
type DeleteDeployment struct {
	ID prefect.ID
}

// Run answers nothing; 404 for an unknown deployment.
func (o *DeleteDeployment) Run(c *Context) (any, error) {
	d, err := findDeployment(c.Tx, o.ID, "")
	if err != nil {
		return nil, err
	}
	return nil, c.removeDeployment(d)
}

func (c *Context) removeDeployment(d *prefect.Deployment) error {
	c.emitDeployment("deleted", d)
	c.removeOwnLimit(d)
	c.forgetProgress(d.ID)
	store.Deployments.Delete(c.Tx, key(d.ID))
	return c.removeScheduledRuns(&RemoveScheduledRuns{DeploymentID: d.ID})
}

// removeScheduledRuns has every run group remove runs of a deployment.
func (c *Context) removeScheduledRuns(op *RemoveScheduledRuns) error {
	for _, group := range c.Groups.RunGroups() {
		if err := c.Send(group, op); err != nil {
			return err
		}
	}
	return nil
}

// ChangeDeployment runs an operation on a deployment, and returns when what it does to
// runs is done too.
func ChangeDeployment(ctx context.Context, b Backend, op Operation) error {
	if _, err := b.Do(ctx, Coordination, op); err != nil {
		return err
	}
	return b.Settle(ctx, Coordination)
}

// NewDeployment makes or changes a deployment, in the same way.
func NewDeployment(ctx context.Context, b Backend, op *CreateDeployment) (Upserted[prefect.Deployment], error) {
	made, err := Do[Upserted[prefect.Deployment]](ctx, b, Coordination, op)
	if err != nil || made.Created {
		return made, err
	}
	return made, b.Settle(ctx, Coordination)
}

// RemoveDeployments deletes the first deployments that match by name, and answers which.
func RemoveDeployments(ctx context.Context, b Backend, q prefect.DeploymentsBulkDelete) ([]prefect.ID, error) {
	scope := &prefect.DeploymentsScope{FlowsScope: prefect.FlowsScope{Deployments: q.Deployments}}
	list, err := ListDeployments(ctx, b, scope, prefect.DeploymentNameAsc, q.Limit, 0)
	if err != nil {
		return nil, err
	}
	deleted := []prefect.ID{}
	for _, d := range list {
		if _, err := b.Do(ctx, Coordination, &DeleteDeployment{ID: d.ID}); err != nil {
			return nil, err
		}
		deleted = append(deleted, d.ID)
	}
	return deleted, b.Settle(ctx, Coordination)
}
