package httpapi

import (
	"prefectd/ops"
	"prefectd/prefect"
)

func stateRoutes() []route {
	return []route{
		{Method: "GET", Path: "/flow_run_states/", Kind: read, Handle: flowRunStates, Doc: "The states of a flow run."},
		{Method: "GET", Path: "/flow_run_states/{id}", Kind: read, Handle: readState(false), Doc: "One state of a flow run."},
		{Method: "GET", Path: "/task_run_states/", Kind: read, Handle: taskRunStates, Doc: "The states of a task run."},
		{Method: "GET", Path: "/task_run_states/{id}", Kind: read, Handle: readState(true), Doc: "One state of a task run."},
	}
}

func readState(ofTaskRun bool) func(*call) error {
	return func(c *call) error {
		return replyWith[*prefect.State](c)(ops.FindState(c.ctx, c.backend, &ops.ReadState{ID: c.id("id"), TaskRuns: ofTaskRun}))
	}
}

func flowRunStates(c *call) error {
	var q struct {
		_         struct{}   `check:"params"`
		FlowRunID prefect.ID `json:"flow_run_id" check:"required"`
	}
	if err := c.query(&q); err != nil {
		return err
	}
	return replyWith[[]*prefect.State](c)(ops.ListStates(c.ctx, c.backend, &ops.StatesOf{RunID: q.FlowRunID}))
}

func taskRunStates(c *call) error {
	var q struct {
		_         struct{}   `check:"params"`
		TaskRunID prefect.ID `json:"task_run_id" check:"required"`
	}
	if err := c.query(&q); err != nil {
		return err
	}
	return replyWith[[]*prefect.State](c)(ops.ListStates(c.ctx, c.backend, &ops.StatesOf{RunID: q.TaskRunID, TaskRuns: true}))
}
