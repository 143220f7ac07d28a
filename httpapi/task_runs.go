package httpapi

import (
	"prefectd/ops"
	"prefectd/prefect"
)

func taskRunRoutes() []route {
	return []route{
		{Method: "POST", Path: "/task_runs/", Kind: write, Handle: createTaskRun, Doc: "Make a task run, or find the one with its keys."},
		{Method: "PATCH", Path: "/task_runs/{id}", Kind: write, Handle: updateTaskRun, Doc: "Rename a task run."},
		{Method: "DELETE", Path: "/task_runs/{id}", Kind: write, Handle: deleteTaskRun, Doc: "Delete a task run."},
		{Method: "POST", Path: "/task_runs/{id}/set_state", Kind: write, Handle: setTaskRunState, Doc: "Propose a state for a task run."},
	}
}

func createTaskRun(c *call) error {
	var body prefect.TaskRunCreate
	if err := c.decode(&body); err != nil {
		return err
	}
	return replyUpserted[prefect.TaskRun](c)(ops.NewTaskRun(c.ctx, c.backend, body))
}

func updateTaskRun(c *call) error {
	var body prefect.TaskRunUpdate
	if err := c.decode(&body); err != nil {
		return err
	}
	return c.done(nil, ops.ChangeTaskRun(c.ctx, c.backend, c.id("id"), body))
}

func deleteTaskRun(c *call) error {
	return c.done(nil, ops.RemoveTaskRun(c.ctx, c.backend, c.id("id")))
}

func setTaskRunState(c *call) error {
	var body prefect.SetState
	if err := c.decode(&body); err != nil {
		return err
	}
	return replyOrchestration(c)(ops.ChangeTaskRunState(c.ctx, c.backend, ops.SetTaskRunState{
		RunID: c.id("id"), State: body.State, Force: body.Force,
	}))
}
