package httpapi

import (
	"encoding/base64"

	"prefectd/ops"
	"prefectd/prefect"
)

func flowRunRoutes() []route {
	return []route{
		{Method: "POST", Path: "/flow_runs/", Kind: write, Handle: createFlowRun, Doc: "Make a flow run, or find the one with its idempotency key."},
		{Method: "PATCH", Path: "/flow_runs/{id}", Kind: write, Handle: updateFlowRun, Doc: "Change what is sent of a flow run."},
		{Method: "DELETE", Path: "/flow_runs/{id}", Kind: write, Handle: deleteFlowRun, Doc: "Delete a flow run with everything below it."},
		{Method: "POST", Path: "/flow_runs/{id}/set_state", Kind: write, Handle: setFlowRunState, Doc: "Propose a state for a flow run."},
		{Method: "POST", Path: "/flow_runs/{id}/resume", Kind: write, Handle: resumeFlowRun, Doc: "Resume a paused flow run."},
		{Method: "PATCH", Path: "/flow_runs/{id}/labels", Kind: write, Handle: labelFlowRun, Doc: "Merge labels into a flow run's."},
		{Method: "POST", Path: "/flow_runs/bulk_set_state", Kind: write, Handle: setFlowRunStates, Doc: "Propose a state for the flow runs that match."},
		{Method: "POST", Path: "/flow_runs/bulk_delete", Kind: write, Handle: deleteFlowRuns, Doc: "Delete the flow runs that match."},
	}
}

func createFlowRun(c *call) error {
	var body prefect.FlowRunCreate
	if err := c.decode(&body); err != nil {
		return err
	}
	return replyUpserted[prefect.FlowRun](c)(ops.NewFlowRun(c.ctx, c.backend, body, c.createdBy()))
}

// createdBy says which automation makes the request, if its headers name one.
func (c *call) createdBy() *prefect.CreatedBy {
	id, err := prefect.ParseID(c.header("Prefect-Automation-Id"))
	if err != nil {
		return nil
	}
	name, err := base64.StdEncoding.DecodeString(c.header("Prefect-Automation-Name"))
	if err != nil {
		return nil
	}
	kind, display := "AUTOMATION", string(name)
	return &prefect.CreatedBy{ID: id, Type: &kind, DisplayValue: &display}
}

func updateFlowRun(c *call) error {
	op := &ops.UpdateFlowRun{ID: c.id("id")}
	if err := c.decode(&op.Update); err != nil {
		return err
	}
	return c.done(c.backend.Do(c.ctx, c.backend.Groups().Of(op.ID), op))
}

func deleteFlowRun(c *call) error {
	return c.done(nil, ops.RemoveFlowRun(c.ctx, c.backend, c.id("id")))
}

func setFlowRunState(c *call) error {
	var body prefect.SetState
	if err := c.decode(&body); err != nil {
		return err
	}
	return replyOrchestration(c)(ops.ChangeFlowRunState(c.ctx, c.backend, ops.SetFlowRunState{
		RunID: c.id("id"), State: body.State, Force: body.Force, Client: c.client(),
	}))
}

// replyOrchestration answers with the outcome of a proposed state: 201 when a
// state was written.
func replyOrchestration(c *call) func(*ops.Orchestration, error) error {
	return func(o *ops.Orchestration, err error) error {
		if err != nil {
			return err
		}
		return c.replyMade(o.Created, o.Outcome)
	}
}

func resumeFlowRun(c *call) error {
	var body prefect.Resume
	if err := c.decode(&body); err != nil {
		return err
	}
	return replyOrchestration(c)(ops.ResumeRun(c.ctx, c.backend, c.id("id"), body.RunInput, c.client()))
}

func labelFlowRun(c *call) error {
	op := &ops.LabelFlowRun{ID: c.id("id")}
	if err := c.decode(&op.Labels); err != nil {
		return err
	}
	return c.done(c.backend.Do(c.ctx, c.backend.Groups().Of(op.ID), op))
}

func setFlowRunStates(c *call) error {
	var body prefect.FlowRunsBulkSetState
	if err := c.decode(&body); err != nil {
		return err
	}
	results, err := ops.ChangeFlowRunStates(c.ctx, c.backend, body, c.client())
	if err != nil {
		return err
	}
	return c.reply(200, struct {
		Results []ops.BulkOrchestration `json:"results"`
	}{results})
}

func deleteFlowRuns(c *call) error {
	var body prefect.FlowRunsBulkDelete
	if err := c.decode(&body); err != nil {
		return err
	}
	deleted, err := ops.RemoveFlowRuns(c.ctx, c.backend, body)
	if err != nil {
		return err
	}
	return c.reply(200, bulkDeleted{deleted})
}
