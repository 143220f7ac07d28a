package httpapi

import (
	"prefectd/ops"
	"prefectd/prefect"
)

// uiRoutes are those that only the web UI asks for.
func uiRoutes() []route {
	return []route{
		{Method: "GET", Path: "/ui/task_runs/{id}", Kind: read, Handle: readUITaskRun, Doc: "One task run with the name of its flow run."},
	}
}

func readUITaskRun(c *call) error {
	group, task, err := ops.FindTaskRun(c.ctx, c.backend, c.id("id"))
	if err != nil {
		return err
	}
	if task == nil {
		return ops.NotFound("Task not found")
	}
	answer := struct {
		*prefect.TaskRun
		FlowRunName *string `json:"flow_run_name"`
	}{TaskRun: task}
	if !task.FlowRunID.IsNull() {
		run, err := ops.Ask[*prefect.FlowRun](c.ctx, c.backend, group, &ops.ReadFlowRun{ID: task.FlowRunID})
		if err != nil {
			return err
		}
		answer.FlowRunName = &run.Name
	}
	return c.reply(200, answer)
}
