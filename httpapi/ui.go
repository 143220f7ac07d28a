package httpapi

import (
	"prefectd/ops"
	"prefectd/ops/inputschema"
	"prefectd/prefect"
)

// uiRoutes are those that only the web UI asks for.
func uiRoutes() []route {
	return []route{
		{Method: "POST", Path: "/ui/flow_runs/history", Kind: read, Handle: uiRunHistory, Doc: "Flow runs with their times."},
		{Method: "POST", Path: "/ui/flow_runs/count-task-runs", Kind: read, Handle: uiTaskRunsPerRun, Doc: "The number of task runs of some flow runs."},
		{Method: "POST", Path: "/ui/schemas/validate", Kind: read, Handle: uiValidate, Doc: "What a schema says of some values."},
		{Method: "POST", Path: "/ui/flows/count-deployments", Kind: read, Handle: uiDeploymentsPerFlow, Doc: "The number of deployments of some flows."},
		{Method: "POST", Path: "/ui/flows/next-runs", Kind: read, Handle: uiNextRuns, Doc: "The next scheduled run of some flows."},
		{Method: "POST", Path: "/ui/task_runs/count", Kind: read, Handle: uiTaskRunsPerState, Doc: "The number of task runs that match, by state."},
		{Method: "POST", Path: "/ui/task_runs/dashboard/counts", Kind: read, Handle: uiOutcomes, Doc: "How the task runs of some time ended."},
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

func uiRunHistory(c *call) error {
	var q prefect.UIHistoryQuery
	if err := c.decode(&q); err != nil {
		return err
	}
	limit, offset := q.Window()
	return replyWith[[]ops.RunTime](c)(ops.RunTimes(c.ctx, c.backend, &q.FlowsScope, q.Sort, limit, offset))
}

func uiTaskRunsPerRun(c *call) error {
	var q prefect.UIFlowRunsQuery
	if err := c.decode(&q); err != nil {
		return err
	}
	return replyWith[map[prefect.ID]int](c)(ops.TaskRunCounts(c.ctx, c.backend, q.FlowRunIDs))
}

func uiDeploymentsPerFlow(c *call) error {
	var q prefect.UIFlowsQuery
	if err := c.decode(&q); err != nil {
		return err
	}
	return replyWith[map[prefect.ID]int](c)(ops.Ask[map[prefect.ID]int](c.ctx, c.backend, ops.Coordination, &ops.CountDeploymentsOf{Flows: q.FlowIDs}))
}

func uiNextRuns(c *call) error {
	var q prefect.UIFlowsQuery
	if err := c.decode(&q); err != nil {
		return err
	}
	return replyWith[map[prefect.ID]*ops.NextRun](c)(ops.NextRuns(c.ctx, c.backend, q.FlowIDs))
}

func uiTaskRunsPerState(c *call) error {
	var q prefect.TaskRunsCountQuery
	if err := c.decode(&q); err != nil {
		return err
	}
	return replyWith[ops.CountByState](c)(ops.CountTaskStates(c.ctx, c.backend, &q.TaskRunsScope))
}

func uiOutcomes(c *call) error {
	var q prefect.UITaskRunCountsQuery
	if err := c.decode(&q); err != nil {
		return err
	}
	return replyWith[[]ops.Outcomes](c)(ops.CountOutcomes(c.ctx, c.backend, q))
}

// uiValidate says what is wrong with the values that somebody entered.
func uiValidate(c *call) error {
	var body struct {
		_      struct{}     `check:"params"`
		Schema prefect.JSON `json:"schema" check:"required,object"`
		Values prefect.JSON `json:"values" check:"required,object"`
	}
	if err := c.decode(&body); err != nil {
		return err
	}
	faults, err := ops.CheckValues(c.ctx, c.backend, body.Values, body.Schema)
	if err != nil {
		return err
	}
	type verdict struct {
		Errors []inputschema.Fault `json:"errors"`
		Valid  bool                `json:"valid"`
	}
	return c.reply(200, verdict{faults, len(faults) == 0})
}
