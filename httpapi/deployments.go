package httpapi

import (
	"errors"

	"prefectd/httpapi/schema"
	"prefectd/ops"
	"prefectd/ops/inputschema"
	"prefectd/prefect"
)

func deploymentRoutes() []route {
	return []route{
		{Method: "POST", Path: "/deployments/", Kind: write, Handle: createDeployment, Doc: "Make a deployment, or change the one of that flow and name."},
		{Method: "PATCH", Path: "/deployments/{id}", Kind: write, Handle: updateDeployment, Doc: "Change what is sent of a deployment."},
		{Method: "DELETE", Path: "/deployments/{id}", Kind: write, Handle: deleteDeployment, Doc: "Delete a deployment with its schedules and the runs that have not begun."},
		{Method: "POST", Path: "/deployments/bulk_delete", Kind: write, Handle: deleteDeployments, Doc: "Delete the deployments that match."},
		{Method: "POST", Path: "/deployments/{id}/pause_deployment", Kind: write, Handle: pauseDeployment, Doc: "Stop the schedules of a deployment."},
		{Method: "POST", Path: "/deployments/{id}/resume_deployment", Kind: write, Handle: resumeDeployment, Doc: "Set the schedules of a deployment going again."},
		{Method: "POST", Path: "/deployments/{id}/schedule", Kind: write, Handle: scheduleNow, Doc: "Make the runs of a deployment's schedules in a span of time."},
		{Method: "POST", Path: "/deployments/{id}/create_flow_run", Kind: write, Handle: createDeploymentRun, Doc: "Make a flow run of a deployment."},
		{Method: "POST", Path: "/deployments/{id}/create_flow_run/bulk", Kind: write, Handle: createDeploymentRuns, Doc: "Make several flow runs of a deployment."},
		{Method: "POST", Path: "/deployments/{id}/schedules", Kind: write, Handle: createSchedules, Doc: "Add schedules to a deployment."},
		{Method: "PATCH", Path: "/deployments/{id}/schedules/{schedule_id}", Kind: write, Handle: updateSchedule, Doc: "Change what is sent of a schedule."},
		{Method: "DELETE", Path: "/deployments/{id}/schedules/{schedule_id}", Kind: write, Handle: deleteSchedule, Doc: "Delete a schedule."},
	}
}

func createDeployment(c *call) error {
	by := c.createdBy()
	op := &ops.CreateDeployment{By: by}
	if err := c.decode(&op.Body); err != nil {
		return withParameters(err)
	}
	if err := checkConformity(c.req.PostBody(), &op.Body); err != nil {
		return withParameters(err)
	}
	return replyUpserted[prefect.Deployment](c)(ops.NewDeployment(c.ctx, c.backend, op))
}

// withParameters adds to the echo of a refused body the parameters that the reference
// sets before it looks at anything else.
func withParameters(err error) error {
	var wrong *invalid
	var sent map[string]prefect.JSON
	if !errors.As(err, &wrong) || prefect.Unmarshal(wrong.body, &sent) != nil || sent == nil || sent["parameters"] != nil {
		return err
	}
	sent["parameters"] = prefect.JSON(`{}`)
	if echo, err := prefect.Marshal(sent); err == nil {
		wrong.body = echo
	}
	return wrong
}

// checkConformity holds the parameters of a new deployment to its schema, but only if the
// request says that it wants that.
func checkConformity(body []byte, d *prefect.DeploymentCreate) error {
	schemaSent := d.ParameterOpenAPISchema.Value
	if !d.EnforceParameterSchema.Value || schemaSent == nil {
		return nil
	}
	err := ops.CheckParameters(d.Parameters, schemaSent, false)
	if err == nil {
		return nil
	}
	text := "The provided schema is not a valid json schema. Schema error: " + err.Error()
	var wrong *inputschema.Violation
	if errors.As(err, &wrong) {
		text = wrong.Text
	}
	return &invalid{body: body, problems: []schema.Problem{{
		Type: "value_error", Loc: []any{"body"}, Msg: "Value error, " + text, Input: body, Ctx: prefect.JSON(`{"error":{}}`),
	}}}
}

func updateDeployment(c *call) error {
	op := &ops.UpdateDeployment{ID: c.id("id")}
	if err := c.decode(&op.Update); err != nil {
		return err
	}
	return c.done(nil, ops.ChangeDeployment(c.ctx, c.backend, op))
}

func deleteDeployment(c *call) error {
	return c.done(nil, ops.ChangeDeployment(c.ctx, c.backend, &ops.DeleteDeployment{ID: c.id("id")}))
}

func deleteDeployments(c *call) error {
	var body prefect.DeploymentsBulkDelete
	if err := c.decode(&body); err != nil {
		return err
	}
	deleted, err := ops.RemoveDeployments(c.ctx, c.backend, body)
	if err != nil {
		return err
	}
	return c.reply(200, bulkDeleted{deleted})
}

func pauseDeployment(c *call) error {
	return c.null(ops.ChangeDeployment(c.ctx, c.backend, &ops.PauseDeployment{ID: c.id("id"), Paused: true}))
}

func resumeDeployment(c *call) error {
	return c.null(ops.ChangeDeployment(c.ctx, c.backend, &ops.PauseDeployment{ID: c.id("id")}))
}

func scheduleNow(c *call) error {
	var body prefect.ScheduleNow
	if err := c.decode(&body); err != nil {
		return err
	}
	return c.null(ops.ScheduleNow(c.ctx, c.backend, c.id("id"), &body))
}

// null answers null for an operation that has nothing to say.
func (c *call) null(err error) error { return replyWith[any](c)(nil, err) }

func createDeploymentRun(c *call) error {
	var body prefect.DeploymentFlowRunCreate
	if err := c.decode(&body); err != nil {
		return err
	}
	return replyUpserted[prefect.FlowRun](c)(ops.NewDeploymentRun(c.ctx, c.backend, c.id("id"), body, c.createdBy()))
}

func createDeploymentRuns(c *call) error {
	var body []prefect.DeploymentFlowRunCreate
	if err := c.decode(&body); err != nil {
		return err
	}
	results, err := ops.NewDeploymentRuns(c.ctx, c.backend, c.id("id"), body, c.createdBy())
	if err != nil {
		return err
	}
	return c.reply(200, struct {
		Results []ops.BulkRun `json:"results"`
	}{results})
}

func createSchedules(c *call) error {
	op := &ops.CreateSchedules{DeploymentID: c.id("id")}
	if err := c.decode(&op.Schedules); err != nil {
		return err
	}
	made, err := ops.Do[[]*prefect.DeploymentSchedule](c.ctx, c.backend, ops.Coordination, op)
	if err != nil {
		return err
	}
	return c.reply(201, made)
}

func updateSchedule(c *call) error {
	op := &ops.UpdateSchedule{DeploymentID: c.id("id"), ScheduleID: c.id("schedule_id")}
	if err := c.decode(&op.Update); err != nil {
		return err
	}
	return c.done(nil, ops.ChangeDeployment(c.ctx, c.backend, op))
}

func deleteSchedule(c *call) error {
	return c.done(nil, ops.ChangeDeployment(c.ctx, c.backend, &ops.DeleteSchedule{DeploymentID: c.id("id"), ScheduleID: c.id("schedule_id")}))
}
