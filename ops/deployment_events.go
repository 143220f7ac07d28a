package ops

import (
	"prefectd/prefect"
)

// emitDeployment emits prefect.deployment.<what>.
func (c *Context) emitDeployment(what string, d *prefect.Deployment) {
	c.Emit(&prefect.Event{
		ID: c.freshID(), Occurred: c.Now, Event: "prefect.deployment." + what,
		Resource: deploymentResource(d), Related: c.aroundDeployment(d),
	})
}

// deploymentResource names a deployment in an event.
func deploymentResource(d *prefect.Deployment) prefect.Resource {
	return resource("deployment", d.ID, d.Name)
}

// emitDeploymentUpdate emits prefect.deployment.updated, if anything changed that it
// tells of.
func (c *Context) emitDeploymentUpdate(before, after *prefect.Deployment) error {
	var changes fieldChanges
	for _, f := range []struct {
		name     string
		from, to any
	}{
		{"description", before.Description, after.Description},
		{"tags", before.Tags, after.Tags},
		{"parameters", before.Parameters, after.Parameters},
		{"parameter_openapi_schema", before.ParameterOpenAPISchema, after.ParameterOpenAPISchema},
		{"enforce_parameter_schema", before.EnforceParameterSchema, after.EnforceParameterSchema},
		{"entrypoint", before.Entrypoint, after.Entrypoint},
		{"path", before.Path, after.Path},
		{"pull_steps", before.PullSteps, after.PullSteps},
		{"work_queue_id", before.WorkQueueID, after.WorkQueueID},
		{"infra_overrides", before.JobVariables, after.JobVariables},
		{"paused", before.Paused, after.Paused},
		{"labels", before.Labels, after.Labels},
		{"version", before.Version, after.Version},
		{"concurrency_limit_id", before.ConcurrencyLimitID, after.ConcurrencyLimitID},
		{"concurrency_options", before.ConcurrencyOptions, after.ConcurrencyOptions},
	} {
		if err := changes.add(f.name, f.from, f.to); err != nil {
			return err
		}
	}
	return c.emitUpdate("deployment", deploymentResource(after), c.aroundDeployment(after), &changes)
}
